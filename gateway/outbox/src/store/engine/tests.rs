//! The contract of `Backend`: each line of its documentation, for both engines, against a plain sorted map.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Bound::{self, Excluded, Included, Unbounded};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};

use ::redb::StorageBackend;
use ::redb::backends::FileBackend;

use super::*;
use crate::contract::samples::spoil;

/// The engine in a folder where it has been, on a disk that cannot be synced any more.
pub(in crate::store) fn unsynced(engine: Engine, folder: &Path) -> Box<dyn Backend> {
    match engine {
        Engine::Sled => {
            // A socket cannot be synced: fdatasync says EINVAL.
            let (socket, _other) = UnixStream::pair().expect("a pair");
            Box::new(SledBackend::syncing(folder, File::from(OwnedFd::from(socket))).expect("opened"))
        }
        Engine::Redb => {
            let file = File::options().read(true).write(true).open(file_in(folder, engine)).expect("opened");
            let fails = Arc::new(AtomicBool::new(false));
            let file = Unsynced { file: FileBackend::new(file).expect("a file"), fails: fails.clone() };
            let db = ::redb::Builder::new().create_with_backend(file).expect("opened");
            fails.store(true, Ordering::SeqCst);
            Box::new(RedbBackend::over(db).expect("opened"))
        }
    }
}

/// A file that cannot be synced from some time on.
#[derive(Debug)]
struct Unsynced {
    file: FileBackend,
    fails: Arc<AtomicBool>,
}

impl StorageBackend for Unsynced {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        match self.fails.load(Ordering::SeqCst) {
            true => Err(io::Error::other("the disk does not sync")),
            false => self.file.sync_data(),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write(offset, data)
    }
}

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn opened(engine: Engine, folder: &Path) -> Box<dyn Backend> {
    engine.open(folder, 1 << 20).expect("opened")
}

fn batch(changes: &[(&str, Option<&str>)]) -> Batch {
    let mut batch = Batch::default();
    for (key, value) in changes {
        match value {
            Some(value) => batch.insert(key.as_bytes().to_vec(), value.as_bytes().to_vec()),
            None => batch.remove(key.as_bytes().to_vec()),
        }
    }
    batch
}

fn plain(entries: Entries<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
    entries.map(|entry| entry.map(|(key, value)| (key.to_vec(), value.to_vec())).expect("read")).collect()
}

/// Every look at the tree shows what the model has.
fn agrees(reader: &dyn Reader, model: &Model) {
    let tree = reader.tree().expect("read");
    let keys: [&[u8]; 7] = [b"", b"a", b"b", b"b|", b"b|1", b"c\xff", b"\xff\xff"];
    for key in keys.into_iter().chain(model.keys().map(Vec::as_slice)) {
        assert_eq!(tree.get(key).expect("read").map(|value| value.to_vec()).as_ref(), model.get(key));
    }
    let places = |key| [Included(key), Excluded(key), Unbounded];
    let starts: Vec<Bound<&[u8]>> = keys.into_iter().flat_map(places).collect();
    for bounds in starts.iter().flat_map(|start| starts.iter().map(|end| (*start, *end))) {
        let mut wanted: Vec<_> = match is_empty(bounds) {
            true => Vec::new(),
            false => {
                model.range::<[u8], _>(bounds).map(|(key, value)| (key.clone(), value.clone())).collect()
            }
        };
        assert_eq!(plain(tree.range(bounds)), wanted, "{bounds:?}");
        wanted.reverse();
        assert_eq!(plain(tree.range_back(bounds)), wanted, "{bounds:?}");
    }
}

const BATCHES: [&[(&str, Option<&str>)]; 4] = [
    &[("a", Some("1")), ("b|1", Some("")), ("b|2", Some("two")), ("c", Some("3"))],
    &[("b|1", None), ("b|2", Some("again")), ("b", Some("new")), ("nothing", None)],
    &[("b", None), ("d", Some("4")), ("b|1", Some("back"))],
    &[("a", None), ("c", None)],
];

fn apply(model: &mut Model, changes: &[(&str, Option<&str>)]) {
    for (key, value) in changes {
        match value {
            Some(value) => model.insert(key.as_bytes().to_vec(), value.as_bytes().to_vec()),
            None => model.remove(key.as_bytes()),
        };
    }
}

#[test]
fn the_writer_sees_what_it_applied_and_all_see_what_is_on_disk() {
    for engine in Engine::ALL {
        let dir = tempfile::tempdir().expect("a folder");
        let mut backend = opened(engine, dir.path());
        let reader = backend.reader();
        let (mut model, mut on_disk) = (Model::new(), Model::new());
        agrees(&*backend, &model);
        for (n, changes) in BATCHES.into_iter().enumerate() {
            backend.apply(batch(changes)).expect("applied");
            apply(&mut model, changes);
            agrees(&*backend, &model);
            agrees(&*reader, &on_disk);
            if n % 2 == 1 {
                backend.barrier().expect("on disk");
                on_disk.clone_from(&model);
                agrees(&*reader, &model);
            }
        }
        drop((backend, reader));
        agrees(&*opened(engine, dir.path()), &model);
        assert_eq!(Engine::found(dir.path()).expect("listed"), [engine]);
    }
}

#[test]
fn of_one_key_the_last_change_of_a_batch_counts() {
    for engine in Engine::ALL {
        let dir = tempfile::tempdir().expect("a folder");
        let mut backend = opened(engine, dir.path());
        backend
            .apply(batch(&[("a", Some("1")), ("a", None), ("b", None), ("b", Some("2"))]))
            .expect("applied");
        backend.barrier().expect("on disk");
        agrees(&*backend, &Model::from([(b"b".to_vec(), b"2".to_vec())]));
    }
}

#[test]
fn what_is_open_already_is_no_damage() {
    for engine in Engine::ALL {
        let dir = tempfile::tempdir().expect("a folder");
        let _first = opened(engine, dir.path());
        assert!(matches!(engine.open(dir.path(), 1 << 20).err(), Some(EngineFault::Io(_))), "{engine:?}");
    }
}

#[test]
fn sled_waits_for_a_lock_that_is_given_up_soon() {
    let dir = tempfile::tempdir().expect("a folder");
    drop(opened(Engine::Sled, dir.path()));
    let path = file_in(dir.path(), Engine::Sled);
    let holder = File::open(&path).expect("the file");
    holder.lock().expect("ours, once sled has given it up");
    let opens_of = |path: &Path| {
        let links = std::fs::read_dir("/proc/self/fd").expect("our files");
        links
            .filter_map(|link| std::fs::read_link(link.ok()?.path()).ok())
            .filter(|file| file == path)
            .count()
    };
    let path = path.canonicalize().expect("a path");
    std::thread::scope(|scope| {
        let opening = scope.spawn(|| Engine::Sled.open(dir.path(), 1 << 20).map(drop));
        while opens_of(&path) < 2 && !opening.is_finished() {
            std::thread::yield_now();
        }
        holder.unlock().expect("given up");
        opening.join().expect("no panic").expect("opened");
    });
}

#[test]
fn what_cannot_be_read_is_damage() {
    for engine in Engine::ALL {
        let dir = tempfile::tempdir().expect("a folder");
        drop(opened(engine, dir.path()));
        spoil(dir.path(), engine);
        let opened = std::panic::catch_unwind(|| engine.open(dir.path(), 1 << 20).err());
        assert!(!matches!(opened, Ok(None | Some(EngineFault::Io(_)))), "{engine:?}: {opened:?}");
    }
}

#[test]
fn the_end_of_a_prefix_is_the_next_one() {
    assert_eq!(after(b"a|"), Excluded(b"a}".to_vec()));
    assert_eq!(after(b"a\xff\xff"), Excluded(b"b".to_vec()));
    assert_eq!(after(b"\xff"), Unbounded);
    assert_eq!(after(b""), Unbounded);
}

#[test]
fn engines_are_named_as_the_settings_name_them() {
    for engine in Engine::ALL {
        assert_eq!(Engine::named(engine.as_str()), Some(engine));
    }
    assert_eq!(Engine::named("other"), None);
}
