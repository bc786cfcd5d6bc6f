//! The form of values in storage and in what is kept with a connection: postcard, a compact encoding without
//! field names.
//!
//! Without names a value can only be read as the type that it was written as. A type that is to change is an
//! `enum` whose variants are its versions.

use std::any::type_name;
use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why a value could not be encoded, or why bytes are not a value of the wanted type.
#[derive(Clone, PartialEq, Eq)]
pub struct ValueError {
    /// As rustc names it: with its path.
    wanted: &'static str,
    kind: Kind,
}

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    Encode(postcard::Error),
    Decode { bytes: usize, cause: postcard::Error },
    LeftOver { bytes: usize, left: usize },
}

impl fmt::Display for ValueError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wanted = self.wanted;
        match &self.kind {
            Kind::Encode(cause) => write!(formatter, "a {wanted} cannot be encoded: {}", words(cause)),
            Kind::Decode { bytes, cause } => {
                write!(formatter, "its {bytes} bytes are no {wanted}: {}", words(cause))
            }
            Kind::LeftOver { bytes, left } => {
                write!(formatter, "its {bytes} bytes are no {wanted}: {left} of them are left over")
            }
        }
    }
}

/// As [`Display`](fmt::Display): what `unwrap` shows is for people, too, and the names of fields would be a tenth of a
/// small component.
impl fmt::Debug for ValueError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl std::error::Error for ValueError {}

/// What the encoding found. It does not keep the words in which a type refuses a value, only that it does.
fn words(cause: &postcard::Error) -> &'static str {
    match cause {
        postcard::Error::DeserializeUnexpectedEnd => "they end in the middle of it",
        postcard::Error::DeserializeBadBool => "a bool is neither 0 nor 1",
        postcard::Error::DeserializeBadChar => "a char is none",
        postcard::Error::DeserializeBadUtf8 => "a text is not UTF-8",
        postcard::Error::DeserializeBadOption => "an Option is neither 0 nor 1",
        postcard::Error::DeserializeBadVarint => "a number is too large",
        postcard::Error::SerdeDeCustom | postcard::Error::DeserializeBadEnum => {
            "the type refuses a value in them, such as the number of a variant that it does not have"
        }
        postcard::Error::SerializeSeqLengthUnknown => "it has a sequence of unknown length",
        postcard::Error::SerdeSerCustom | postcard::Error::CollectStrError => "the type refuses to",
        _ => "the encoding (postcard) cannot do it",
    }
}

/// The bytes of a value, as storage has them: for [`Party::save`](crate::Party::save).
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, ValueError> {
    postcard::to_allocvec(value)
        .map_err(|cause| ValueError { wanted: type_name::<T>(), kind: Kind::Encode(cause) })
}

/// A value of its bytes: for [`Party::restore`](crate::Party::restore). Bytes left over are an error too: they were
/// written as some other type.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ValueError> {
    let kind = match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => return Ok(value),
        Ok((_, left)) => Kind::LeftOver { bytes: bytes.len(), left: left.len() },
        Err(cause) => Kind::Decode { bytes: bytes.len(), cause },
    };
    Err(ValueError { wanted: type_name::<T>(), kind })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{decode, encode};

    #[test]
    fn a_value_is_read_as_it_was_written() {
        let value = (7_u64, BTreeMap::from([("a".to_owned(), vec![1_i32, -1])]), Some(0.5_f32));
        let bytes = encode(&value).expect("the value has a form");
        assert_eq!(
            decode::<(u64, BTreeMap<String, Vec<i32>>, Option<f32>)>(&bytes).expect("it is whole"),
            value
        );
    }

    #[test]
    fn a_value_of_another_type_is_refused() {
        let bytes = encode(&(1_u8, 2_u8)).expect("the value has a form");
        assert!(decode::<u8>(&bytes).is_err(), "a byte is left over");
        assert!(decode::<[u8; 3]>(&bytes).is_err(), "a byte is missing");
    }

    #[test]
    fn an_error_names_the_wanted_type_and_what_is_wrong() {
        #[derive(Debug, serde::Deserialize)]
        enum Version {
            One,
        }
        let told = |error: super::ValueError| error.to_string();
        let bytes = encode(&300_u64).expect("the value has a form");
        assert_eq!(
            told(decode::<String>(&bytes).expect_err("a number is no text")),
            "its 2 bytes are no alloc::string::String: they end in the middle of it"
        );
        assert_eq!(
            told(decode::<u8>(&[1, 2, 3]).expect_err("there is more")),
            "its 3 bytes are no u8: 2 of them are left over"
        );
        let error = told(decode::<Version>(&[7]).expect_err("there is no such variant"));
        assert!(error.contains("Version: the type refuses a value in them"), "{error}");
        assert!(matches!(decode::<Version>(&[0]), Ok(Version::One)));
        let error = told(encode(&Unwilling).expect_err("it refuses"));
        assert!(error.starts_with("a party::codec::tests::Unwilling cannot be encoded: "), "{error}");
    }

    struct Unwilling;

    impl serde::Serialize for Unwilling {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no"))
        }
    }
}
