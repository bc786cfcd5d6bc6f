//! Opening a device as a redb database through the layer of checksums, and making a store on an empty one.

use std::sync::Arc;

use redb::{Builder, Database, WriteTransaction};

use crate::redb_store::batch::write_state;
use crate::redb_store::blocks::{Blocks, Findings};
use crate::redb_store::device::{Cache, Device};
use crate::redb_store::layout::memory_rows::{CHUNKS, COMPONENTS, JOURNAL, LOOSE};
use crate::redb_store::layout::{
    ALARMS, FORMAT_KEY, FORMAT_VERSION, FORMAT_VERSION_MIN, META, ROOMS, State, decode_format, encode_format,
    open, seal,
};
use crate::redb_store::trouble::{Trouble, contain};
use crate::redb_store::unwritten::Unwritten;
use crate::redb_store::{OpenError, RedbOptions};

/// Makes an empty store on an empty device.
pub(crate) fn create_store(device: &dyn Device, options: &RedbOptions) -> Result<(), OpenError> {
    let db = open_database(device, options, Cache::Trusted, &Arc::default(), Purpose::Create)?;
    contain(|| {
        let mut transaction = db.begin_write()?;
        transaction.set_quick_repair(true);
        write_format(&transaction)?;
        transaction.open_table(ROOMS)?;
        transaction.open_table(ALARMS)?;
        open_memory_tables(&transaction)?;
        write_state(&transaction, &State::default())?;
        transaction.commit()?;
        db.close()?;
        Ok::<_, Trouble>(())
    })
    .map_err(|trouble| OpenError::from_trouble(&trouble))
}

/// What a device is opened for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To make a store on it; it must be empty.
    Create,
    /// To use the store on it.
    Open,
    /// To read the store on it while nothing can be written to it.
    Look,
}

/// Opens the device as a redb database, or makes one on it.
pub(crate) fn open_database(
    device: &dyn Device,
    options: &RedbOptions,
    cache: Cache,
    findings: &Arc<Findings>,
    purpose: Purpose,
) -> Result<Database, OpenError> {
    let opened = contain(|| {
        let file = device.open(cache)?;
        let file = match purpose {
            Purpose::Create | Purpose::Open => file,
            Purpose::Look => Box::new(Unwritten::new(file)?),
        };
        let blocks = Blocks::new(file, findings.clone(), purpose != Purpose::Look)?;
        let fits = match purpose {
            Purpose::Create => blocks.is_empty()?,
            Purpose::Open | Purpose::Look => blocks.is_ours()?,
        };
        if !fits {
            return Ok(None);
        }
        let repaired = blocks.clone();
        let db = Builder::new()
            .set_cache_size(options.cache_bytes)
            .set_repair_callback(move |_| repaired.begin_repair())
            .create_with_backend(blocks.clone())?;
        blocks.settle()?;
        Ok::<_, Trouble>(Some(db))
    });
    match (opened, purpose) {
        (Ok(Some(db)), _) => Ok(db),
        (Ok(None), Purpose::Open | Purpose::Look) => {
            Err(OpenError::NotAStore { why: "it does not begin like one" })
        }
        (Ok(None), Purpose::Create) => Err(OpenError::NotAStore { why: "there is something in its place" }),
        (Err(trouble), _) => Err(OpenError::from_trouble(&trouble)),
    }
}

fn open_memory_tables(transaction: &WriteTransaction) -> Result<(), Trouble> {
    for table in [CHUNKS, JOURNAL, LOOSE, COMPONENTS] {
        transaction.open_table(table)?;
    }
    Ok(())
}

/// Brings a database of an older format up to this one. Refuses one that is none of ours, or from the future.
pub(crate) fn bring_up_to_date(db: &Database) -> Result<(), OpenError> {
    match format_of(db)? {
        FORMAT_VERSION => Ok(()),
        // Its rows are as they are now; it only lacks the tables of what it did not know.
        FORMAT_VERSION_MIN => contain(|| {
            let mut transaction = db.begin_write()?;
            transaction.set_quick_repair(true);
            open_memory_tables(&transaction)?;
            write_format(&transaction)?;
            transaction.commit()?;
            Ok::<_, Trouble>(())
        })
        .map_err(|trouble| OpenError::from_trouble(&trouble)),
        found => Err(OpenError::OtherFormat { found, oldest: FORMAT_VERSION_MIN, newest: FORMAT_VERSION }),
    }
}

fn write_format(transaction: &WriteTransaction) -> Result<(), Trouble> {
    let mut sealed = Vec::new();
    seal(&mut sealed, FORMAT_KEY, &encode_format(FORMAT_VERSION));
    transaction.open_table(META)?.insert(FORMAT_KEY, sealed.as_slice())?;
    Ok(())
}

fn format_of(db: &Database) -> Result<u32, OpenError> {
    let row = contain(|| {
        use redb::ReadableDatabase as _;
        let meta = match db.begin_read()?.open_table(META) {
            Err(redb::TableError::TableDoesNotExist(_) | redb::TableError::TableTypeMismatch { .. }) => {
                return Ok(None);
            }
            result => result?,
        };
        Ok::<_, Trouble>(meta.get(FORMAT_KEY)?.map(|row| row.value().to_vec()))
    })
    .map_err(|trouble| OpenError::from_trouble(&trouble))?;
    let Some(row) = row else { return Err(OpenError::NotAStore { why: "it holds something else" }) };
    let body = open(FORMAT_KEY, &row).map_err(|damage| OpenError::Damaged { cause: damage.0 })?;
    decode_format(body).ok_or(OpenError::NotAStore { why: "its format row is another's" })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use redb::{Database, TableDefinition};

    use crate::redb_store::device::{Cache, FileDevice};
    use crate::redb_store::layout::{FORMAT_KEY, FORMAT_VERSION, META, encode_format, seal};
    use crate::redb_store::opening::{Purpose, create_store, open_database};
    use crate::redb_store::{OpenError, RedbOptions, RedbStore};

    fn device(directory: &Path) -> FileDevice {
        FileDevice::new(directory.join("store"), directory.join("batch"))
    }

    /// What opening a store says after `change` has been done to its database.
    fn opened_after(change: impl FnOnce(&Database)) -> Result<(), OpenError> {
        let directory = tempfile::tempdir().unwrap();
        let options = RedbOptions::default();
        create_store(&device(directory.path()), &options).unwrap();
        let findings = std::sync::Arc::default();
        let device = device(directory.path());
        let db = open_database(&device, &options, Cache::Trusted, &findings, Purpose::Open).unwrap();
        change(&db);
        drop(db);
        RedbStore::open_on(Box::new(device), options).map(|_| ())
    }

    fn put_format(db: &Database, sealed: &[u8]) {
        let transaction = db.begin_write().unwrap();
        transaction.open_table(META).unwrap().insert(FORMAT_KEY, sealed).unwrap();
        transaction.commit().unwrap();
    }

    #[test]
    fn a_newer_format_is_refused_by_its_number() {
        let newer = opened_after(|db| {
            let mut sealed = Vec::new();
            seal(&mut sealed, FORMAT_KEY, &encode_format(FORMAT_VERSION + 1));
            put_format(db, &sealed);
        });
        let error = newer.unwrap_err();
        assert!(matches!(error, OpenError::OtherFormat { found: 3, oldest: 1, newest: 2 }), "{error}");
        assert!(error.to_string().contains("hint: a newer party-host wrote it"), "{error}");
    }

    #[test]
    fn a_format_row_that_is_damaged_or_gone_is_no_store() {
        let damaged = opened_after(|db| put_format(db, b"party-st\x01\0\0\0"));
        assert!(matches!(damaged, Err(OpenError::Damaged { .. })), "{damaged:?}");
        let empty = opened_after(|db| {
            let transaction = db.begin_write().unwrap();
            transaction.delete_table(META).unwrap();
            transaction.commit().unwrap();
        });
        assert!(matches!(empty, Err(OpenError::NotAStore { .. })), "{empty:?}");
        let other: TableDefinition<'_, u64, u64> = TableDefinition::new("meta");
        let foreign = opened_after(|db| {
            let transaction = db.begin_write().unwrap();
            transaction.delete_table(META).unwrap();
            transaction.open_table(other).unwrap();
            transaction.commit().unwrap();
        });
        assert!(matches!(foreign, Err(OpenError::NotAStore { .. })), "{foreign:?}");
    }
}
