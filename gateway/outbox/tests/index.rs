//! Indexes of mailboxes: one suite, and what becomes of the files when something is wrong with them.

use std::path::Path;
use std::sync::Arc;

use lienthong_outbox::contract::{an_index_keeps_its_word, posted};
use lienthong_outbox::{Engine, FileIndex, MemoryIndex, over_both_engines};
use lienthong_pipeline::ports::MailboxIndex;
use lienthong_pipeline::record::{EventsPlace, SystemId, Waiting};

/// Batches after which all of it is on disk.
const SYNCED_AFTER: u64 = 64;

fn system() -> SystemId {
    SystemId::parse("hop").expect("an id")
}

fn place(sequence: u64) -> Option<EventsPlace> {
    Some(EventsPlace { stream: "one".to_owned(), sequence })
}

async fn count(index: &FileIndex) -> usize {
    index.count(&system(), Waiting::Documents, None, 1_000).await.expect("counted")
}

async fn filled(folder: &Path, engine: Engine) -> FileIndex {
    let index = FileIndex::below(folder, engine);
    for n in 1..=SYNCED_AFTER {
        index.take(index.life(), vec![posted(n, "hop", 1)], place(n)).await.expect("taken");
    }
    index
}

#[tokio::test]
async fn in_memory_it_keeps_its_word() {
    an_index_keeps_its_word(Arc::new(MemoryIndex::default())).await;
}

over_both_engines! {
    #[tokio::test] in_files_it_keeps_its_word;
    #[tokio::test] it_is_there_again_as_far_as_it_was_read;
    #[tokio::test] what_cannot_be_read_is_thrown_away;
    #[tokio::test] what_was_deleted_is_made_anew;
}

async fn in_files_it_keeps_its_word(engine: Engine) {
    let folder = tempfile::tempdir().expect("a folder");
    an_index_keeps_its_word(Arc::new(FileIndex::below(folder.path(), engine))).await;
}

async fn it_is_there_again_as_far_as_it_was_read(engine: Engine) {
    let folder = tempfile::tempdir().expect("a folder");
    let index = filled(folder.path(), engine).await;
    index.take(index.life(), vec![posted(99, "hop", 1)], place(99)).await.expect("taken");
    assert_eq!(count(&index).await, 65, "what is not on disk yet is seen");
    drop(index);
    let index = FileIndex::below(folder.path(), engine);
    assert_eq!(
        index.read_up_to().await.expect("read"),
        place(SYNCED_AFTER),
        "and with it goes how far it was read"
    );
    assert_eq!(count(&index).await, 64);
    index.take(index.life(), Vec::new(), place(5_000)).await.expect("taken");
    drop(index);
    let index = FileIndex::below(folder.path(), engine);
    assert_eq!(
        index.read_up_to().await.expect("read"),
        place(5_000),
        "so many silent messages are worth a sync"
    );
}

async fn what_cannot_be_read_is_thrown_away(engine: Engine) {
    let other = Engine::ALL.into_iter().find(|other| *other != engine).expect("two");
    let folder = tempfile::tempdir().expect("a folder");
    drop(filled(folder.path(), engine).await);
    let begun = FileIndex::below(folder.path(), other);
    assert_eq!((begun.read_up_to().await.expect("read"), count(&begun).await), (None, 0), "another engine's");
    drop(begun);
    drop(filled(folder.path(), other).await);
    let files = folder.path().join("mailboxes");
    lienthong_outbox::contract::samples::spoil(&files, other);
    let index = FileIndex::below(folder.path(), other);
    let life = index.life();
    assert_eq!((index.read_up_to().await.expect("read"), count(&index).await), (None, 0), "a damaged one");
    assert_ne!(index.life(), life, "and it says so");
    index.take(index.life(), vec![posted(1, "hop", 1)], place(1)).await.expect("taken");
    assert_eq!(count(&index).await, 1);
}

async fn what_was_deleted_is_made_anew(engine: Engine) {
    let folder = tempfile::tempdir().expect("a folder");
    drop(filled(folder.path(), engine).await);
    std::fs::remove_dir_all(folder.path().join("mailboxes")).expect("removed");
    let index = FileIndex::below(folder.path(), engine);
    assert_eq!((index.read_up_to().await.expect("read"), count(&index).await), (None, 0));
}
