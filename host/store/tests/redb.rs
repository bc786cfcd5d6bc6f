//! The redb engine against the conformance suite: in a data directory, and with quick repair on every commit.

use std::sync::Arc;

use party_store::redb_store::{RedbOptions, RedbStore};
use party_store::store::Store;
use party_store::testing::conformance::{Rig, putting};
use party_store::testing::workload::room;
use tempfile::TempDir;

struct RedbRig {
    directory: TempDir,
    options: RedbOptions,
    store: Option<Arc<RedbStore>>,
}

impl RedbRig {
    fn new(options: RedbOptions) -> RedbRig {
        let directory = TempDir::new().unwrap();
        let store = RedbStore::open(directory.path(), options).unwrap();
        RedbRig { directory, options, store: Some(Arc::new(store)) }
    }
}

impl Rig for RedbRig {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone().expect("it is open except during a restart")
    }

    fn restart(&mut self) {
        let closed = self.store.take().map(Arc::into_inner);
        assert!(closed.is_some_and(|store| store.is_some()), "nobody else keeps the store open");
        self.store = Some(Arc::new(RedbStore::open(self.directory.path(), self.options).unwrap()));
    }
}

mod by_default {
    use super::{RedbOptions, RedbRig};

    party_store::store_conformance!(RedbRig::new(RedbOptions::default()));
}

mod with_quick_repair_and_a_tiny_cache {
    use super::{RedbOptions, RedbRig};

    party_store::store_conformance!(RedbRig::new(RedbOptions {
        quick_repair_bytes_min: 0,
        cache_bytes: 64 << 10,
        ..RedbOptions::default()
    }));
}

/// Readers share one snapshot, which is replaced with each batch: none keeps old pages from being used again.
#[test]
fn overwriting_does_not_grow_the_file_while_somebody_reads() {
    const FILE_BYTES_MAX: u64 = 4 << 20;
    let directory = TempDir::new().unwrap();
    let store = RedbStore::open(directory.path(), RedbOptions::default()).unwrap();
    let epoch = store.acquire().unwrap();
    let a = room("a");
    let storage = store.storage(&a);
    for seq in 1..=500 {
        let value = vec![seq as u8; 20_000];
        store.commit(epoch, &[putting(&a, seq, &[(b"k", &value), (b"l", &value)])]).unwrap();
        assert_eq!(storage.get(b"k").unwrap().unwrap(), value);
    }
    assert!(store.file_bytes() < FILE_BYTES_MAX, "20 MB went through {} bytes", store.file_bytes());
}
