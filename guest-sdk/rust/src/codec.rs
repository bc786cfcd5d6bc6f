//! The form of values in storage and in what is kept with a connection: postcard, a compact encoding without
//! field names.
//!
//! Without names a value can only be read as the type that it was written as. A type that is to change is an
//! `enum` whose variants are its versions.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why a value could not be encoded, or why bytes are not a value of the wanted type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct ValueError(postcard::Error);

pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, ValueError> {
    postcard::to_allocvec(value).map_err(ValueError)
}

/// Bytes left over are an error too: they were written as some other type.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ValueError> {
    match postcard::take_from_bytes(bytes).map_err(ValueError)? {
        (value, []) => Ok(value),
        (_, _) => Err(ValueError(postcard::Error::DeserializeBadEncoding)),
    }
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
}
