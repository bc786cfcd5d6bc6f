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

/// What is another line after an edit.
pub(crate) struct Changed<'a> {
    /// Lines that stand there no more, without their indent.
    pub(crate) gone: Vec<&'a str>,
    /// How many lines stand there that did not.
    pub(crate) added: usize,
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

    /// The transcript with all that has to be written. `note` is shown what each edit does, and may have lines put before
    /// what is new.
    pub(crate) fn apply(
        mut self,
        lines: &[String],
        note: &mut dyn FnMut(&Changed<'_>) -> Vec<String>,
    ) -> String {
        // What is written before a line comes before what is written in its place.
        self.edits.sort_by_key(|edit| (edit.first, edit.count > 0));
        let (mut text, mut next) = (String::new(), 1);
        let mut push = |line: &str| {
            text += line;
            text.push('\n');
        };
        for Edit { first, count, lines: instead } in self.edits {
            lines[next - 1..(first - 1).max(next - 1)].iter().for_each(|line| push(line));
            let replaced = lines.get(first - 1).filter(|_| count > 0).map_or("", String::as_str);
            let indent = &replaced[..replaced.len() - replaced.trim_start().len()];
            let before = || lines.iter().skip(first - 1).take(count).map(|line| line.trim());
            let changed = Changed {
                gone: before().filter(|line| !instead.iter().any(|new| new == line)).collect(),
                added: instead.iter().filter(|new| !before().any(|line| line == *new)).count(),
            };
            note(&changed).iter().for_each(|noted| push(&format!("{indent}{noted}")));
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
        assert_eq!(edits.apply(&lines("a\n  two\nc"), &mut |_| Vec::new()), "a\n  B\n  b\nc\nend\n");
        let mut edits = Edits::default();
        edits.replace(1, 2, Vec::new());
        assert_eq!(
            edits.apply(&lines("a\nb\nc"), &mut |changed| vec![format!(
                "# {:?} {}",
                changed.gone, changed.added
            )]),
            "# [\"a\", \"b\"] 0\nc\n"
        );
        assert_eq!(Edits::default().apply(&lines("a\nb"), &mut |_| Vec::new()), "a\nb\n");
    }
}
