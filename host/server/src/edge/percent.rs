//! Percent-decoding.

/// Decodes `%41` to `A` and leaves a `%` that is not followed by two digits.
pub(crate) fn decode_bytes(encoded: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let [first, after @ ..] = rest {
        match (first, after) {
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                decoded.push(digit(*high) << 4 | digit(*low));
                rest = after;
            }
            _ => {
                decoded.push(*first);
                rest = after;
            }
        }
    }
    decoded
}

fn digit(hex: u8) -> u8 {
    match hex {
        b'0'..=b'9' => hex - b'0',
        _ => (hex | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::decode_bytes;

    #[test]
    fn only_two_digits_are_decoded() {
        let cases =
            [("a%41%4a%7E", "aAJ~"), ("100%", "100%"), ("%4", "%4"), ("%zz%%41", "%zz%A"), ("%C3%A9", "é")];
        for (encoded, expected) in cases {
            assert_eq!(decode_bytes(encoded), expected.as_bytes(), "{encoded}");
        }
    }
}
