//! Rooms that are destroyed: nothing is left of them, and nobody hears of it before that is so.

use crate::notation::check;

#[test]
fn a_destroyed_room_tells_everyone_when_nothing_is_left_of_it() {
    check(
        "
        handlers request connect completed
        > a connect
        turn accept a
        GET / -> r
        turn put k v; alarm 1000; sleep z 500; respond r 200
        committed
        GET / -> s
        turn pending e
        GET / -> t
        turn put l w; destroy; respond t 200; send a farewell
        GET / -> u
        committed
        wakes
        crash
        GET / -> v
        turn get k; operations; respond v 200
        ",
        "
        turn on-connect a
        accept a
        read a
        turn on-request r
        commit 1 k=v alarm 1000/0
        < r 200
        turn on-request s
        turn on-request t
        report destroyed
        commit 2 cleared destroy
        drop instance
        refused u: the room is ending; try again
        < t 200
        < a farewell
        < s 503 the room was destroyed
        < a close 1001 the room was destroyed
        wakes: never
        turn on-request v
          get k: none
          operations: 0
        < v 200
        ",
    );
}

/// Its end was to be seen behind that commit. It has not ended, and all that was said is taken back.
#[test]
fn a_room_whose_end_cannot_be_written_is_there_still() {
    check(
        "
        handlers request
        GET / -> r
        turn put k v; respond r 200
        committed
        GET / -> s
        turn destroy; respond s 200
        commits fail
        crash
        GET / -> t
        turn get k; respond t 200
        ",
        "
        turn on-request r
        commit 1 k=v
        < r 200
        turn on-request s
        report destroyed
        commit 2 cleared destroy
        drop instance
        report commit failed
        drop instance
        < s 503 the room could not be written
        turn on-request t
          get k: v
        < t 200
        ",
    );
}

/// There is nothing to be deleted of a room of which nothing was ever kept.
#[test]
fn a_room_that_was_never_kept_ends_at_once() {
    check(
        "
        handlers request
        GET / -> r
        turn put k v; destroy; respond r 200
        ",
        "
        turn on-request r
        report destroyed
        < r 200
        drop instance
        ",
    );
}

/// A durable room ends with its journal; what it had begun is not answered any more.
#[test]
fn a_durable_room_ends_with_its_journal() {
    check(
        "
        memory durable
        handlers start request completed
        GET / -> r
        turn
        turn put k v; sleep z 500; respond r 200
        committed
        committed
        GET / -> s
        turn destroy; respond s 200
        committed
        wakes
        crash
        GET / -> t
        turn
        turn get k; operations; respond t 200
        ",
        "
        turn on-start New
        commit 1 forget, record
        turn on-request r
        commit 2 record
        < r 200
        turn on-request s
        report destroyed
        commit 3 cleared destroy
        drop instance
        < s 200
        wakes: never
        turn on-start New
        commit 1 forget, record
        turn on-request t
          get k: none
          operations: 0
        commit 2 record
        ",
    );
}
