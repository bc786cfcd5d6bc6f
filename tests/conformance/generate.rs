//! What a client might send on a WebSocket: conversations of whole messages, in fragments and with control frames between
//! them, in which something may be wrong.

use party_tests::chance::Chance;

/// How a frame is written, which may be wrongly.
struct Frame {
    first: u8,
    payload: Vec<u8>,
    is_masked: bool,
    /// The second byte's seven bits for the length, if it is not the shortest form.
    form: Option<u8>,
    /// A length that the payload does not have.
    length: Option<u64>,
}

impl Frame {
    fn new(first: u8, payload: Vec<u8>) -> Frame {
        Frame { first, payload, is_masked: true, form: None, length: None }
    }

    fn write(&self, chance: &mut Chance, wire: &mut Vec<u8>) {
        let length = self.length.unwrap_or(self.payload.len() as u64);
        let shortest = match length {
            0..=125 => length as u8,
            126..=0xffff => 126,
            _ => 127,
        };
        let form = self.form.filter(|form| *form > shortest).unwrap_or(shortest);
        wire.push(self.first);
        wire.push(form | if self.is_masked { 0x80 } else { 0 });
        match form {
            126 => wire.extend((length as u16).to_be_bytes()),
            127 => wire.extend(length.to_be_bytes()),
            _ => {}
        }
        let mask = match (self.is_masked, chance.one_in(8)) {
            (true, true) => vec![0; 4],
            (true, false) => chance.bytes(4),
            (false, _) => vec![],
        };
        wire.extend(&mask);
        let unmasked = [0];
        let mask = if self.is_masked { &mask[..] } else { &unmasked };
        wire.extend(self.payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    }

    /// Makes something wrong, or only unusual.
    fn damage(&mut self, chance: &mut Chance) {
        match chance.below(8) {
            0 => self.first ^= chance.one_of(&[0x10, 0x20, 0x40, 0x80]),
            1 => self.first = self.first & 0xf0 | chance.below(16) as u8,
            2 => self.is_masked = false,
            3 => self.form = Some(chance.one_of(&[126, 127])),
            4 => self.payload = chance.bytes(126),
            5 => self.length = Some(chance.bits() >> chance.below(64)),
            6 => self.length = Some(1 << 63 | chance.bits()),
            _ => damage_bytes(chance, &mut self.payload),
        }
    }
}

fn damage_bytes(chance: &mut Chance, bytes: &mut Vec<u8>) {
    let at = chance.below(bytes.len() as u64 + 1) as usize;
    // What no text holds, or only in some places.
    let stray = [0x80, 0xbf, 0xc0, 0xc3, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff, 0];
    match chance.below(4) {
        0 => bytes.truncate(at),
        1 if at < bytes.len() => bytes[at] ^= 1 << chance.below(8),
        2 if at < bytes.len() => drop(bytes.remove(at)),
        _ => bytes.insert(at, chance.one_of(&stray)),
    }
}

/// A length: mostly a small one, often one at which something changes.
fn length(chance: &mut Chance, bytes_max: u64) -> u64 {
    match chance.below(20) {
        0 => chance.one_of(&[bytes_max - 1, bytes_max, bytes_max + 1]),
        1 => chance.one_of(&[65_534, 65_535, 65_536]),
        2..=5 => chance.one_of(&[0, 1, 124, 125, 126, 127, 128]),
        6 => chance.below(5_000),
        _ => chance.below(60),
    }
}

fn text(chance: &mut Chance, bytes: u64) -> Vec<u8> {
    let characters = ['a', '\0', '\u{7f}', 'é', '\u{7ff}', '€', '\u{d7ff}', '\u{e000}', '𐍈', '\u{10ffff}'];
    let mut text = String::new();
    while text.len() < bytes as usize {
        let left = bytes as usize - text.len();
        let character = chance.one_of(&characters);
        text.push(if character.len_utf8() <= left { character } else { 'x' });
    }
    text.into()
}

fn control(chance: &mut Chance) -> Frame {
    let bytes = chance.one_of(&[0, 1, 5, 124, 125]);
    Frame::new(chance.one_of(&[0x89, 0x89, 0x8a]), chance.bytes(bytes))
}

fn close(chance: &mut Chance) -> Frame {
    let code = match chance.below(4) {
        0 => chance.one_of(&[999, 1000, 1003, 1004, 1005, 1006, 1007, 1014, 1015, 2999, 3000, 4999, 5000]),
        1 => chance.bits() as u16,
        _ => 1000,
    };
    let bytes = chance.one_of(&[0, 1, 122, 123]);
    let reason = text(chance, bytes);
    Frame::new(0x88, if chance.one_in(6) { vec![] } else { [&code.to_be_bytes()[..], &reason].concat() })
}

/// A message in some fragments, with control frames between them.
fn message(chance: &mut Chance, bytes_max: u64, frames: &mut Vec<Frame>) {
    let (is_text, bytes) = (chance.one_in(2), length(chance, bytes_max));
    let mut left = match is_text {
        true => text(chance, bytes),
        false => chance.bytes(bytes as usize),
    };
    let mut opcode = if is_text { 1 } else { 2 };
    for _ in 0..chance.one_of(&[0, 0, 1, 2, 5]) {
        let rest = left.split_off(chance.below(left.len() as u64 + 1) as usize);
        frames.push(Frame::new(opcode, std::mem::replace(&mut left, rest)));
        opcode = 0;
        if chance.one_in(3) {
            frames.push(control(chance));
        }
    }
    frames.push(Frame::new(0x80 | opcode, left));
}

/// All that a client sends behind its handshake.
pub(crate) fn conversation(chance: &mut Chance, bytes_max: u64) -> Vec<u8> {
    let mut frames = Vec::new();
    for _ in 0..1 + chance.below(5) {
        match chance.below(10) {
            0 | 1 => frames.push(control(chance)),
            2 if chance.one_in(2) => frames.push(close(chance)),
            _ => message(chance, bytes_max, &mut frames),
        }
    }
    if chance.one_in(2) {
        let at = chance.below(frames.len() as u64) as usize;
        frames[at].damage(chance);
    }
    let mut wire = Vec::new();
    frames.iter().for_each(|frame| frame.write(chance, &mut wire));
    if chance.one_in(8) {
        damage_bytes(chance, &mut wire);
    }
    wire
}
