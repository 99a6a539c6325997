//! Both stores pass the one suite.

use std::sync::Arc;

use lienthong_outbox::contract::samples::clock;
use lienthong_outbox::{MemoryStore, SledStore, store_contract};
use lienthong_pipeline::ports::OutboxStore;
use tempfile::TempDir;

mod memory {
    use super::*;

    fn open() -> ((), Arc<dyn OutboxStore>) {
        ((), Arc::new(MemoryStore::new(clock())))
    }

    store_contract!(open);
}

mod sled {
    use super::*;

    fn open() -> (TempDir, Arc<dyn OutboxStore>) {
        let dir = tempfile::tempdir().expect("a folder");
        let store = SledStore::open(&dir.path().join("outbox"), clock()).expect("opened");
        (dir, Arc::new(store))
    }

    store_contract!(open);
}
