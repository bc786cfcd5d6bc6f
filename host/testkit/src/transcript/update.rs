//! Bringing a transcript up to date: what was received is written where something else was expected.

/// What has to be written.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Edits {
    edits: Vec<Edit>,
}

/// These lines, in the place of so many from one on.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Edit {
    /// The number of the first, from 1.
    first: usize,
    count: usize,
    lines: Vec<String>,
}

impl Edits {
    /// Writes lines in the place of so many from one on, as far indented as the first of them.
    pub(crate) fn replace(&mut self, first: usize, count: usize, lines: Vec<String>) {
        self.edits.push(Edit { first, count, lines });
    }

    /// Whether nothing has to be written.
    pub(crate) fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// The transcript with all that has to be written.
    pub(crate) fn apply(mut self, lines: &[String]) -> String {
        self.edits.sort_by_key(|edit| edit.first);
        let (mut text, mut next) = (String::new(), 1);
        let mut push = |line: &str| {
            text += line;
            text.push('\n');
        };
        for Edit { first, count, lines: instead } in self.edits {
            lines[next - 1..(first - 1).max(next - 1)].iter().for_each(|line| push(line));
            let replaced = lines.get(first - 1).filter(|_| count > 0).map_or("", String::as_str);
            let indent = &replaced[..replaced.len() - replaced.trim_start().len()];
            instead.iter().for_each(|line| push(&format!("{indent}{line}")));
            next = first + count;
        }
        lines[(next - 1).min(lines.len())..].iter().for_each(|line| push(line));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::Edits;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn lines_are_replaced_and_added_and_the_others_stay() {
        let mut edits = Edits::default();
        edits.replace(4, 0, vec!["end".into()]);
        edits.replace(2, 1, vec!["B".into(), "b".into()]);
        assert_eq!(edits.apply(&lines("a\n  two\nc")), "a\n  B\n  b\nc\nend\n");
        let mut edits = Edits::default();
        edits.replace(1, 2, Vec::new());
        assert_eq!(edits.apply(&lines("a\nb\nc")), "c\n");
        assert_eq!(Edits::default().apply(&lines("a\nb")), "a\nb\n");
    }
}
