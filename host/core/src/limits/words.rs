//! Limits as numbers in a row: what a guest is told depends on them, so whoever lets it run again needs them as they
//! were.

use super::Limits;

macro_rules! in_this_order {
    ($($field:ident),* $(,)?) => {
        impl Limits {
            /// All of them, in the order in which they are declared.
            pub(crate) fn words(&self) -> Vec<u64> {
                // Without `..`, so that a new limit cannot be forgotten here.
                let Limits { $($field),* } = self;
                vec![$(u64::from(*$field)),*]
            }

            /// What [`Limits::words`] gave. `None` if there are more or fewer, or one does not fit.
            pub(crate) fn of_words(words: &[u64]) -> Option<Limits> {
                let mut words = words.iter().copied();
                let limits = Limits { $($field: words.next()?.try_into().ok()?),* };
                words.next().is_none().then_some(limits)
            }
        }
    };
}

in_this_order! {
    memory_bytes_max,
    turn_fuel_max,
    turn_deadline_ms,
    message_in_bytes_max,
    message_out_bytes_max,
    turn_sends_max,
    turn_output_bytes_max,
    request_body_bytes_max,
    response_body_bytes_max,
    key_bytes_max,
    value_bytes_max,
    storage_bytes_max,
    keys_per_call_max,
    page_entries_max,
    page_bytes_max,
    turn_write_bytes_max,
    connections_max,
    tags_max,
    tag_chars_max,
    attachment_bytes_max,
    auto_response_chars_max,
    credit_events,
    credit_bytes,
    requests_waiting_max,
    requests_open_max,
    outbound_queue_bytes_max,
    operations_open_max,
    holds_max,
    turn_log_lines_max,
    turn_log_bytes_max,
    events_pending_max,
    uncommitted_turns_max,
    uncommitted_bytes_max,
    idle_ms,
    checkpoint_interval_ms,
    journal_records_max,
    journal_bytes_max,
    accept_deadline_ms,
    connect_deadline_ms,
    close_deadline_ms,
    request_deadline_ms,
    hold_deadline_ms,
    alarm_deadline_ms,
    upgrade_wait_ms,
    drops_per_minute_max,
    suspended_ms,
}

#[cfg(test)]
mod tests {
    use super::Limits;

    #[test]
    fn limits_come_back_from_their_words() {
        let count = Limits::default().words().len() as u64;
        let words: Vec<u64> = (1..=count).collect();
        let limits = Limits::of_words(&words).unwrap();
        assert_eq!(limits.words(), words);
        assert_eq!(limits.memory_bytes_max, 1, "in the order in which they are declared");
        assert_eq!(limits.suspended_ms, count);
    }

    #[test]
    fn words_of_another_host_are_refused() {
        let mut words = Limits::default().words();
        words.push(1);
        assert_eq!(Limits::of_words(&words), None, "one too many");
        words.truncate(3);
        assert_eq!(Limits::of_words(&words), None, "too few");
        let too_large = vec![u64::MAX; Limits::default().words().len()];
        assert_eq!(Limits::of_words(&too_large), None, "more than fits");
    }
}
