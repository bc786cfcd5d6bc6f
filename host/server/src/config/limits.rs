//! Which limits can be set, and between which bounds.

use party_core::limits::{AUTO_RESPONSE_CHARS_CEILING, Limits, MESSAGE_IN_BYTES_CEILING};

use thiserror::Error;

use super::problem::ConfigError;
use super::section::{Section, nearest};

/// One limit that can be set under `[limits]`.
struct Setting {
    name: &'static str,
    min: u64,
    max: u64,
    set: fn(&mut Limits, u64),
    get: fn(&Limits) -> u64,
}

/// Fails the build if a row's bounds are upside down or beyond what the field can hold.
const fn bounds_fit(min: u64, max: u64, type_max: u64) {
    assert!(min <= max && max <= type_max);
}

/// A row of the table. The cast cannot cut anything, because the bounds fit the field's type.
macro_rules! setting {
    ($name:ident: $type:ty, $min:expr, $max:expr) => {
        Setting {
            name: stringify!($name),
            min: $min,
            max: {
                const { bounds_fit($min, $max, <$type>::MAX as u64) };
                $max
            },
            set: |limits, value| limits.$name = value as $type,
            get: |limits| limits.$name.into(),
        }
    };
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 24 * 60 * MINUTE_MS;

/// Every field of [`Limits`]. The upper bounds are what a room of this kind can need at most, so that a slip of
/// the pen is found; they are no promise that a host can bear all of them at once.
const SETTINGS: &[Setting] = &[
    // What is kept of a room must hold it, and its sessions: see CHECKPOINT_BYTES_MAX of the store.
    setting!(memory_bytes_max: u64, MIB, 3 * GIB),
    setting!(turn_fuel_max: u64, 1_000_000, 1_000_000_000_000_000),
    setting!(turn_deadline_ms: u64, 1, 10 * MINUTE_MS),
    setting!(message_in_bytes_max: u32, 1, MESSAGE_IN_BYTES_CEILING as u64),
    setting!(message_out_bytes_max: u32, 1, 256 * MIB),
    setting!(turn_sends_max: u32, 1, 100_000_000),
    setting!(turn_output_bytes_max: u64, KIB, 4 * GIB),
    setting!(request_body_bytes_max: u32, 0, GIB),
    setting!(response_body_bytes_max: u32, 0, GIB),
    setting!(key_bytes_max: u32, 1, 64 * KIB),
    setting!(value_bytes_max: u32, 1, 64 * MIB),
    setting!(storage_bytes_max: u64, 0, 1_024 * GIB),
    setting!(keys_per_call_max: u32, 1, 1_000_000),
    setting!(page_entries_max: u32, 1, 1_000_000),
    setting!(page_bytes_max: u32, KIB, 256 * MIB),
    setting!(turn_write_bytes_max: u64, KIB, 4 * GIB),
    setting!(connections_max: u32, 0, 1_000_000),
    setting!(tags_max: u32, 0, 1_000),
    setting!(tag_chars_max: u32, 1, 64 * KIB),
    setting!(attachment_bytes_max: u32, 0, MIB),
    setting!(auto_response_chars_max: u32, 0, AUTO_RESPONSE_CHARS_CEILING as u64),
    setting!(credit_events: u32, 1, 100_000),
    setting!(credit_bytes: u32, 1, GIB),
    setting!(requests_waiting_max: u32, 1, 1_000_000),
    setting!(requests_open_max: u32, 1, 1_000_000),
    setting!(outbound_queue_bytes_max: u32, 1, GIB),
    setting!(stream_credit_bytes: u32, 1, GIB),
    setting!(streams_open_max: u32, 0, 1_000_000),
    setting!(operations_open_max: u32, 0, 1_000_000),
    setting!(holds_max: u32, 1, 1_000_000),
    setting!(turn_log_lines_max: u32, 0, 1_000_000),
    setting!(turn_log_bytes_max: u32, 0, 256 * MIB),
    setting!(events_pending_max: u32, 1, 10_000_000),
    setting!(uncommitted_turns_max: u32, 1, 100_000),
    setting!(uncommitted_bytes_max: u64, KIB, 4 * GIB),
    setting!(idle_ms: u64, 100, DAY_MS),
    setting!(checkpoint_interval_ms: u64, 1_000, DAY_MS),
    setting!(journal_records_max: u32, 1, 100_000),
    setting!(journal_bytes_max: u64, 65_536, 1 << 30),
    setting!(accept_deadline_ms: u64, 1, 10 * MINUTE_MS),
    setting!(connect_deadline_ms: u64, 1, DAY_MS),
    setting!(close_deadline_ms: u64, 1, DAY_MS),
    setting!(request_deadline_ms: u64, 1, DAY_MS),
    setting!(hold_deadline_ms: u64, 1, DAY_MS),
    setting!(alarm_deadline_ms: u64, 1, DAY_MS),
    setting!(upgrade_wait_ms: u64, 0, DAY_MS),
    setting!(drops_per_minute_max: u32, 1, 1_000_000),
    setting!(suspended_ms: u64, 1, DAY_MS),
];

/// What there is without the section, less what it sets.
pub(super) fn read(section: Option<Section<'_>>, mut limits: Limits) -> Result<Limits, ConfigError> {
    let Some(mut section) = section else { return Ok(limits) };
    for setting in SETTINGS {
        if let Some(value) = section.integer(setting.name, setting.min, setting.max)? {
            (setting.set)(&mut limits, value);
        }
    }
    let known: Vec<_> = SETTINGS.iter().map(|setting| setting.name).collect();
    section.finish(&known)?;
    Ok(limits)
}

/// Why a limit is not set.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum LimitError {
    /// There is none of this name.
    #[error("there is no limit {name:?}{}", nearest.map(|nearest| format!("; did you mean {nearest}?")).unwrap_or_default())]
    Unknown {
        /// What was asked for.
        name: String,
        /// What it looks like.
        nearest: Option<&'static str>,
    },
    /// It cannot be this.
    #[error("{name} is {value}; it can be from {min} to {max}")]
    OutOfBounds {
        /// Which.
        name: &'static str,
        /// What it was to be.
        value: u64,
        /// The least that it can be.
        min: u64,
        /// The most.
        max: u64,
    },
}

/// Sets a limit by its name, as `[limits]` does.
pub fn set_limit(limits: &mut Limits, name: &str, value: u64) -> Result<(), LimitError> {
    let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) else {
        let known: Vec<_> = SETTINGS.iter().map(|setting| setting.name).collect();
        return Err(LimitError::Unknown { name: name.to_owned(), nearest: nearest(name, &known) });
    };
    let Setting { name, min, max, set, .. } = *setting;
    if !(min..=max).contains(&value) {
        return Err(LimitError::OutOfBounds { name, value, min, max });
    }
    set(limits, value);
    Ok(())
}

/// The limits that are others in `limits` than in `base`, by name, as [`set_limit`] takes them.
pub fn differing_limits(limits: &Limits, base: &Limits) -> Vec<(&'static str, u64)> {
    let differing = SETTINGS.iter().filter(|setting| (setting.get)(limits) != (setting.get)(base));
    differing.map(|setting| (setting.name, (setting.get)(limits))).collect()
}

#[cfg(test)]
mod page;

#[cfg(test)]
mod tests {
    use super::SETTINGS;
    use party_core::limits::Limits;

    #[test]
    fn every_limit_can_be_set_and_its_default_is_within_its_bounds() {
        // The derived Debug is the one place that lists the fields.
        let printed = format!("{:?}", Limits::default());
        let fields = printed.trim_start_matches("Limits { ").trim_end_matches(" }");
        let fields: Vec<_> = fields.split(", ").filter_map(|field| field.split_once(": ")).collect();
        assert_eq!(fields.len(), SETTINGS.len());
        for ((name, default), setting) in fields.into_iter().zip(SETTINGS) {
            assert_eq!(name, setting.name);
            let default: u64 = default.parse().unwrap();
            assert!((setting.min..=setting.max).contains(&default), "{name} = {default}");
        }
    }

    #[test]
    fn a_setting_sets_its_own_field() {
        for setting in SETTINGS {
            let mut limits = Limits::default();
            (setting.set)(&mut limits, setting.max - 1);
            let printed = format!("{limits:?}");
            assert!(printed.contains(&format!("{}: {}", setting.name, setting.max - 1)), "{}", setting.name);
            assert_eq!(
                super::differing_limits(&limits, &Limits::default()),
                [(setting.name, setting.max - 1)]
            );
        }
    }
}
