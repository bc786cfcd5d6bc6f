//! Lists of entries: ranges, both directions, bounds, over the turn, earlier turns and the disk.

use crate::notation::check;

/// On the disk: b, d, f, h. Uncommitted: a and c put, d deleted, f changed. In the turn: e put, h deleted.
const LAYERS: &str = "
    handlers request
    GET / -> r
    turn put b 1; put d 1; put f 1; put h 1; respond r 200
    committed
    GET / -> s
    turn put a 2; put c 2; delete d; put f 2; respond s 200
    GET / -> t
";

const LAYERS_SHOWN: &str = "
    turn on-request r
    commit 1 b=1 d=1 f=1 h=1
    < r 200
    turn on-request s
    delete d: true
    commit 2 a=2 c=2 -d f=2
    turn on-request t
    delete h: true
";

fn check_pages(reads: &str, expected: &str) {
    let reads: Vec<&str> = reads.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let input = format!("{LAYERS}\n turn put e 3; delete h; {}; pending e", reads.join("; "));
    check(&input, &format!("{LAYERS_SHOWN}\n{expected}\n commit 3 e=3 -h"));
}

#[test]
fn a_list_shows_every_layer_once_in_order_of_key() {
    check_pages(
        "
        page
        page reverse
        ",
        "
        page: a=2 b=1 c=2 e=3 f=2
        page reverse: f=2 e=3 c=2 b=1 a=2
        ",
    );
}

#[test]
fn a_range_has_its_start_and_not_its_end() {
    check_pages(
        "
        page start=b end=e
        page after=b end=f
        page start=b end=e reverse
        page after=b end=f reverse
        page start=d
        page after=a end=b
        page start=e end=e
        page start=f end=b
        page start=x
        page start=a after=a
        ",
        "
        page start=b end=e: b=1 c=2
        page after=b end=f: c=2 e=3
        page start=b end=e reverse: c=2 b=1
        page after=b end=f reverse: e=3 c=2
        page start=d: e=3 f=2
        page after=a end=b: nothing
        page start=e end=e: nothing
        page start=f end=b: nothing
        page start=x: nothing
        page start=a after=a: error: start and start-after cannot both be given
        ",
    );
}

#[test]
fn pages_follow_each_other_forwards() {
    check_pages(
        "
        page limit=2
        page limit=2 after=b
        page limit=2 after=e
        page limit=5
        page limit=4
        ",
        "
        page limit=2: a=2 b=1 next b
        page limit=2 after=b: c=2 e=3 next e
        page limit=2 after=e: f=2
        page limit=5: a=2 b=1 c=2 e=3 f=2
        page limit=4: a=2 b=1 c=2 e=3 next e
        ",
    );
}

#[test]
fn pages_follow_each_other_backwards() {
    check_pages(
        "
        page limit=2 reverse
        page limit=2 reverse end=e
        page limit=2 reverse end=b
        page limit=5 reverse
        ",
        "
        page limit=2 reverse: f=2 e=3 next e
        page limit=2 reverse end=e: c=2 b=1 next b
        page limit=2 reverse end=b: a=2
        page limit=5 reverse: f=2 e=3 c=2 b=1 a=2
        ",
    );
}

#[test]
fn a_page_stops_after_the_entry_that_reaches_its_bytes() {
    check_pages(
        "
        page bytes=1
        page bytes=2
        page bytes=3
        page bytes=4
        page bytes=10
        ",
        "
        page bytes=1: a=2 next a
        page bytes=2: a=2 next a
        page bytes=3: a=2 b=1 next b
        page bytes=4: a=2 b=1 next b
        page bytes=10: a=2 b=1 c=2 e=3 f=2
        ",
    );
}

#[test]
fn a_page_is_bounded_by_the_host_whatever_is_asked_for() {
    check(
        "
        handlers request
        limit page_entries_max 2
        limit page_bytes_max 8
        GET / -> r
        turn put a 1; put b 1; put c 1; page; page limit=9; put a 1234567; page bytes=99; pending e
        ",
        "
        turn on-request r
        page: a=1 b=1 next b
        page limit=9: a=1 b=1 next b
        page bytes=99: a=1234567 next a
        commit 1 a=1234567 b=1 c=1
        ",
    );
}

#[test]
fn a_prefix_is_a_range_of_its_own() {
    check(
        "
        handlers request
        GET / -> r
        turn put a 1; put ab 1; put aba 1; put abb 1; put ac 1; put b 1; respond r 200
        committed
        GET / -> s
        turn page prefix=ab; page prefix=ab reverse; page prefix=ab start=aba; page prefix=ab end=abb; page prefix=ab start=b; page prefix=ab end=z start=a; page prefix=z; pending e
        ",
        "
        turn on-request r
        commit 1 a=1 ab=1 aba=1 abb=1 ac=1 b=1
        < r 200
        turn on-request s
        page prefix=ab: ab=1 aba=1 abb=1
        page prefix=ab reverse: abb=1 aba=1 ab=1
        page prefix=ab start=aba: aba=1 abb=1
        page prefix=ab end=abb: ab=1 aba=1
        page prefix=ab start=b: nothing
        page prefix=ab end=z start=a: ab=1 aba=1 abb=1
        page prefix=z: nothing
        ",
    );
}
