//! The data folder as it may be found at start-up; losing the store loses nothing (design.md B2).

use std::fs;
use std::path::Path;

use bytes::Bytes;
use lienthong_outbox::contract::samples::*;
use lienthong_outbox::{
    Engine, FileSpool, FileStore, FormatFault, OpenFault, Opened, Rebuilt, StoreFault, open_or_rebuild,
};
use lienthong_pipeline::ports::{Admitted, HandOff, Listing, OutboxStore, Spool, Transition};
use lienthong_pipeline::record::{Admission, Delivery, State};
use tempfile::TempDir;

lienthong_outbox::over_both_engines! {
    #[tokio::test] a_new_folder_is_fresh_and_then_existing;
    #[tokio::test] a_document_that_changes_another_is_no_damage;
    #[tokio::test] a_newer_format_is_refused_before_anything_is_touched;
    #[tokio::test] a_store_in_use_is_not_moved_aside;
    #[tokio::test] a_store_of_the_other_engine_is_refused_and_stays;
    #[tokio::test] losing_the_store_loses_nothing;
    #[tokio::test] losing_the_store_loses_no_report;
    #[tokio::test] losing_the_store_opens_no_closed_dead_letter;
    #[tokio::test] a_folder_of_the_first_format_is_taken_over;
    #[tokio::test] what_the_broker_still_has_of_a_lost_store_is_known;
    #[tokio::test] a_damaged_store_is_moved_aside_and_built_anew;
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)] a_flipped_byte_anywhere_loses_no_document;
    #[tokio::test] torn_files_are_left_out_and_counted;
    #[tokio::test] a_rebuild_that_was_cut_off_begins_anew_at_the_next_start;
    #[tokio::test] an_empty_damaged_store_is_moved_aside_too;
}

fn opened(dir: &TempDir, engine: Engine) -> (FileStore, FileSpool, Opened) {
    open_or_rebuild(dir.path(), engine, clock()).expect("opened")
}

async fn admit(store: &FileStore, spool: &FileSpool, admission: &Admission, n: u64) {
    let mut writer = spool.receive().await.expect("a file");
    writer.write(Bytes::from(packet(n))).await.expect("written");
    spool.admit(writer.finish().await.expect("whole"), admission).await.expect("admitted");
    assert_eq!(store.admit(admission).await.expect("admitted"), Admitted::Inserted);
}

fn rebuilt(opened: Opened) -> Rebuilt {
    let rebuilt = match opened {
        Opened::Rebuilt(rebuilt) => Some(rebuilt),
        Opened::Fresh | Opened::Existing => None,
    };
    rebuilt.expect("built anew")
}

fn entries(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("a folder");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

async fn a_new_folder_is_fresh_and_then_existing(engine: Engine) {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, spool, first) = opened(&dir, engine);
    assert_eq!(first, Opened::Fresh);
    assert_eq!(entries(dir.path()), ["FORMAT", "admissions", "blobs", "incoming", "outbox"]);
    admit(&store, &spool, &admission(1, &["H02"]), 1).await;
    drop(store);
    let (store, _, second) = opened(&dir, engine);
    assert_eq!(second, Opened::Existing);
    assert!(store.delivery(delivery_id(1, "H02")).await.expect("read").is_some());
}

/// It is found by the name of the one that it changes, too.
async fn a_document_that_changes_another_is_no_damage(engine: Engine) {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, spool, _) = opened(&dir, engine);
    let mut document = admission(1, &["H02"]);
    document.keys.changes = Some([9; 16]);
    admit(&store, &spool, &document, 1).await;
    drop((store, spool));
    let (store, _, found) = opened(&dir, engine);
    assert_eq!(found, Opened::Existing);
    assert_eq!(store.known([9; 16]).await.expect("read").len(), 1);
}

async fn a_newer_format_is_refused_before_anything_is_touched(engine: Engine) {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("FORMAT"), "lienthong 4\n").expect("written");
    let fault = open_or_rebuild(dir.path(), engine, clock()).err().expect("refused");
    assert!(matches!(fault, OpenFault::Format(FormatFault::Newer { found: 4 })), "{fault}");
    assert_eq!(entries(dir.path()), ["FORMAT"]);
}

async fn a_store_in_use_is_not_moved_aside(engine: Engine) {
    let dir = tempfile::tempdir().expect("a folder");
    let _first = opened(&dir, engine);
    let fault = open_or_rebuild(dir.path(), engine, clock()).err().expect("in use");
    assert!(matches!(fault, OpenFault::Store(StoreFault::Io { .. })), "{fault}");
    assert!(!dir.path().join("outbox.broken-1").exists());
}

async fn a_store_of_the_other_engine_is_refused_and_stays(engine: Engine) {
    let dir = tempfile::tempdir().expect("a folder");
    five_documents(&dir, engine).await;
    for other in Engine::ALL.into_iter().filter(|other| *other != engine) {
        let fault = open_or_rebuild(dir.path(), other, clock()).err().expect("refused");
        assert!(matches!(fault, OpenFault::Store(StoreFault::OtherEngine { .. })), "{fault}");
    }
    let (_, _, found) = opened(&dir, engine);
    assert_eq!(found, Opened::Existing);
}

/// Five documents: one received, one parked, one requeued after it was given up, one on its way, one on paper.
async fn five_documents(dir: &TempDir, engine: Engine) {
    let (store, spool, _) = opened(dir, engine);
    // Admitted in another order than accepted, as the folder will list them in yet another one.
    for n in [5, 3, 1, 2, 4] {
        let mut document = admission(n, &["H02", "H03"]);
        document.idempotency = Some(idempotency(&n.to_string()));
        document.keys.status = Some([n as u8; 16]);
        document.deliveries[1].state = if n == 5 { State::Paper } else { State::Queued };
        admit(&store, &spool, &document, n).await;
    }
    let settle = async |n, state| {
        let id = delivery_id(n, "H02");
        change(&store, id, settled(state)).await;
        spool.settled(document_id(n), id, state, NOW).await.expect("noted");
    };
    settle(1, State::Received).await;
    settle(2, State::Parked).await;
    settle(3, State::GivenUp).await;
    change(&store, delivery_id(3, "H02"), requeued()).await;
    spool.settled(document_id(3), delivery_id(3, "H02"), State::Queued, NOW).await.expect("noted");
    let published = Transition::Published { generation: 1 };
    change(&store, delivery_id(4, "H02"), published).await;
    store.hand_off(delivery(4, "H02")).await.expect("handed off");
}

async fn five_documents_are_back(store: &FileStore) {
    let state =
        async |n, receiver| store.delivery(delivery_id(n, receiver)).await.expect("read").expect("there");
    let wanted = [State::Received, State::Parked, State::Queued, State::Queued, State::Queued];
    for (n, wanted) in (1..).zip(wanted) {
        let found = state(n, "H02").await;
        assert_eq!((found.state, found.handed_off, found.published), (wanted, false, 0), "{n}");
        // The broker has seen lower generations, and would drop them as repeats.
        assert!(wanted == State::Received || found.generation > 2, "{found:?}");
        assert_eq!(words(store, found.id).await, ["accepted", "rebuilt"]);
        let key = store.idempotent(&idempotency(&n.to_string()), NOW).await.expect("read");
        assert_eq!(key.map(|(document, _)| document), Some(document_id(n)));
        assert_eq!(store.status_seen([n as u8; 16]).await.expect("read"), Some(document_id(n)));
        let name = admission(n, &[]).keys.name.expect("a name");
        assert_eq!(store.known(name).await.expect("read").len(), 1);
        assert_eq!(store.admit(&admission(n, &["H02"])).await.expect("admitted"), Admitted::Existing);
    }
    assert_eq!(state(5, "H03").await.state, State::Paper);
    assert_eq!(words(store, delivery_id(5, "H03")).await, ["accepted"]);
    let unpublished = ids(&store.unpublished(99).await.expect("read"));
    let wanted = [(1, "H03"), (2, "H03"), (3, "H02"), (3, "H03"), (4, "H02"), (4, "H03"), (5, "H02")];
    assert_eq!(
        unpublished,
        wanted.map(|(n, receiver)| delivery_id(n, receiver)),
        "in the order of acceptance"
    );
    let stats = store.stats().await.expect("read");
    assert_eq!((stats.pending, stats.unpublished, stats.oldest_pending), (8, 7, Some(later(1))));
}

async fn losing_the_store_loses_nothing(engine: Engine) {
    let dir = tempfile::tempdir().expect("a folder");
    five_documents(&dir, engine).await;
    fs::remove_dir_all(dir.path().join("outbox")).expect("lost");
    let (store, _, found) = opened(&dir, engine);
    assert_eq!(rebuilt(found), Rebuilt { documents: 5, unsettled: 8, damaged: 0, moved_to: None });
    five_documents_are_back(&store).await;
    drop(store);
    let (store, _, found) = opened(&dir, engine);
    assert_eq!(found, Opened::Existing);
    five_documents_are_back(&store).await;
}

/// The sender hears of every outcome although the store was lost: under the same time, and once.
async fn losing_the_store_loses_no_report(engine: Engine) {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, spool, _) = opened(&dir, engine);
    let ends = [State::Received, State::GivenUp, State::Refused, State::Received, State::Received];
    for (n, state) in (1..).zip(ends) {
        let mut document = admission(n, &["H02"]);
        document.deliveries[0].reportable = n != 4;
        admit(&store, &spool, &document, n).await;
        let id = delivery_id(n, "H02");
        let at = later(100 + n as i64);
        store.transition(id, at, settled(state)).await.expect("written").expect("fits");
        spool.settled(document_id(n), id, state, at).await.expect("noted");
    }
    let told = delivery_id(5, "H02");
    change(&store, told, Transition::Reported).await;
    spool.reported(document_id(5), told).await.expect("noted");
    let pending = async |store: &FileStore| {
        let pending = store.pending_reports(9).await.expect("read");
        pending.iter().map(|report| (report.delivery.id, report.at)).collect::<Vec<_>>()
    };
    let wanted = [(delivery_id(1, "H02"), later(101)), (delivery_id(2, "H02"), later(102))];
    assert_eq!(pending(&store).await, wanted);
    drop((store, spool));
    fs::remove_dir_all(dir.path().join("outbox")).expect("lost");
    let (store, spool, _) = opened(&dir, engine);
    assert_eq!(pending(&store).await, wanted);
    for (id, _) in wanted {
        change(&store, id, Transition::Reported).await;
    }
    assert_eq!(pending(&store).await, []);
    drop((store, spool));
    assert_eq!(pending(&opened(&dir, engine).0).await, []);
}

/// What the operator has dealt with is not listed again although the store was lost; what was requeued since is open.
async fn losing_the_store_opens_no_closed_dead_letter(engine: Engine) {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, spool, _) = opened(&dir, engine);
    for n in 1..=4 {
        admit(&store, &spool, &admission(n, &["H02"]), n).await;
        let (document, id) = (document_id(n), delivery_id(n, "H02"));
        change(&store, id, settled(State::Refused)).await;
        spool.settled(document, id, State::Refused, later(9)).await.expect("noted");
        if n == 1 {
            continue;
        }
        change(&store, id, Transition::Closed { note: String::new() }).await;
        spool.closed(document, id).await.expect("noted");
        if n >= 3 {
            change(&store, id, requeued()).await;
            spool.settled(document, id, State::Queued, later(10)).await.expect("noted");
        }
        if n == 4 {
            change(&store, id, settled(State::GivenUp)).await;
            spool.settled(document, id, State::GivenUp, later(11)).await.expect("noted");
        }
    }
    let listed =
        async |store: &FileStore| ids(&store.list(Listing::DeadLetters, None, 9).await.expect("read"));
    let wanted = [1, 4].map(|n| delivery_id(n, "H02"));
    assert_eq!(listed(&store).await, wanted);
    drop((store, spool));
    fs::remove_dir_all(dir.path().join("outbox")).expect("lost");
    let (store, spool, _) = opened(&dir, engine);
    assert_eq!(listed(&store).await, wanted);
    assert!(store.delivery(delivery_id(2, "H02")).await.expect("read").expect("there").closed);
    assert!(store.check(&spool, true).await.expect("checked").is_clean());
}

async fn a_folder_of_the_first_format_is_taken_over(engine: Engine) {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, spool, _) = opened(&dir, engine);
    admit(&store, &spool, &admission(1, &["H02"]), 1).await;
    drop((store, spool));
    fs::write(dir.path().join("FORMAT"), "lienthong 1\n").expect("written");
    let (store, _, found) = opened(&dir, engine);
    assert_eq!(found, Opened::Existing);
    assert!(store.delivery(delivery_id(1, "H02")).await.expect("read").is_some());
    assert_eq!(fs::read(dir.path().join("FORMAT")).expect("read"), b"lienthong 3\n");
}

async fn what_the_broker_still_has_of_a_lost_store_is_known(engine: Engine) {
    let dir = tempfile::tempdir().expect("a folder");
    five_documents(&dir, engine).await;
    fs::remove_dir_all(dir.path().join("outbox")).expect("lost");
    let (store, _, _) = opened(&dir, engine);
    let old = Delivery { generation: 1, ..delivery(4, "H02") };
    assert_eq!(store.hand_off(old).await.expect("written"), HandOff::Known);
    let received = Delivery { generation: 1, ..delivery(1, "H02") };
    assert_eq!(store.hand_off(received).await.expect("written"), HandOff::Settled);
    let anew = store.delivery(delivery_id(4, "H02")).await.expect("read").expect("there");
    assert_eq!(store.hand_off(anew).await.expect("written"), HandOff::Taken);
    // No event of the rebuilt store has the id of another event of the lost one.
    for (_, event) in store.unsent_events(99).await.expect("read") {
        let (_, count) = event.id.rsplit_once(':').expect("counted");
        let count: u64 = count.parse().expect("a number");
        assert!(event.entry.event == "accepted" && count == 1 || count > 1_000_000, "{event:?}");
    }
}

async fn a_damaged_store_is_moved_aside_and_built_anew(engine: Engine) {
    let dir = tempfile::tempdir().expect("a folder");
    five_documents(&dir, engine).await;
    let db = dir.path().join("outbox/1").join(engine.file());
    let damages: [&dyn Fn(); 3] = [
        &|| fs::write(&db, b"no store at all").expect("overwritten"),
        &|| {
            // Every page of the log.
            let mut bytes = fs::read(&db).expect("read");
            bytes.iter_mut().for_each(|byte| *byte ^= 0x5a);
            fs::write(&db, bytes).expect("overwritten");
        },
        &|| match engine {
            Engine::Sled => {
                fs::write(dir.path().join("outbox/1/conf"), b"segment_size: -1").expect("written")
            }
            Engine::Redb => {
                fs::File::options().write(true).open(&db).and_then(|f| f.set_len(9)).expect("cut")
            }
        },
    ];
    for damage in damages {
        damage();
        let (store, _, found) = opened(&dir, engine);
        let rebuilt = rebuilt(found);
        assert_eq!((rebuilt.documents, rebuilt.unsettled, rebuilt.damaged), (5, 8, 0));
        five_documents_are_back(&store).await;
    }
    let aside = entries(dir.path()).into_iter().filter(|name| name.starts_with("outbox.broken-"));
    let aside: Vec<_> = aside.collect();
    assert!(aside.contains(&"outbox.broken-1".to_owned()), "{aside:?}");
}

/// The store as a kill leaves it, with one byte flipped at some place: whatever sled makes of it (it may open, say that
/// it is corrupt, panic, or forget the end of its log), every document is there at the next start but one at the latest.
async fn a_flipped_byte_anywhere_loses_no_document(engine: Engine) {
    const DOCUMENTS: u64 = 150;
    const PLACES: u64 = 24;
    let dir = tempfile::tempdir().expect("a folder");
    let (store, spool, _) = opened(&dir, engine);
    for n in 0..DOCUMENTS {
        admit(&store, &spool, &admission(n, &["H02", "H03"]), n).await;
    }
    let killed = dir.path().join("killed");
    copy(&dir.path().join("outbox/1"), &killed);
    drop(store);
    let length = fs::metadata(killed.join(engine.file())).expect("there").len();
    let mut seen = std::collections::BTreeMap::new();
    for place in 0..PLACES {
        fs::remove_dir_all(dir.path().join("outbox")).expect("removed");
        fs::create_dir(dir.path().join("outbox")).expect("made");
        copy(&killed, &dir.path().join("outbox/1"));
        let mut bytes = fs::read(killed.join(engine.file())).expect("read");
        bytes[(length * place / PLACES) as usize + 99] ^= 1;
        fs::write(dir.path().join("outbox/1").join(engine.file()), bytes).expect("flipped");
        let (store, spool, found) = opened(&dir, engine);
        let kind = match found {
            Opened::Rebuilt(Rebuilt { moved_to: Some(_), .. }) => "moved aside",
            Opened::Rebuilt(_) => "documents missing",
            _ => "as it was",
        };
        *seen.entry(kind).or_insert(0) += 1;
        if all_there(&store, DOCUMENTS).await.is_err() {
            *seen.entry("met later").or_insert(0) += 1;
            drop((store, spool));
            all_there(&opened(&dir, engine).0, DOCUMENTS).await.expect("built anew");
        }
    }
    assert!(seen.len() > 1, "no flipped byte was met: {seen:?}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("made");
    for name in entries(from) {
        if from.join(&name).is_file() {
            fs::copy(from.join(&name), to.join(&name)).expect("copied");
        }
    }
}

async fn all_there(store: &FileStore, documents: u64) -> Result<(), lienthong_pipeline::ports::Fault> {
    for n in 0..documents {
        assert_eq!(store.deliveries_of(document_id(n)).await?.len(), 2, "{n}");
        assert!(store.delivery(delivery_id(n, "H03")).await?.is_some(), "{n}");
    }
    Ok(())
}

async fn torn_files_are_left_out_and_counted(engine: Engine) {
    let dir = tempfile::tempdir().expect("a folder");
    five_documents(&dir, engine).await;
    let admissions = dir.path().join("admissions");
    let torn = admissions.join(document_id(5).to_string());
    let bytes = fs::read(&torn).expect("read");
    fs::write(&torn, &bytes[..bytes.len() / 2]).expect("torn");
    let line = admissions.join(format!("{}.settled", document_id(1)));
    let bytes = fs::read(&line).expect("read");
    fs::write(&line, &bytes[..bytes.len() - 2]).expect("torn");
    fs::write(admissions.join("notes.txt"), "foreign").expect("written");
    fs::remove_dir_all(dir.path().join("outbox")).expect("lost");
    let (store, _, found) = opened(&dir, engine);
    assert_eq!(rebuilt(found), Rebuilt { documents: 4, unsettled: 8, damaged: 3, moved_to: None });
    // Its end was not told durably, so it is tried once more, with the same id.
    let again = store.delivery(delivery_id(1, "H02")).await.expect("read").expect("there");
    assert_eq!(again.state, State::Queued);
    assert_eq!(store.delivery(delivery_id(5, "H02")).await.expect("read"), None);
}

async fn a_rebuild_that_was_cut_off_begins_anew_at_the_next_start(engine: Engine) {
    let dir = tempfile::tempdir().expect("a folder");
    five_documents(&dir, engine).await;
    fs::remove_dir_all(dir.path().join("outbox")).expect("lost");
    let half = FileStore::open(&dir.path().join("outbox"), engine, clock()).expect("opened");
    let spool = FileSpool::open(dir.path()).expect("opened");
    let first = spool.admission(document_id(4)).await.expect("read").expect("there");
    half.admit(&first).await.expect("admitted");
    drop(half);
    let (store, _, found) = opened(&dir, engine);
    assert_eq!(rebuilt(found), Rebuilt { documents: 5, unsettled: 8, damaged: 0, moved_to: None });
    let queued = store.delivery(delivery_id(4, "H02")).await.expect("read").expect("there");
    assert_eq!(queued.state, State::Queued);
    assert_eq!(store.unpublished(99).await.expect("read").len(), 7);
}

async fn an_empty_damaged_store_is_moved_aside_too(engine: Engine) {
    let dir = tempfile::tempdir().expect("a folder");
    drop(opened(&dir, engine));
    spoil(&dir.path().join("outbox/1"), engine);
    let (_, _, found) = opened(&dir, engine);
    let aside = dir.path().join("outbox.broken-1");
    assert!(aside.join(engine.file()).exists());
    assert_eq!(rebuilt(found), Rebuilt { moved_to: Some(aside), ..Rebuilt::default() });
}
