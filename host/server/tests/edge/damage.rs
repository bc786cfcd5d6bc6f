//! What hostile clients send: what well-meaning ones do, damaged.
//!
//! A sample is a list of parts: lines of heads, bodies, frames. Damage is done to the parts as such (one too many, one
//! too few, one that parsers stumble over) as often as to the bytes within one; bytes alone would hardly ever give a
//! frame that is whole and wrong.

use crate::wire::{close, masked, text};
use crate::world::upgrade;

/// SplitMix64 (Steele, Lea, Flood, 2014).
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }

    pub(crate) fn percent(&mut self, likelihood: usize) -> bool {
        self.below(100) < likelihood
    }

    /// A range within so many bytes: mostly a short one.
    fn range(&mut self, bytes: usize) -> std::ops::Range<usize> {
        let from = self.below(bytes + 1);
        let left = bytes - from;
        let most = if self.percent(70) { left.min(16) } else { left };
        from..from + self.below(most + 1)
    }
}

/// What one client sends, in parts.
pub(crate) type Sample = Vec<Vec<u8>>;

fn request(method: &str, path: &str, headers: &str, body: &str) -> Sample {
    let head = format!("{method} {path} HTTP/1.1\r\nhost: edge\r\n{headers}\r\n");
    [lines(&head), lines(body)].concat()
}

fn lines(text: &str) -> Sample {
    text.split_inclusive("\r\n").map(Into::into).collect()
}

fn socket(path: &str, frames: &[Vec<u8>]) -> Sample {
    [lines(&upgrade(path)), frames.to_vec()].concat()
}

/// What well-meaning clients send to a room.
pub(crate) fn samples(room: &str) -> Vec<Sample> {
    let path = format!("/party/{room}");
    let chunks = "5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nx-trailer: 1\r\n\r\n";
    let hello = request("POST", &path, "content-length: 5\r\n", "hello");
    let (go_away, ping, pong) = (close(1000, "bye"), masked(0x89, b"ping"), masked(0x8a, b""));
    let fragments = [masked(0x01, "zwölf".as_bytes()), ping.clone(), masked(0x80, " Boxkämpfer".as_bytes())];
    vec![
        request("GET", &format!("{path}/and/more?a=b&c=%zz"), "accept: */*\r\nx-empty:\r\n", ""),
        request("HEAD", &path, "", ""),
        request("POST", &path, "transfer-encoding: chunked\r\n", chunks),
        request("PUT", &path, "content-length: 5\r\nexpect: 100-continue\r\n", "hello"),
        request("POST", &path, "content-length: 40000\r\n", &"x".repeat(40_000)),
        request("GET", &format!("http://other:80{path}"), &"x-more: 1\r\n".repeat(60), ""),
        request("OPTIONS", "/parties/nope/room", "connection: close\r\n", ""),
        lines(&format!("GET {path} HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")),
        [hello.clone(), hello.clone(), hello.clone()].concat(),
        request("POST", &format!("{path}/wait"), "content-length: 5\r\n", "hello"),
        [hello, socket(&path, &[text("after a request")])].concat(),
        socket(&format!("{path}?_pk=a%20b"), &[text("hi"), masked(0x82, &[7; 300]), go_away.clone()]),
        socket(&path, &[&fragments[..], &[text("b all")]].concat()),
        socket(&path, &[text(&"x".repeat(70_000)), pong, text("")]),
        socket(&path, &[text("cgo away"), ping, text("ignored"), close(4001, "go away")]),
        socket(&path, &[masked(0x02, b"a"), masked(0x00, b""), masked(0x80, b"c"), masked(0x88, b"")]),
        socket(&path, &vec![text("one"); 100]),
        socket(&format!("/parties/hesitant/{room}"), &[text("in time?")]),
        socket(&format!("/parties/deaf/{room}"), &[text("hi"), go_away]),
    ]
}

/// Parts that parsers stumble over: of heads and bodies, then frames.
const STUMBLING_BLOCKS: [&[u8]; 36] = [
    b"\r\n",
    b"\n\n",
    b" folded\r\n",
    b"\0",
    b": nameless\r\n",
    b"x y: z\r\n",
    b"HEAD * HTTP/1.1\r\n",
    b"CONNECT edge:80 HTTP/1.1\r\n",
    b"POST http://edge/party/room HTTP/1.0\r\n",
    b"content-length: 5, 5\r\n",
    b"0\r\nx: y\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"content-length: 5\r\n",
    b"content-length: 18446744073709551616\r\n",
    b"content-length: -1\r\n",
    b"transfer-encoding: chunked\r\n",
    b"transfer-encoding: gzip, chunked\r\n",
    b"connection: close, upgrade\r\nupgrade: websocket\r\n",
    b"host: a b\r\n",
    b"expect: 100-continue\r\n",
    b"ffffffffffffffff\r\n",
    b"/../%2e%2e/\\",
    // A length of all ones, one that fits no address, one that will never come, one that is not the shortest.
    b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0",
    b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0",
    b"\x81\xfe\xff\xff\0\0\0\0",
    b"\x81\xff\0\0\0\0\0\0\0\x01\0\0\0\0x",
    // Not masked; a reserved bit; a reserved opcode; a continuation; a ping in fragments, and one that is too long.
    b"\x81\x01x",
    b"\xc1\x80\0\0\0\0",
    b"\x83\x80\0\0\0\0",
    b"\x80\x81\0\0\0\0x",
    b"\x09\x80\0\0\0\0",
    b"\x89\xfe\0\x7e\0\0\0\0",
    // The beginning of a text whose first character is not whole.
    b"\x01\x81\0\0\0\0\xc3",
    // Closes: half a code, one that may not be sent, a reason that is no text.
    b"\x88\x81\0\0\0\0\x03",
    b"\x88\x82\0\0\0\0\x03\xed",
    b"\x88\x83\0\0\0\0\x03\xe8\xff",
];

/// Damages a sample in one place.
pub(crate) fn damage(chance: &mut Chance, sample: &mut Sample, others: &[Sample]) {
    let other = &others[chance.below(others.len())];
    let foreign = &other[chance.below(other.len())];
    let at = chance.below(sample.len());
    match chance.below(8) {
        0 => sample.insert(at, STUMBLING_BLOCKS[chance.below(STUMBLING_BLOCKS.len())].into()),
        1 => sample.push(STUMBLING_BLOCKS[chance.below(STUMBLING_BLOCKS.len())].into()),
        2 => sample.insert(at, foreign.clone()),
        3 if sample.len() > 1 => drop(sample.remove(at)),
        3 | 4 => sample.insert(chance.below(at + 1), sample[at].clone()),
        5..=7 => damage_bytes(chance, &mut sample[at], foreign),
        _ => unreachable!("chance keeps its bound"),
    }
}

fn damage_bytes(chance: &mut Chance, bytes: &mut Vec<u8>, foreign: &[u8]) {
    let range = chance.range(bytes.len());
    match chance.below(6) {
        0 => drop(bytes.drain(range)),
        1 => bytes.truncate(range.start),
        2 => {
            let again = bytes[range.clone()].to_vec();
            bytes.splice(range.end..range.end, again);
        }
        3 => {
            let piece = foreign[chance.range(foreign.len())].to_vec();
            bytes.splice(range, piece);
        }
        4 => range.for_each(|at| bytes[at] = chance.below(256) as u8),
        _ => {
            if let Some(byte) = bytes.get_mut(range.start) {
                *byte ^= 1 << chance.below(8);
            }
        }
    }
}
