//! Numbers in as few bytes as they need: seven bits each, the lowest first, the top bit set in all but the last.

/// The longest number, in bytes.
pub(super) const BYTES_MAX: usize = 10;

/// How many bytes a number takes.
pub(super) fn bytes(number: u64) -> usize {
    (u64::BITS - number.leading_zeros()).div_ceil(7).max(1) as usize
}

/// Appends a number.
pub(super) fn write(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes a number from the beginning. `None`: it has no end, does not fit 64 bits, or could have been shorter.
pub(super) fn read(from: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for (n, byte) in from.iter().take(BYTES_MAX).enumerate() {
        let bits = u64::from(byte & 0x7f);
        let shifted = bits << (7 * n);
        if shifted >> (7 * n) != bits {
            return None;
        }
        number |= shifted;
        if byte & 0x80 == 0 {
            if *byte == 0 && n > 0 {
                return None;
            }
            *from = &from[n + 1..];
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{read, write};

    #[test]
    fn numbers_come_back() {
        for number in [0, 1, 127, 128, 300, 16_383, 16_384, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut bytes = Vec::new();
            write(&mut bytes, number);
            assert_eq!(bytes.len(), super::bytes(number));
            for cut in 0..bytes.len() {
                assert_eq!(read(&mut &bytes[..cut]), None, "{number} cut after {cut} bytes");
            }
            bytes.push(7);
            let mut rest = bytes.as_slice();
            assert_eq!((read(&mut rest), rest), (Some(number), &[7_u8][..]));
        }
    }

    #[test]
    fn a_number_has_one_form_and_64_bits() {
        assert_eq!(read(&mut &[0x80, 0][..]), None);
        let mut too_large = vec![0xff; 9];
        too_large.push(2);
        assert_eq!(read(&mut too_large.as_slice()), None);
        assert_eq!(read(&mut vec![0xff; 20].as_slice()), None);
    }
}
