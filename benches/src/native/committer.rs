//! Durable counters with group commit.
//!
//! One thread owns the writing. It takes every increment that waits, adds them up in one transaction, and answers
//! them all after its one sync; what comes meanwhile is the next group. So sixteen clients cost little more than
//! one. What must hold: no answer before its commit, and numbers of one room are handed out without gaps.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use redb::{Builder, Database, ReadableDatabase, ReadableTable, TableDefinition};
use tokio::sync::{mpsc, oneshot};

const COUNTERS: TableDefinition<'static, &'static str, u64> = TableDefinition::new("counters");

/// Most increments in one transaction.
const GROUP_MAX: usize = 256;

/// Most increments that wait; further ones wait to be allowed to wait.
const QUEUE_MAX: usize = 4_096;

/// Most groups whose answers wait for the serving thread.
const ANSWERS_MAX: usize = 16;

const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// Why the counters cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory cannot be made, or the thread not started.
    #[error("cannot use the data directory")]
    Io(#[from] io::Error),
    /// The database cannot be opened.
    #[error("cannot open the counters")]
    Database(#[from] redb::Error),
}

/// Why a number cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum CountError {
    /// The database failed.
    #[error("the counters cannot be read: {0}")]
    Read(#[from] redb::Error),
    /// A commit failed, now or earlier, and with it the committer.
    #[error("the counters cannot be written any more")]
    Write,
}

#[derive(Debug)]
struct Increment {
    room: String,
    answer: oneshot::Sender<u64>,
}

type Answers = Vec<(oneshot::Sender<u64>, u64)>;

/// The way to the counters; clones share it.
#[derive(Clone, Debug)]
pub(super) struct Committer {
    database: Arc<Database>,
    queue: mpsc::Sender<Increment>,
}

impl Committer {
    /// Opens the database in `data` and starts the committing thread. Needs a runtime, on which answers are given.
    pub(super) fn open(data: &Path) -> Result<Committer, OpenError> {
        fs::create_dir_all(data)?;
        let database = Builder::new()
            .set_cache_size(CACHE_BYTES)
            .create(data.join("native.redb"))
            .map_err(redb::Error::from)?;
        let database = Arc::new(database);
        create_table(&database)?;
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        let (answered, answers) = mpsc::channel(ANSWERS_MAX);
        let writing = Arc::clone(&database);
        thread::Builder::new()
            .name("committer".to_owned())
            .spawn(move || commit_groups(&writing, waiting, &answered))?;
        tokio::spawn(give_answers(answers));
        Ok(Committer { database, queue })
    }

    /// Adds one to the room's number; the answer is durable.
    pub(super) async fn increment(&self, room: String) -> Result<u64, CountError> {
        let (answer, answered) = oneshot::channel();
        self.queue.send(Increment { room, answer }).await.map_err(|_| CountError::Write)?;
        answered.await.map_err(|_| CountError::Write)
    }

    /// The room's number, 0 before the first increment.
    pub(super) fn read(&self, room: &str) -> Result<u64, CountError> {
        Ok(read(&self.database, room)?)
    }
}

fn create_table(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(COUNTERS)?;
    transaction.commit()?;
    Ok(())
}

fn read(database: &Database, room: &str) -> Result<u64, redb::Error> {
    let table = database.begin_read()?.open_table(COUNTERS)?;
    Ok(table.get(room)?.map_or(0, |number| number.value()))
}

/// The committing thread. It ends with the queue, or with a commit that failed: whether that one is on disk is
/// unknown, so nothing may be counted after it.
fn commit_groups(
    database: &Database,
    mut waiting: mpsc::Receiver<Increment>,
    answered: &mpsc::Sender<Answers>,
) {
    let mut group = Vec::with_capacity(GROUP_MAX);
    while waiting.blocking_recv_many(&mut group, GROUP_MAX) > 0 {
        let committed = commit(database, group.drain(..));
        match committed {
            Ok(answers) => {
                if answered.blocking_send(answers).is_err() {
                    return;
                }
            }
            Err(error) => {
                eprintln!("error: a commit failed, the counters are closed: {error}");
                return;
            }
        }
    }
}

fn commit(database: &Database, group: impl Iterator<Item = Increment>) -> Result<Answers, redb::Error> {
    let mut numbers: HashMap<String, u64> = HashMap::new();
    let mut answers = Vec::new();
    let transaction = database.begin_write()?;
    {
        let mut table = transaction.open_table(COUNTERS)?;
        for Increment { room, answer } in group {
            let number = match numbers.get_mut(&room) {
                Some(number) => number,
                None => {
                    let stored = table.get(room.as_str())?.map_or(0, |number| number.value());
                    numbers.entry(room).or_insert(stored)
                }
            };
            *number += 1;
            answers.push((answer, *number));
        }
        for (room, number) in &numbers {
            table.insert(room.as_str(), number)?;
        }
    }
    transaction.commit()?;
    Ok(answers)
}

/// Gives the answers of a whole group on the serving thread, which the committer so wakes once and not once each.
async fn give_answers(mut answers: mpsc::Receiver<Answers>) {
    while let Some(group) = answers.recv().await {
        for (answer, number) in group {
            // Whoever asked may have left.
            let _ = answer.send(number);
        }
    }
}
