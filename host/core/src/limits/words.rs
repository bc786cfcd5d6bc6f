//! Limits as numbers in a row: what a guest is told depends on them, so whoever lets it run again needs them as they
//! were.
//!
//! Hosts become newer and limits more, and what an older host has recorded is to be read for ever. So each limit says from
//! which number of them on it is there: a row of so many holds those that were there then, and no other. The rest is as
//! [`Limits::default`] has it, so the default of a new limit must be what hosts did before there was one.

use super::Limits;

/// How many there were when they were first recorded.
const WORDS_MIN: usize = 44;

macro_rules! in_this_order {
    ($($field:ident $(since $count:literal)?),* $(,)?) => {
        impl Limits {
            /// How many there are now.
            pub(crate) const WORDS: usize = [$(stringify!($field)),*].len();
            /// From which number of them on each is there.
            #[cfg(test)]
            const SINCE: [usize; Limits::WORDS] = [$(since!($($count)?)),*];
            /// Their names.
            #[cfg(test)]
            const NAMES: [&str; Limits::WORDS] = [$(stringify!($field)),*];

            /// All of them, in the order of this list.
            pub(crate) fn words(&self) -> Vec<u64> {
                // Without `..`, so that a new limit cannot be forgotten here.
                let Limits { $($field),* } = self;
                vec![$(u64::from(*$field)),*]
            }

            /// What [`Limits::words`] gave, here or on an older host. `None` if there are more than this host knows, or
            /// fewer than there ever were, or one does not fit.
            pub(crate) fn of_words(words: &[u64]) -> Option<Limits> {
                let count = words.len();
                if count < WORDS_MIN {
                    return None;
                }
                let (mut words, mut limits) = (words.iter().copied(), Limits::default());
                $(if since!($($count)?) <= count {
                    limits.$field = words.next()?.try_into().ok()?;
                })*
                words.next().is_none().then_some(limits)
            }
        }
    };
}

macro_rules! since {
    () => {
        WORDS_MIN
    };
    ($count:literal) => {
        $count
    };
}

// A new limit stands where it belongs, with the number that there are with it: `name since 47`.
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
    auto_response_chars_max since 45,
    credit_events,
    credit_bytes,
    requests_waiting_max,
    requests_open_max,
    outbound_queue_bytes_max,
    stream_credit_bytes since 47,
    streams_open_max since 48,
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
    upgrade_wait_ms since 46,
    drops_per_minute_max,
    suspended_ms,
}

#[cfg(test)]
mod tests {
    use super::{Limits, WORDS_MIN};

    /// As they were recorded when there were so many.
    const FIRST_46: &str = "\
        memory_bytes_max turn_fuel_max turn_deadline_ms message_in_bytes_max message_out_bytes_max \
        turn_sends_max turn_output_bytes_max request_body_bytes_max response_body_bytes_max key_bytes_max \
        value_bytes_max storage_bytes_max keys_per_call_max page_entries_max page_bytes_max \
        turn_write_bytes_max connections_max tags_max tag_chars_max attachment_bytes_max \
        auto_response_chars_max credit_events credit_bytes requests_waiting_max requests_open_max \
        outbound_queue_bytes_max operations_open_max holds_max turn_log_lines_max turn_log_bytes_max \
        events_pending_max uncommitted_turns_max uncommitted_bytes_max idle_ms checkpoint_interval_ms \
        journal_records_max journal_bytes_max accept_deadline_ms connect_deadline_ms close_deadline_ms \
        request_deadline_ms hold_deadline_ms alarm_deadline_ms upgrade_wait_ms drops_per_minute_max \
        suspended_ms";

    #[test]
    fn limits_come_back_from_their_words() {
        let count = Limits::WORDS as u64;
        let words: Vec<u64> = (1..=count).collect();
        let limits = Limits::of_words(&words).unwrap();
        assert_eq!(limits.words(), words);
        assert_eq!(limits.memory_bytes_max, 1, "in the order of the list");
        assert_eq!(limits.suspended_ms, count);
    }

    /// What is recorded is recorded: neither the order nor the numbers of these may change.
    #[test]
    fn every_number_of_limits_that_there_was_is_as_it_was() {
        let of = |count: usize| (0..Limits::WORDS).filter(move |n| Limits::SINCE[*n] <= count);
        for count in WORDS_MIN..=Limits::WORDS {
            assert_eq!(of(count).count(), count, "each number of limits came with one more");
        }
        let names = |count| of(count).map(|n| Limits::NAMES[n]).collect::<Vec<_>>().join(" ");
        let place = |count: usize, name: &str| names(count).split(' ').position(|one| one == name);
        assert_eq!(names(46), FIRST_46);
        assert_eq!(
            (place(44, "auto_response_chars_max"), place(45, "auto_response_chars_max")),
            (None, Some(20))
        );
        assert_eq!((place(45, "upgrade_wait_ms"), place(46, "upgrade_wait_ms")), (None, Some(43)));
        assert_eq!((place(46, "stream_credit_bytes"), place(47, "stream_credit_bytes")), (None, Some(26)));
        assert_eq!((place(47, "streams_open_max"), place(48, "streams_open_max")), (None, Some(27)));
        assert_eq!(place(47, "operations_open_max"), Some(27), "behind the one that there was");
    }

    #[test]
    fn an_older_host_s_words_mean_what_they_meant_there() {
        let mut mine = Limits {
            streams_open_max: 5,
            stream_credit_bytes: 6,
            auto_response_chars_max: 7,
            upgrade_wait_ms: 8,
            holds_max: 9,
            suspended_ms: 10,
            ..Limits::default()
        };
        let at = |name: &str| Limits::NAMES.iter().position(|one| *one == name).unwrap();
        let mut words = mine.words();
        let default = Limits::default();
        words.remove(at("streams_open_max"));
        mine.streams_open_max = default.streams_open_max;
        assert_eq!(Limits::of_words(&words), Some(mine.clone()), "with 47");
        words.remove(at("stream_credit_bytes"));
        mine.stream_credit_bytes = default.stream_credit_bytes;
        assert_eq!(Limits::of_words(&words), Some(mine.clone()), "with 46");
        // Two of those before it are there no more.
        words.remove(at("upgrade_wait_ms") - 2);
        mine.upgrade_wait_ms = default.upgrade_wait_ms;
        assert_eq!(Limits::of_words(&words), Some(mine.clone()), "with 45");
        words.remove(at("auto_response_chars_max"));
        mine.auto_response_chars_max = default.auto_response_chars_max;
        assert_eq!(Limits::of_words(&words), Some(mine), "with 44");
        words.pop();
        assert_eq!(Limits::of_words(&words), None, "there never were so few");
    }

    #[test]
    fn words_that_no_host_has_written_are_refused() {
        let mut words = Limits::default().words();
        words.push(1);
        assert_eq!(Limits::of_words(&words), None, "more than are known");
        words.truncate(3);
        assert_eq!(Limits::of_words(&words), None, "too few");
        let too_large = vec![u64::MAX; Limits::WORDS];
        assert_eq!(Limits::of_words(&too_large), None, "more than fits");
    }
}
