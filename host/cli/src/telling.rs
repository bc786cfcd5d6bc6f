//! Sizes, times and columns as a person reads them.

use std::fmt::Display;

use party_core::ids::Timestamp;

/// How wide the columns of a list are, in characters; the last is as wide as it is.
const WIDTHS: [usize; 6] = [32, 10, 10, 8, 10, 11];
const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];

/// `17 B`, `3.2 KiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    if bytes < 1_024 {
        return format!("{bytes} B");
    }
    let (mut size, mut unit) = (bytes as f64 / 1_024.0, 0);
    while size >= 1_024.0 && unit + 1 < UNITS.len() {
        (size, unit) = (size / 1_024.0, unit + 1);
    }
    format!("{size:.1} {}", UNITS[unit])
}

/// `3 s ago`, `in 2 min`.
pub(crate) fn since(at_ms: u64, now: Timestamp) -> String {
    let at = Timestamp(at_ms);
    if at > now {
        format!("in {}", long(at.since_ms(now)))
    } else {
        format!("{} ago", long(now.since_ms(at)))
    }
}

fn long(ms: u64) -> String {
    match ms / 1_000 {
        0 => format!("{ms} ms"),
        s @ 1..120 => format!("{s} s"),
        s @ 120..7_200 => format!("{} min", s / 60),
        s @ 7_200..172_800 => format!("{} h", s / 3_600),
        s => format!("{} days", s / 86_400),
    }
}

/// A line of a list. Ids are whoever's: what would move the cursor is shown as it is written.
pub(crate) fn line(cells: &[impl Display]) -> String {
    let mut line = String::new();
    for (index, cell) in cells.iter().enumerate() {
        let cell = cell.to_string();
        match WIDTHS.get(index) {
            Some(width) => line += &format!("{cell:<width$} "),
            None => line += &cell,
        }
    }
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use party_core::ids::Timestamp;

    use super::{bytes, line, since};

    #[test]
    fn sizes_and_times_are_rounded_to_what_matters() {
        let sizes = [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1.0 KiB"),
            (1 << 27, "128.0 MiB"),
            (1 << 60, "1048576.0 TiB"),
        ];
        for (size, expected) in sizes {
            assert_eq!(bytes(size), expected);
        }
        let now = Timestamp(10_000_000);
        let times = [
            (10_000_000, "0 ms ago"),
            (9_999_100, "900 ms ago"),
            (9_900_000, "100 s ago"),
            (10_600_000, "in 10 min"),
            (0, "2 h ago"),
        ];
        for (at, expected) in times {
            assert_eq!(since(at, now), expected);
        }
    }

    #[test]
    fn a_cell_that_is_too_wide_keeps_its_distance() {
        let wide = "x".repeat(40);
        assert_eq!(line(&[wide.as_str(), "awake"]), format!("{wide} awake"));
    }
}
