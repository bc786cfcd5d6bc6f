//! Whose words a journal is in.

use bytes::Bytes;

use super::record_of_settings;
use crate::codec::Malformed;
use crate::journal::{FORMAT, FORMAT_WITHOUT_PROFILE, FORMAT_WITHOUT_WORK, Record, Step};
use crate::limits::Limits;
use crate::profile::Profile;

#[test]
fn a_record_says_in_whose_words_clients_were_answered_and_an_older_one_was_of_the_classic_profile() {
    let words = Limits::default().words();
    let profile = |bytes: &Bytes| {
        Record::decode(bytes).map(|record| match &record.steps[..] {
            [Step::Settings(settings)] => settings.profile,
            steps => panic!("{steps:?}"),
        })
    };
    for (byte, expected) in [(0, Profile::PartyKit), (1, Profile::PartyServer)] {
        assert_eq!(profile(&record_of_settings(FORMAT, &words, Some(byte))), Ok(expected));
    }
    for older in FORMAT_WITHOUT_WORK..=FORMAT_WITHOUT_PROFILE {
        assert_eq!(profile(&record_of_settings(older, &words, None)), Ok(Profile::PartyKit));
        assert!(profile(&record_of_settings(older, &words, Some(0))).is_err());
    }
    let unknown = profile(&record_of_settings(FORMAT, &words, Some(2)));
    assert_eq!(unknown, Err(Malformed::Field { field: "profile" }.into()));
}
