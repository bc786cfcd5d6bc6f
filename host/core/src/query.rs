//! What stands in a query, and percent-decoding.

/// The first value of this name, decoded as forms are: `+` is a space, what is not UTF-8 is replaced.
pub fn value(query: Option<&str>, wanted: &str) -> Option<String> {
    let mut pairs = query?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let (_, value) = pairs.find(|(name, _)| decode(name) == wanted)?;
    Some(decode(value))
}

fn decode(text: &str) -> String {
    if !text.contains(['%', '+']) {
        return text.into();
    }
    let spaced = text.replace('+', " ");
    String::from_utf8_lossy(&decode_bytes(&spaced)).into_owned()
}

/// Decodes `%41` to `A` and leaves a `%` that is not followed by two digits.
pub fn decode_bytes(encoded: &str) -> Vec<u8> {
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
