//! What goes wrong below the store, in one type: damage, an error of the engine, a panic of the engine.
//!
//! redb reports most failures as errors, but a device that lies about syncs, or a page that was changed behind its
//! back, can make it panic. Every call into it goes through [`contain`], so that such a file harms its own rooms
//! and not the host.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use party_core::large::NoMemory;
use party_core::storage::StorageReadError;
use thiserror::Error;

use crate::redb_store::blocks::SharedDamage;
use crate::redb_store::layout::Damage;

/// Why something below the store failed.
#[derive(Debug, Error)]
pub(crate) enum Trouble {
    /// A row is not what was written.
    #[error("{0}")]
    Damage(#[from] Damage),
    /// The engine says so. Boxed: it is much larger than what a call usually returns.
    #[error("{0}")]
    Engine(Box<redb::Error>),
    /// The engine panicked.
    #[error("the storage engine panicked: {0}")]
    Panic(String),
    /// There is no memory for what is to be read.
    #[error(transparent)]
    NoMemory(#[from] NoMemory),
}

impl Trouble {
    /// Damage that the layer below redb has found passes through redb as an I/O error.
    fn from_engine(error: redb::Error) -> Trouble {
        if let redb::Error::Io(error) = &error
            && let Some(damage) = error.get_ref().and_then(|cause| cause.downcast_ref::<SharedDamage>())
        {
            return Damage(damage.to_string()).into();
        }
        Trouble::Engine(Box::new(error))
    }

    /// Whether the engine has to be opened anew before it works again, and may work then.
    pub(crate) fn needs_reopening(&self) -> bool {
        match self {
            Trouble::Damage(_) | Trouble::Panic(_) | Trouble::NoMemory(_) => false,
            Trouble::Engine(error) => match **error {
                redb::Error::Io(_)
                | redb::Error::PreviousIo
                | redb::Error::DatabaseClosed
                | redb::Error::LockPoisoned(_) => true,
                // redb may add errors; all that it has now, except those above, stay after a reopening.
                _ => false,
            },
        }
    }

    /// What a reader is told.
    pub(crate) fn into_read_error(self) -> StorageReadError {
        match self {
            Trouble::Damage(damage) => StorageReadError::Damaged(damage.0),
            Trouble::Panic(_) => StorageReadError::Damaged(self.to_string()),
            Trouble::NoMemory(refused) => refused.into(),
            Trouble::Engine(error) => match *error {
                redb::Error::Corrupted(cause) => StorageReadError::Damaged(cause),
                error => StorageReadError::Io(error.to_string()),
            },
        }
    }
}

macro_rules! from_engine {
    ($($error:ident),*) => {
        $(impl From<redb::$error> for Trouble {
            fn from(error: redb::$error) -> Trouble {
                Trouble::from_engine(error.into())
            }
        })*
    };
}

from_engine!(StorageError, TableError, TransactionError, CommitError, DatabaseError);

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        Trouble::from_engine(redb::Error::Io(error))
    }
}

/// Calls into the engine; a panic comes back as an error. What the call was changing must be thrown away then.
pub(crate) fn contain<T, E: Into<Trouble>>(call: impl FnOnce() -> Result<T, E>) -> Result<T, Trouble> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(Into::into),
        Err(panic) => Err(Trouble::Panic(message_of(&*panic))),
    }
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}
