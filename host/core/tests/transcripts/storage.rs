//! Storage as a turn sees it: its own writes over those of earlier turns over the disk.

use crate::notation::check;

#[test]
fn a_turn_reads_its_own_writes_and_commits_them_together() {
    check(
        "
        handlers request
        GET / -> r
        turn get k; put k one; get k; put k two; put j x; delete j; delete j; get-many k j; respond r 200
        ",
        "
        turn on-request r
        get k: none
        get k: one
        delete j: true
        delete j: false
        get-many k j: two none
        commit 1 -j k=two
        ",
    );
}

#[test]
fn a_turn_reads_the_uncommitted_writes_of_earlier_turns() {
    check(
        "
        handlers request
        GET / -> r
        GET / -> s
        GET / -> t
        turn put k one; put j one; respond r 200
        turn get k; delete k; put j two; respond s 200
        turn get k; get j; respond t 200
        committed
        committed
        GET / -> u
        turn get k; get j; respond u 200
        ",
        "
        turn on-request r
        commit 1 j=one k=one
        turn on-request s
        get k: one
        delete k: true
        commit 2 j=two -k
        turn on-request t
        get k: none
        get j: two
        < r 200
        < s 200
        < t 200
        turn on-request u
        get k: none
        get j: two
        < u 200
        ",
    );
}

#[test]
fn deleting_everything_hides_the_disk_and_earlier_turns_but_not_what_follows() {
    check(
        "
        handlers request
        GET / -> r
        turn put a 1; put b 1; alarm 9000; respond r 200
        committed
        GET / -> s
        turn put c 2; clear; put b 3; get-many a b c; page; bytes; respond s 200
        GET / -> t
        turn get-many a b c; page; page reverse; put d 4; respond t 200
        committed
        committed
        GET / -> u
        turn page; bytes; alarm; respond u 200
        ",
        "
        turn on-request r
        commit 1 a=1 b=1 alarm 9000/0
        < r 200
        turn on-request s
        get-many a b c: none 3 none
        page: b=3
        bytes: 2
        commit 2 cleared b=3 alarm 9000/0
        turn on-request t
        get-many a b c: none 3 none
        page: b=3
        page reverse: b=3
        commit 3 d=4 alarm 9000/0
        < s 200
        < t 200
        turn on-request u
        page: b=3 d=4
        bytes: 4
        alarm: 9000
        < u 200
        ",
    );
}

#[test]
fn a_turn_that_only_reads_commits_nothing() {
    check(
        "handlers request\n GET / -> r\n turn get k; page; delete k; delete-many k j; respond r 200",
        "turn on-request r\n get k: none\n page: nothing\n delete k: false\n delete-many k j: 0\n < r 200",
    );
}

#[test]
fn keys_and_values_are_bounded_to_the_byte() {
    check(
        "
        handlers request
        limit key_bytes_max 3
        limit value_bytes_max 4
        GET / -> r
        turn put key four; put keyy x; put k five5; get keyy; delete keyy; page start=keyy; respond r 200
        ",
        "
        turn on-request r
        put keyy x: error: the limit for a key is 3 bytes
        put k five5: error: the limit for a value is 4 bytes
        get keyy: error: the limit for a key is 3 bytes
        delete keyy: error: the limit for a key is 3 bytes
        page start=keyy: error: the limit for a key is 3 bytes
        commit 1 key=four
        ",
    );
}

#[test]
fn keys_of_one_call_are_bounded_and_a_refused_put_many_changes_nothing() {
    check(
        "
        handlers request
        limit keys_per_call_max 2
        limit value_bytes_max 4
        GET / -> r
        turn put a old; get-many a b c; put-many a=1 b=2 c=3; delete-many a b c; put-many b=2 a=five5; page; bytes; put-many a=1 b=2; delete-many a c; respond r 200
        ",
        "
        turn on-request r
        get-many a b c: error: the limit for one call is 2 keys
        put-many a=1 b=2 c=3: error: the limit for one call is 2 keys
        delete-many a b c: error: the limit for one call is 2 keys
        put-many b=2 a=five5: error: the limit for a value is 4 bytes
        page: a=old
        bytes: 4
        delete-many a c: 1
        commit 1 -a b=2
        ",
    );
}

#[test]
fn a_refused_put_many_takes_back_the_same_key_put_twice() {
    check(
        "
        handlers request
        limit storage_bytes_max 6
        GET / -> r
        turn put a 1; put-many a=22 a=333 b=4444; get a; bytes; put-many a=22 b=33; respond r 200
        ",
        "
        turn on-request r
        put-many a=22 a=333 b=4444: error: the room's storage is full; the limit is 6 bytes
        get a: 1
        bytes: 2
        commit 1 a=22 b=33
        ",
    );
}

#[test]
fn the_room_keeps_so_many_bytes_and_making_it_smaller_is_always_allowed() {
    check(
        "
        handlers request
        limit storage_bytes_max 10
        GET / -> r
        turn put k 123456789; put j x; put k 12345678; put k 123456789; bytes; respond r 200
        committed
        GET / -> s
        turn put j x; put k 1; put j 123456; put i x; bytes; delete j; put i x; bytes; respond s 200
        committed
        GET / -> t
        turn bytes; clear; bytes; put k 123456789; respond t 200
        committed
        GET / -> u
        turn bytes; respond u 200
        ",
        "
        turn on-request r
        put j x: error: the room's storage is full; the limit is 10 bytes
        bytes: 10
        commit 1 k=123456789
        < r 200
        turn on-request s
        put j x: error: the room's storage is full; the limit is 10 bytes
        put i x: error: the room's storage is full; the limit is 10 bytes
        bytes: 9
        delete j: true
        bytes: 4
        commit 2 i=x -j k=1
        < s 200
        turn on-request t
        bytes: 4
        bytes: 0
        commit 3 cleared k=123456789
        < t 200
        turn on-request u
        bytes: 10
        < u 200
        ",
    );
}

#[test]
fn a_turn_writes_so_many_bytes() {
    check(
        "
        handlers request
        limit turn_write_bytes_max 6
        GET / -> r
        turn put a 12; put b 12; delete a; put b 1; respond r 200
        committed
        GET / -> s
        turn put a 12345; respond s 200
        ",
        "
        turn on-request r
        delete a: error: the limit for one turn is 6 bytes written
        put b 1: error: the limit for one turn is 6 bytes written
        commit 1 a=12 b=12
        < r 200
        turn on-request s
        commit 2 a=12345
        ",
    );
}

/// Once the turn was dropped as if the guest had failed, and the room began a new life: that cost more than a crash.
#[test]
fn a_turn_that_meets_a_broken_disk_is_not_to_be_and_its_room_goes_back_to_its_checkpoint() {
    check(
        "
        handlers request start completed
        GET / -> r
        turn
        turn sleep z 900; respond r 200
        keep memory
        committed
        disk broken
        GET / -> t
        turn put c 1; get b; respond t 200
        disk mended
        commits fail
        crash
        GET / -> v
        wake
        turn get c; operations; respond v 200
        ",
        "
        turn on-start New
        turn on-request r
        < r 200
        commit 1 checkpoint
        turn on-request t
        put c 1: error: the store cannot be read: the device is gone
        get b: error: the store cannot be read: the device is gone
        report on-request dropped: the store cannot be read: the device is gone
        drop instance
        drop instance
        < t 503 the room could not be read: the device is gone
        commit 2
        woken with memory
        turn on-request v
        get c: none
        operations: 1
        ",
    );
}

/// What was decided before is still written, and what waits for that leaves.
#[test]
fn what_came_before_a_turn_that_meets_a_broken_disk_stands() {
    check(
        "
        handlers request
        GET / -> r
        GET / -> s
        GET / -> t
        turn put a 1; respond r 200
        disk broken
        turn get b; respond s 200
        phase
        committed
        disk mended
        commits fail
        crash
        GET / -> u
        turn get a; respond u 200
        ",
        "
        turn on-request r
        commit 1 a=1
        turn on-request s
        get b: error: the store cannot be read: the device is gone
        report on-request dropped: the store cannot be read: the device is gone
        drop instance
        phase: Running
        < r 200
        drop instance
        < t 503 the room could not be read: the device is gone
        < s 503 the room could not be read: the device is gone
        turn on-request u
        get a: 1
        < u 200
        ",
    );
}
