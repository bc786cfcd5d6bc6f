//! What one message says: who sent it, as which, and when it was meant to be sent.
//!
//! ```text
//! byte  0        'P'
//! bytes 1..9     run, 8 hexadecimal digits     a message of another run is foreign
//! bytes 9..17    sender, 8                     unique in the run
//! bytes 17..33   sequence, 16                  counts from 0 for each sender
//! bytes 33..49   intended, 16                  nanoseconds since the run began
//! bytes 49..64   filler, always the same
//! ```
//!
//! Text, so that it may travel in a text message; 64 bytes, the size that all published figures use. What must
//! hold: every byte is either decoded or compared, so that a server that alters one is found out.

/// Length of every message.
pub const PAYLOAD_BYTES: usize = 64;

const FILLER: &[u8; 15] = b"~party-load-64~";

/// The value of each hexadecimal digit, `NO_DIGIT` for every other byte.
const DIGITS: [u8; 256] = digit_values();

const NO_DIGIT: u8 = 0xFF;

const fn digit_values() -> [u8; 256] {
    let mut values = [NO_DIGIT; 256];
    let mut digit = 0;
    while digit < 16 {
        values[b"0123456789abcdef"[digit] as usize] = digit as u8;
        digit += 1;
    }
    values
}

/// What a message carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The run it belongs to.
    pub run: u32,
    /// Who sent it.
    pub sender: u32,
    /// Which of the sender's messages it is, from 0.
    pub sequence: u64,
    /// When it was meant to be sent, in nanoseconds since the run began.
    pub intended_ns: u64,
}

impl Stamp {
    /// The message's text.
    pub fn encode(&self) -> [u8; PAYLOAD_BYTES] {
        let mut text = [0; PAYLOAD_BYTES];
        text[0] = b'P';
        write_digits(&mut text[1..9], u64::from(self.run));
        write_digits(&mut text[9..17], u64::from(self.sender));
        write_digits(&mut text[17..33], self.sequence);
        write_digits(&mut text[33..49], self.intended_ns);
        text[49..].copy_from_slice(FILLER);
        text
    }

    /// Reads a message's text; `None` if a single byte of it is not as `encode` writes it.
    pub fn decode(text: &[u8]) -> Option<Stamp> {
        let text: &[u8; PAYLOAD_BYTES] = text.try_into().ok()?;
        if text[0] != b'P' || text[49..] != *FILLER {
            return None;
        }
        Some(Stamp {
            run: read_digits(&text[1..9])? as u32,
            sender: read_digits(&text[9..17])? as u32,
            sequence: read_digits(&text[17..33])?,
            intended_ns: read_digits(&text[33..49])?,
        })
    }
}

fn write_digits(out: &mut [u8], value: u64) {
    let digits = out.len();
    for (place, digit) in out.iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[(value >> (4 * (digits - 1 - place)) & 0xF) as usize];
    }
}

fn read_digits(text: &[u8]) -> Option<u64> {
    let mut value = 0;
    let mut wrong = 0;
    for byte in text {
        let digit = DIGITS[usize::from(*byte)];
        wrong |= digit & 0xF0;
        value = value << 4 | u64::from(digit & 0x0F);
    }
    (wrong == 0).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::{PAYLOAD_BYTES, Stamp};

    const STAMP: Stamp =
        Stamp { run: 0xDEAD_BEEF, sender: 17, sequence: u64::MAX - 3, intended_ns: 1_234_567_890_123 };

    #[test]
    fn what_is_encoded_is_decoded() {
        let text = STAMP.encode();
        assert!(std::str::from_utf8(&text).is_ok());
        assert_eq!(Stamp::decode(&text), Some(STAMP));
    }

    #[test]
    fn no_single_bit_can_flip_unseen() {
        let text = STAMP.encode();
        for place in 0..PAYLOAD_BYTES {
            for bit in 0..8 {
                let mut altered = text;
                altered[place] ^= 1 << bit;
                assert_ne!(Stamp::decode(&altered), Some(STAMP), "byte {place}, bit {bit}");
            }
        }
    }

    #[test]
    fn another_length_is_no_message() {
        let text = STAMP.encode();
        assert_eq!(Stamp::decode(&text[..63]), None);
        assert_eq!(Stamp::decode(&[text.as_slice(), b"x"].concat()), None);
    }
}
