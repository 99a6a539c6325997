//! Every store passes the one suite; so does one that begins its next generation between calls.

mod rotating;

use std::sync::Arc;

use lienthong_outbox::contract::samples::clock;
use lienthong_outbox::{Engine, FileStore, MemoryStore, store_contract};
use lienthong_pipeline::ports::OutboxStore;
use tempfile::TempDir;

mod memory {
    use super::*;

    fn open() -> ((), Arc<dyn OutboxStore>) {
        ((), Arc::new(MemoryStore::new(clock())))
    }

    store_contract!(open);
}

fn files(engine: Engine) -> (TempDir, Arc<dyn OutboxStore>) {
    let dir = tempfile::tempdir().expect("a folder");
    let store = FileStore::open(&dir.path().join("outbox"), engine, clock()).expect("opened");
    (dir, Arc::new(store))
}

mod sled {
    use super::*;

    fn open() -> (TempDir, Arc<dyn OutboxStore>) {
        files(Engine::Sled)
    }

    store_contract!(open);
}

mod redb {
    use super::*;

    fn open() -> (TempDir, Arc<dyn OutboxStore>) {
        files(Engine::Redb)
    }

    store_contract!(open);
}

mod rotating_sled {
    use super::*;

    fn open() -> (TempDir, Arc<dyn OutboxStore>) {
        rotating::files(Engine::Sled)
    }

    store_contract!(open);
}

mod rotating_redb {
    use super::*;

    fn open() -> (TempDir, Arc<dyn OutboxStore>) {
        rotating::files(Engine::Redb)
    }

    store_contract!(open);
}
