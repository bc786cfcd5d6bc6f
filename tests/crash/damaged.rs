//! Memories that are damaged on a real disk: a durable room fails closed and is brought back by `party-host room recover`,
//! a hibernating one begins anew and says so; no other room notices, and nothing that is refused is deleted.
//!
//! One host has a healthy room and one room for each kind of damage. Damage is done to the file's bytes, where checksums
//! find it, and also with checksums that fit, as a host of another version or with a fault of its own might have written.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use party_core::address::RoomAddress;
use party_core::checkpoint::Checkpoint;
use party_core::commit::{
    CheckpointBytes, ComponentDigest, JournalRecord, KvChanges, MemoryChange, NewCheckpoint, RoomCommit,
    RoomRecord,
};
use party_core::ids::Epoch;
use party_core::journal::Record;
use party_store::leftovers::Leftovers;
use party_store::redb_store::{RedbOptions, RedbStore};
use party_store::store::Store;
use party_tests::guests::{guest, guest_path};
use party_tests::host::{Host, party_host, temporary};
use party_tests::http::{Http, Socket, request};
use party_tests::program::{BOUND, Ended, Program};
use rustix::process::Signal;

/// A component that no memory here is of.
const OTHER: ComponentDigest = ComponentDigest([7; 32]);

/// What a host says of a turn that stores 3 where 7 is recorded: both are told.
const DIVERGED: &str = "key \"count\": recorded is \"\\x07\" (1 bytes), now \"\\x03\" (1 bytes)";

/// What is done to a room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Damage {
    CheckpointCut,
    CheckpointFlipped,
    CheckpointNewer,
    CheckpointOfOther,
    /// In the file, where the checksums find it.
    CheckpointFlippedInFile,
    CheckpointOfNeighbourInFile,
    RecordCut,
    RecordNewer,
    RecordInTheMiddle,
    RecordOfOther,
    RecordMissing,
    RecordWroteOtherwise,
    RecordFlippedInFile,
    RecordOfNeighbourInFile,
}

use Damage::{
    CheckpointCut, CheckpointFlipped, CheckpointFlippedInFile, CheckpointNewer, CheckpointOfNeighbourInFile,
    CheckpointOfOther, RecordCut, RecordFlippedInFile, RecordInTheMiddle, RecordMissing, RecordNewer,
    RecordOfNeighbourInFile, RecordOfOther, RecordWroteOtherwise,
};

/// A room: its name, what is done to it, what the host says, what more `room recover` is given, and what its storage says
/// afterwards. Every room has counted to 3 before its last checkpoint, or to 3 without one; those of `RecordInFile` kinds
/// to 6 since.
type Case = (&'static str, Damage, &'static str, &'static [&'static str], &'static str);

const CHECKPOINTS: [Case; 6] = [
    ("checkpoint-cut", CheckpointCut, "the checkpoint cannot be read", &[], "3"),
    ("checkpoint-flipped", CheckpointFlipped, "its memory cannot be read", &[], "3"),
    ("checkpoint-newer", CheckpointNewer, "the checkpoint has format 9; this host reads", &[], "3"),
    ("checkpoint-of-other", CheckpointOfOther, "component", &[], "3"),
    ("a-checkpoint-in-file", CheckpointFlippedInFile, "does not match its checksum", &[], "3"),
    ("z-checkpoint-in-file", CheckpointOfNeighbourInFile, "does not match its checksum", &[], "3"),
];

/// The first and the last are far from each other in the file: two damaged rows in one page would damage more than rooms.
const RECORDS: [Case; 10] = [
    ("record-in-file", RecordFlippedInFile, "of ", &[], "5"),
    ("record-cut", RecordCut, "the journal's record cannot be read", &[], "2"),
    ("record-newer", RecordNewer, "the journal's record has format 9; this host reads", &[], "2"),
    ("record-in-the-middle", RecordInTheMiddle, "the journal's record has format", &[], "1"),
    ("record-past-damage", RecordInTheMiddle, "the journal's record has format", &["--past-damage"], "3"),
    ("record-of-other", RecordOfOther, "replay diverged", &[], "3"),
    ("record-missing", RecordMissing, "record", &["--force"], "3"),
    ("record-wrote", RecordWroteOtherwise, DIVERGED, &["--force"], "7"),
    ("record-in-order", RecordNewer, "the journal's record has format 9", &["--to-checkpoint"], "0"),
    ("record-of-neighbour", RecordOfNeighbourInFile, "of ", &["--to-checkpoint"], "3"),
];

fn address(room: &str) -> Arc<RoomAddress> {
    Arc::new(RoomAddress::new("damaged", "main", room).expect("a plain name"))
}

fn count(host: &Host, room: &str) -> Result<u64> {
    let answer = request(host.port, "POST", &format!("/parties/main/{room}/count"))?;
    ensure!(answer.status == 200, "{room}: status {}: {}", answer.status, answer.body);
    Ok(answer.body.parse()?)
}

fn count_three_times(host: &Host, room: &str) -> Result<u64> {
    count(host, room)?;
    count(host, room)?;
    count(host, room)
}

/// A project of this memory, and a host of it.
fn host(memory: &str, project: &Path, data: &Path) -> Result<Host> {
    let component = guest_path("test_guests");
    let settings = format!("name = \"damaged\"\nmain = {component:?}\nmemory = \"{memory}\"\n");
    fs::write(project.join("party.toml"), settings)?;
    Host::serve(project, data)
}

fn open(data: &Path) -> Result<RedbStore> {
    Ok(RedbStore::open(data, RedbOptions::default())?)
}

fn left(store: &RedbStore, room: &str) -> Result<Leftovers> {
    store.leftovers(&address(room))?.with_context(|| format!("a memory of {room} is kept"))
}

/// Writes something else in the place of what is kept of a room's memory, with commits as a host makes them.
fn rewrite(store: &RedbStore, epoch: Epoch, room: &str, changes: Vec<MemoryChange>) -> Result<()> {
    for memory in changes {
        let before = store.record(&address(room))?.context("it is there")?;
        let record = RoomRecord { seq: before.seq.next(), ..before };
        let (address, memory) = (address(room), Some(Box::new(memory)));
        store.commit(epoch, &[RoomCommit { address, record, changes: KvChanges::default(), memory }])?;
    }
    Ok(())
}

/// Does the damage that fits to its checksums.
fn damage_contents(store: &RedbStore, epoch: Epoch, room: &str, damage: Damage) -> Result<()> {
    let found = left(store, room)?;
    let mut component = found.component;
    let mut records: Vec<Vec<u8>> = found.records.iter().map(|record| record.left.bytes.to_vec()).collect();
    let last = records.len().saturating_sub(1);
    let mut checkpoint = found.checkpoint.map(|left| left.bytes.to_vec()).unwrap_or_default();
    match damage {
        CheckpointCut => checkpoint.truncate(checkpoint.len() / 2),
        CheckpointFlipped => {
            checkpoint = again(&checkpoint, |image| {
                let place = image.len() / 2;
                image[place] ^= 4;
            })?;
        }
        CheckpointNewer => checkpoint[4] = 9,
        CheckpointOfOther => {
            component = OTHER;
            checkpoint = again(&checkpoint, |_| ())?;
        }
        RecordOfOther => component = OTHER,
        RecordCut => {
            let bytes = records[last].len() / 2;
            records[last].truncate(bytes);
        }
        RecordNewer => records[last][0] = 9,
        RecordInTheMiddle => records[last - 1][0] = 9,
        RecordMissing => drop(records.remove(last - 1)),
        RecordWroteOtherwise => records[last] = wrote_otherwise(&records[last])?,
        CheckpointFlippedInFile
        | CheckpointOfNeighbourInFile
        | RecordFlippedInFile
        | RecordOfNeighbourInFile => {
            return Ok(());
        }
    }
    let changes = if records.is_empty() {
        let bytes = CheckpointBytes::Inline(checkpoint.into());
        vec![MemoryChange::Checkpoint(NewCheckpoint { component, bytes })]
    } else {
        let mut records = records.into_iter().map(|bytes| JournalRecord { component, bytes: bytes.into() });
        let first = MemoryChange::Forget { then: records.next() };
        [first].into_iter().chain(records.map(MemoryChange::Append)).collect()
    };
    rewrite(store, epoch, room, changes)
}

/// The checkpoint as the next commit would carry it, with its image changed.
fn again(checkpoint: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Result<Vec<u8>> {
    let mut checkpoint = Checkpoint::decode(&checkpoint.to_vec().into())?;
    let mut image = checkpoint.image.to_vec();
    change(&mut image);
    (checkpoint.image, checkpoint.seq) = (image.into(), checkpoint.seq.next());
    Ok(checkpoint.encode()?.to_vec())
}

/// A record in which a turn has stored 7 where it stored 3.
fn wrote_otherwise(record: &[u8]) -> Result<Vec<u8>> {
    let count = |bytes: &[u8]| {
        let record = Record::decode(&bytes.to_vec().into()).ok()?;
        record.writes()?.entries.get(&b"count"[..])?.clone()
    };
    let mut candidates = (0..record.len()).filter(|place| record[*place] == 3).map(|place| {
        let mut changed = record.to_vec();
        changed[place] = 7;
        changed
    });
    candidates.find(|bytes| count(bytes).as_deref() == Some(&[7])).context("the record stores a 3")
}

/// Does the damage that does not, to the file of a store that nobody has open. A neighbour's bytes are those of the
/// healthy room.
fn damage_file(data: &Path, rooms: &[(&str, Damage, Vec<u8>, Vec<u8>)]) -> Result<()> {
    let path = data.join("rooms.store");
    let mut image = fs::read(&path)?;
    for (room, damage, bytes, neighbour) in rooms {
        let mut damaged = bytes.clone();
        if matches!(damage, CheckpointFlippedInFile | RecordFlippedInFile) {
            damaged[bytes.len() / 2] ^= 0x10;
        } else {
            let length = bytes.len().min(neighbour.len());
            damaged[..length].copy_from_slice(&neighbour[..length]);
        }
        ensure!(damaged != *bytes, "{room}: the two differ");
        replace(&mut image, bytes, &damaged).with_context(|| format!("{room}: not in the file"))?;
    }
    Ok(fs::write(&path, image)?)
}

/// Replaces bytes wherever they stand: a file may hold old copies of its pages.
fn replace(image: &mut [u8], from: &[u8], to: &[u8]) -> Result<()> {
    let mut places = 0;
    for at in 0..=image.len() - from.len() {
        if image[at] == from[0] && image[at..].starts_with(from) {
            image[at..at + to.len()].copy_from_slice(to);
            places += 1;
        }
    }
    ensure!(places > 0, "{} bytes are nowhere", from.len());
    Ok(())
}

/// Damages all rooms. What then is left of each of them.
fn damage(data: &Path, cases: &[Case]) -> Result<BTreeMap<&'static str, Leftovers>> {
    let store = open(data)?;
    let epoch = store.acquire()?;
    // It can be loaded, and has another memory.
    store.put_component(epoch, OTHER, &guest("counter"))?;
    let mut in_file = Vec::new();
    let first_chunk = |room: &str| {
        let bytes = left(&store, room)?.checkpoint.context("it has a checkpoint")?.bytes;
        Ok::<_, anyhow::Error>(bytes[..bytes.len().min(2_000)].to_vec())
    };
    let last_record = |room: &str| {
        let found = left(&store, room)?.records;
        Ok::<_, anyhow::Error>(found.last().context("it has a journal")?.left.bytes.to_vec())
    };
    for (room, damage, ..) in cases {
        damage_contents(&store, epoch, room, *damage).with_context(|| format!("{room}, {damage:?}"))?;
        let (bytes, neighbour) = match damage {
            CheckpointFlippedInFile | CheckpointOfNeighbourInFile => {
                (first_chunk(room)?, first_chunk("healthy")?)
            }
            RecordFlippedInFile | RecordOfNeighbourInFile => (last_record(room)?, last_record("healthy")?),
            _ => continue,
        };
        in_file.push((*room, *damage, bytes, neighbour));
    }
    drop(store);
    damage_file(data, &in_file)?;
    let store = open(data)?;
    cases.iter().map(|(room, ..)| Ok((*room, left(&store, room)?))).collect()
}

/// The room lets nobody in, by HTTP or WebSocket, and the host says why.
fn refuses(host: &mut Host, room: &str, why: &str) -> Result<()> {
    let mut http = Http::connect(host.port)?;
    for _ in 0..2 {
        let answer = http.request("GET", &format!("/parties/main/{room}/said"))?;
        ensure!(answer.status == 503, "status {}: {}", answer.status, answer.body);
        ensure!(answer.body.contains("room-damaged"), "{}", answer.body);
    }
    match Socket::connect(host.port, room) {
        Ok(mut socket) => {
            let closed = socket.closed()?;
            ensure!(closed == (1011, "room-damaged".into()), "{closed:?}");
        }
        Err(error) => ensure!(format!("{error:#}").contains("503"), "{error:#}"),
    }
    // What is said and what is answered come by two ways: either may be the first.
    let hint = format!("room recover damaged/main/{room}`");
    host.program.wait_until_said(|line| line.contains(&hint), BOUND)?;
    let said = host.program.said();
    let lines: Vec<&str> = said.lines().collect();
    let mut pairs = lines.windows(2).filter(|pair| pair[1].contains(&hint));
    let is_said = pairs.any(|pair| pair[0].contains("room-damaged: ") && pair[0].contains(why));
    ensure!(is_said, "the host says {said}");
    Ok(())
}

fn recover(data: &Path, room: &str, more: &[&str]) -> Result<Ended> {
    let room = format!("main/{room}");
    let mut command = party_host();
    command.args(["room", "recover", &room]).args(more).arg("--data").arg(data);
    Program::run(&mut command, BOUND)
}

fn ask(data: &Path, arguments: &[&str]) -> Result<String> {
    let ended = Program::run(party_host().args(arguments).arg("--data").arg(data), BOUND)?;
    ensure!(ended.code == Some(0), "{arguments:?}: {ended:?}");
    Ok(ended.out)
}

/// Whether a host runs or not: what is found without waking a room is told, and that more is not looked at.
fn looked_at(data: &Path, cases: &[Case]) -> Result<()> {
    let healthy = ask(data, &["inspect", "main/healthy"])?;
    ensure!(
        healthy.contains("damage         none in what can be read; whether")
            && healthy.contains("not looked at")
    );
    for (room, damage, _, more, _) in cases {
        let room = format!("main/{room}");
        let told = ask(data, &["inspect", &room])?;
        match told.contains("damaged        ") {
            true => {
                ensure!(told.contains(&format!("party-host room recover {room} --dry-run")), "{room}: {told}")
            }
            false => ensure!(
                told.contains("not looked at") && (more.contains(&"--force") || *damage == RecordOfOther),
                "{room}: {told}"
            ),
        }
    }
    ensure!(ask(data, &["rooms", "--state", "damaged"])?.is_empty(), "nobody has tried to wake any");
    Ok(())
}

/// A host that has tried to wake them knows which are damaged, and why.
fn listed(data: &Path, cases: &[Case]) -> Result<()> {
    let all = ask(data, &["rooms", "--state", "damaged"])?;
    for (room, damage, why, ..) in cases {
        let next = format!("  next: stop the host and run `party-host room recover main/{room} --dry-run`");
        let mut lines = all.lines().skip_while(|line| !line.starts_with(&format!("main/{room} ")));
        ensure!(lines.next().is_some_and(|line| line.contains(" damaged ")), "{room}: {all}");
        let told = lines.next().unwrap_or_default();
        ensure!(told.starts_with("  damaged: ") && told.contains(why), "{damage:?}: {told}");
        ensure!(lines.next() == Some(&next), "{room}: {all}");
        let told = ask(data, &["inspect", &format!("main/{room}")])?;
        let parts = ["state          damaged", "damaged        ", why, "room-damaged", "--dry-run"];
        ensure!(parts.iter().all(|part| told.contains(part)), "{damage:?}: {told}");
    }
    ensure!(!all.contains("main/healthy"), "{all}");
    Ok(())
}

fn fresh(host: &Host, room: &str, stored: &str) -> Result<()> {
    let ask = |what: &str| {
        Ok::<_, anyhow::Error>(request(host.port, "GET", &format!("/parties/main/{room}/{what}"))?.body)
    };
    let (said, started) = (ask("said")?, ask("started")?);
    ensure!((said.as_str(), started.as_str()) == ("1", "Some(Lost)"), "{room}: {said}, {started}");
    let found = (count(host, room)? - 1).to_string();
    ensure!(found == stored, "{room}: storage says {found}, not {stored}");
    Ok(())
}

#[test]
fn a_damaged_durable_room_fails_closed_until_it_is_recovered() -> Result<()> {
    let (project, data) = (temporary()?, temporary()?);
    let (project, data) = (project.path(), data.path());
    let mut host = host("durable", project, data)?;
    let cases: Vec<Case> = CHECKPOINTS.into_iter().chain(RECORDS).collect();
    let is_in_file = |damage: Damage| [RecordFlippedInFile, RecordOfNeighbourInFile].contains(&damage);
    for (room, damage, ..) in CHECKPOINTS.into_iter().chain(RECORDS.into_iter().filter(|it| is_in_file(it.1)))
    {
        ensure!(count_three_times(&host, room)? == 3, "{room}, {damage:?}");
    }
    ensure!(count_three_times(&host, "healthy")? == 3);
    host.stop(Signal::TERM)?;
    host.start()?;
    for (room, damage, ..) in RECORDS {
        let counted = count_three_times(&host, room)?;
        ensure!(counted == if is_in_file(damage) { 6 } else { 3 }, "{room}: {counted}");
    }
    ensure!(count_three_times(&host, "healthy")? == 6);
    host.kill()?;
    let before = damage(data, &cases)?;
    let checked = Program::run(party_host().arg("check").arg("--data").arg(data), BOUND)?;
    ensure!(checked.code == Some(1) && !checked.out.contains("main/healthy"), "{checked:?}");
    for (room, ..) in cases.iter().filter(|(room, ..)| room.contains("in-file") || room.contains("neighbour"))
    {
        ensure!(checked.out.contains(&format!("damaged: main/{room}: ")), "{room}: {checked:?}");
    }

    looked_at(data, &cases)?;
    host.start()?;
    looked_at(data, &cases)?;
    for (room, damage, why, ..) in &cases {
        refuses(&mut host, room, why).with_context(|| format!("{room}, {damage:?}"))?;
    }
    ensure!(count(&host, "healthy")? == 7 && count(&host, "new")? == 1, "the others go on");
    listed(data, &cases)?;
    let refused = recover(data, "record-cut", &[])?;
    ensure!(refused.code == Some(1) && refused.err.contains("a host runs"), "{refused:?}");
    let ended = host.stop(Signal::TERM)?;
    ensure!(ended.code == Some(0) && !ended.err.contains("panicked"), "{ended:?}");

    let store = open(data)?;
    for (room, ..) in &cases {
        // A room that slept well may have recorded that it was taken up before its memory was looked at.
        let (was, is) = (&before[room], left(&store, room)?);
        let is_kept = is.checkpoint == was.checkpoint && is.records.starts_with(&was.records);
        ensure!(is_kept, "{room}: nothing is deleted");
    }
    drop(store);
    let fork = ["fork", "main/record-cut", "main/copy", "--data"];
    let refused = Program::run(party_host().args(fork).arg(data), BOUND)?;
    ensure!(refused.code != Some(0) && refused.err.contains("cannot be made again"), "{refused:?}");
    ensure!(refused.err.contains("hint: `party-host room recover`"), "{refused:?}");
    for (room, damage, _, more, _) in &cases {
        bring_back(data, room, more, &before[room]).with_context(|| format!("{room}, {damage:?}"))?;
    }
    host.start()?;
    for (room, _, _, _, stored) in &cases {
        fresh(&host, room, stored)?;
    }
    ensure!(count(&host, "healthy")? == 8 && count(&host, "new")? == 2, "the others go on");
    // What is recovered keeps its memory again.
    host.stop(Signal::TERM)?;
    host.start()?;
    for (room, _, _, _, stored) in &cases {
        ensure!(count(&host, room)? == stored.parse::<u64>()? + 2, "{room}");
        let said = request(host.port, "GET", &format!("/parties/main/{room}/said"))?.body;
        ensure!(said == "5", "{room}: {said}");
    }
    host.stop(Signal::TERM)?;
    Ok(())
}

/// Recovers a room: a dry run changes nothing, what is given up is put aside as it was, and then there is no more to do.
fn bring_back(data: &Path, room: &str, more: &[&str], before: &Leftovers) -> Result<()> {
    let as_it_was = left(&open(data)?, room)?;
    let tried = recover(data, room, &[more, &["--dry-run"]].concat())?;
    ensure!(tried.code == Some(0) && tried.out.contains("would keep: "), "{tried:?}");
    ensure!(left(&open(data)?, room)? == as_it_was, "a dry run changes nothing");
    if more.contains(&"--force") {
        let refused = recover(data, room, &[])?;
        ensure!(refused.code == Some(2) && refused.err.contains("--force"), "{refused:?}");
    } else {
        ensure!(tried.out.contains("wrong: "), "{tried:?}");
    }
    let recovered = recover(data, room, more)?;
    ensure!(recovered.code == Some(0) && recovered.err.is_empty(), "{recovered:?}");
    let aside = recovered.out.lines().find_map(|line| line.strip_prefix("put aside: "));
    let aside = fs::read(aside.context("it says where")?)?;
    let parts = before.checkpoint.iter().chain(before.records.iter().map(|record| &record.left));
    for part in parts {
        let is_there = aside.windows(part.bytes.len()).any(|window| window == &part.bytes[..]);
        ensure!(is_there, "{} bytes are not put aside as they were", part.bytes.len());
    }
    let again = recover(data, room, more)?;
    ensure!(again.code == Some(2) && again.err.contains("nothing to recover"), "{again:?}");
    Ok(())
}

#[test]
fn a_damaged_hibernating_room_begins_anew_and_says_so() -> Result<()> {
    let (project, data) = (temporary()?, temporary()?);
    let (project, data) = (project.path(), data.path());
    let mut host = host("hibernate", project, data)?;
    for (room, ..) in CHECKPOINTS {
        count_three_times(&host, room)?;
    }
    ensure!(count_three_times(&host, "healthy")? == 3);
    host.stop(Signal::TERM)?;
    damage(data, &CHECKPOINTS)?;
    host.start()?;
    for (room, damage, why, _, stored) in CHECKPOINTS {
        fresh(&host, room, stored)?;
        let room = format!("main/{room}");
        let is_it = |line: &str| [&room, "starts afresh: ", why].iter().all(|part| line.contains(part));
        host.program.wait_until_said(is_it, BOUND).with_context(|| format!("{damage:?}: {why}"))?;
    }
    let healthy = request(host.port, "GET", "/parties/main/healthy/said")?;
    ensure!(healthy.body == "4", "the others go on where they were: {}", healthy.body);
    host.stop(Signal::TERM)?;
    Ok(())
}

#[test]
fn there_is_nothing_to_recover_where_nothing_is_kept() -> Result<()> {
    let (project, data) = (temporary()?, temporary()?);
    let (project, data) = (project.path(), data.path());
    let mut host = host("volatile", project, data)?;
    count(&host, "room")?;
    host.stop(Signal::TERM)?;
    for (room, why) in [("room", "no memory of main/room is kept"), ("none", "there is no room main/none")] {
        let ended = recover(data, room, &[])?;
        ensure!(
            ended.code == Some(2) && ended.err.contains(why) && ended.err.contains("hint: "),
            "{ended:?}"
        );
    }
    ensure!(!data.join("recovered").exists(), "and nothing is made");
    let ended = recover(data, "room", &["--to-checkpoint", "--past-damage"])?;
    ensure!(ended.code == Some(2) && ended.err.contains("cannot be used with"), "{ended:?}");
    Ok(())
}
