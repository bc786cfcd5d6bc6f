//! The memory engine against the conformance suite, and its images.

use std::sync::Arc;

use party_store::memory::MemoryStore;
use party_store::store::Store;
use party_store::testing::conformance::{Rig, putting};
use party_store::testing::workload::room;

/// "Durable" is what the image holds, so a restart goes through one.
struct MemoryRig {
    store: MemoryStore,
}

impl Rig for MemoryRig {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.store.clone())
    }

    fn restart(&mut self) {
        self.store = MemoryStore::from_image(self.store.image());
    }
}

party_store::store_conformance!(MemoryRig { store: MemoryStore::default() });

#[test]
fn a_crash_goes_back_to_the_image() {
    let store = MemoryStore::default();
    let epoch = store.acquire().unwrap();
    let a = room("a");
    store.commit(epoch, &[putting(&a, 1, &[(b"k", b"before")])]).unwrap();
    let image = store.image();
    store.commit(epoch, &[putting(&a, 2, &[(b"k", b"after")])]).unwrap();
    let storage = store.storage(&a);
    assert_eq!(storage.get(b"k").unwrap().unwrap(), "after");
    store.restore(image.clone());
    assert_eq!(storage.get(b"k").unwrap().unwrap(), "before");
    assert_eq!(store.image(), image);
}
