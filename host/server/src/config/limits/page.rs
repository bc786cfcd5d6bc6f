//! `docs/limits.md` says what the code does: every limit once and in order, with its numbers, and a place where its
//! name stands.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use party_core::limits::Limits;

use super::SETTINGS;
use crate::config::edge;
use crate::edge::limits::EdgeLimits;
use crate::edge::rates::Rates;

const PAGE: &str = include_str!("../../../../../docs/limits.md");

/// The rows of the table whose head begins so, each as its cells.
fn rows(head: &str) -> Vec<Vec<&'static str>> {
    let (_, table) = PAGE.split_once(head).unwrap_or_else(|| panic!("there is no table {head:?}"));
    let lines = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let cells = |line: &'static str| line.trim_matches('|').split('|').map(str::trim).collect();
    let rows: Vec<Vec<_>> = lines.map(cells).collect();
    assert!(!rows.is_empty(), "the table {head:?} has rows");
    rows
}

/// What stands between backquotes.
fn code(cell: &str) -> &str {
    cell.strip_prefix('`')
        .and_then(|cell| cell.strip_suffix('`'))
        .unwrap_or_else(|| panic!("{cell:?} is code"))
}

fn number(cell: &str) -> u64 {
    cell.replace(',', "").parse().unwrap_or_else(|_| panic!("{cell:?} is a number"))
}

/// The fields of a struct of numbers. The derived Debug is the one place that lists them.
fn fields(printed: &str) -> Vec<(String, u64)> {
    let (_, inside) = printed.split_once(" { ").expect("a struct is printed");
    let fields = inside.trim_end_matches(" }").split(", ");
    let field = |field: &str| {
        let (name, value) = field.split_once(": ").expect("a field is printed");
        (name.to_owned(), number(value))
    };
    fields.map(field).collect()
}

/// A link's text is the file that it leads to, which is there and holds this.
#[track_caller]
fn check_place(cell: &str, name: &str, holds: &str) {
    let place = cell.strip_prefix('[').and_then(|cell| cell.strip_suffix(')'));
    let (text, target) = place.and_then(|place| place.split_once("](")).expect("a place is a link");
    assert_eq!(format!("../host/{text}"), target);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(target);
    let source = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(source.contains(holds), "{name}: {target} does not hold {holds:?}");
}

/// The unit that a name ends with or holds is the one that is told.
#[track_caller]
fn check_unit(name: &str, unit: &str) {
    let parts: Vec<_> = name.split('_').collect();
    for (part, expected) in [("bytes", "bytes"), ("ms", "ms"), ("chars", "characters"), ("fuel", "fuel")] {
        assert_eq!(parts.contains(&part), unit.starts_with(expected), "{name} in {unit}");
    }
}

#[test]
fn every_limit_of_rooms_is_on_the_page_as_it_is() {
    let defaults: BTreeMap<_, _> = fields(&format!("{:?}", Limits::default())).into_iter().collect();
    let rows = rows("| key | default | least | most | unit |");
    let names: Vec<_> = rows.iter().map(|row| code(row[0])).collect();
    let known: Vec<_> = SETTINGS.iter().map(|setting| setting.name).collect();
    assert_eq!(names, known, "the page lists what can be set, in the order of the code");
    for (row, setting) in rows.iter().zip(SETTINGS) {
        let told = [number(row[1]), number(row[2]), number(row[3])];
        assert_eq!(told, [defaults[setting.name], setting.min, setting.max], "{}", setting.name);
        check_unit(setting.name, row[4]);
        assert!(!row[5].is_empty(), "{}: what happens is told", setting.name);
        check_place(row[6], setting.name, setting.name);
    }
}

#[test]
fn every_limit_of_the_edge_is_on_the_page_as_it_is() {
    let rows = rows("| name | value | unit |");
    let told: Vec<_> = rows.iter().map(|row| (code(row[0]).to_owned(), number(row[1]))).collect();
    assert_eq!(told, fields(&format!("{:?}", EdgeLimits::default())));
    for row in rows {
        let name = code(row[0]);
        check_unit(name, row[2]);
        // Clients are counted as places.
        let holds = if name == "connections_max" { "places().take(1)" } else { name };
        check_place(row[4], name, holds);
    }
}

#[test]
fn every_bound_on_what_comes_is_on_the_page_as_it_is() {
    let rows = rows("| bound | least | most |");
    let told: Vec<_> = rows.iter().map(|row| (code(row[0]), number(row[1]), number(row[2]))).collect();
    let known: Vec<_> =
        edge::SETTINGS.iter().map(|setting| (setting.name, setting.min, setting.max)).collect();
    assert_eq!(told, known, "the page lists what can be set, in the order of the code");
    let rates = fields(&format!("{:?}", Rates::default()));
    assert!(rates.iter().all(|(_, default)| *default == 0), "what is left out has no bound");
    let rates: Vec<_> = rates.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(rates, known[..4].iter().map(|(name, _, _)| *name).collect::<Vec<_>>());
    for row in rows {
        check_place(row[4], code(row[0]), code(row[0]));
    }
}

#[test]
fn what_is_fixed_stands_in_the_code_as_on_the_page() {
    for row in rows("| in the code | what |") {
        let definition = code(row[0]);
        check_place(row[3], definition, &format!("const {definition};"));
    }
}
