//! Memory does not grow with a packet, whatever is in it: attachments of a gibibyte and every bomb are read with an
//! allocator that counts. A binary of its own, with one test: nothing else allocates meanwhile.

#[allow(dead_code, reason = "shared with other test programs and the benchmark, each of which needs a part")]
mod made;

use std::alloc::System;
use std::io::{self, BufRead, BufReader, Cursor, Read, Write};
use std::sync::Arc;
use std::thread;

use lienthong_schemas::edxml::{DocumentBuilder, EdxmlLimits, Envelope, PacketFault, read_envelope};
use peakmem_alloc::{INSTRUMENTED_SYSTEM, PeakMemAlloc, PeakMemAllocTrait as _};

use self::made::bombs::{ARCHIVE_BOMBS, BOMBS};
use self::made::crowds::CROWDS;
use self::made::zip::ZipWriter;

#[global_allocator]
static ALLOCATOR: &PeakMemAlloc<System> = &INSTRUMENTED_SYSTEM;

const GIBIBYTE: u64 = 1 << 30;
/// Most that may be allocated at once for a packet, what writes it included.
const HEAP_BYTES_MAX: usize = 4 << 20;
/// Most that may be allocated at once for a bomb: all texts of a packet may have 8 MiB together.
const BOMB_BYTES_MAX: usize = 16 << 20;

/// Most that may be allocated at once for a packet that is full of what is odd: its texts, and what is said of them.
const CROWD_BYTES_MAX: usize = 24 << 20;

/// The same piece again and again.
#[derive(Clone)]
struct Cycle {
    piece: Arc<[u8]>,
    at: usize,
}

impl Read for Cycle {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = (&self.piece[self.at..]).read(out)?;
        self.at = (self.at + count) % self.piece.len();
        Ok(count)
    }
}

fn content(length: u64) -> io::Take<Cycle> {
    let piece = (0..60_000_u32).map(|n| (n * n % 251) as u8).collect();
    Cycle { piece, at: 0 }.take(length)
}

/// Reads a packet that another thread writes at the same time.
fn read_streamed(write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static) -> Envelope {
    let (received, mut sent) = io::pipe().expect("a pipe");
    let writing = thread::spawn(move || write(&mut sent));
    let mut received = Some(received);
    let mut open = || -> io::Result<Box<dyn BufRead>> {
        let once = received.take().ok_or_else(|| io::Error::other("a packet of ours is read once"))?;
        Ok(Box::new(BufReader::with_capacity(64 << 10, once)))
    };
    let (envelope, _) = read_envelope(&mut open, &EdxmlLimits::default()).expect("a packet");
    writing.join().expect("the writer ends").expect("the writer writes");
    envelope
}

fn letter() -> DocumentBuilder {
    DocumentBuilder::new("H55.15", &["H55.16"])
}

/// A letter with an attachment that is zipped while the packet is written.
fn write_zipped(length: u64, out: &mut dyn Write) -> io::Result<()> {
    let (zipped, mut sent) = io::pipe()?;
    let zipping = thread::spawn(move || {
        let mut zip = ZipWriter::new(&mut sent);
        zip.deflated("a.bin", &mut content(length))?;
        zip.finish().map(drop)
    });
    letter().attach("a.bin", "application/zip", zipped).write_to(out)?;
    zipping.join().expect("the writer ends")
}

/// What is allocated at once for `read`, beyond what was there before.
fn heap_bytes(read: impl FnOnce()) -> usize {
    ALLOCATOR.reset_peak_memory();
    read();
    ALLOCATOR.get_peak_memory()
}

/// What is allocated at once to accept or refuse a packet, itself left out.
fn heap_bytes_of(packet: Vec<u8>, accepted: bool, name: &str) -> usize {
    heap_bytes(|| {
        let mut packet = Some(Cursor::new(packet));
        let mut open = || -> io::Result<Box<dyn BufRead>> {
            Ok(Box::new(packet.take().ok_or_else(|| io::Error::other("read once"))?))
        };
        let fault = read_envelope(&mut open, &EdxmlLimits::default()).err();
        assert!(!matches!(fault, Some(PacketFault::Io(_))), "memory cannot fail: {fault:?}");
        assert_eq!(fault.is_none(), accepted, "{name}: {fault:?}");
    })
}

#[test]
fn no_packet_takes_memory_for_its_length() {
    let bare = heap_bytes(|| {
        let bytes = content(GIBIBYTE);
        let envelope = read_streamed(|out| letter().attach("a.bin", "", bytes).write_to(out));
        assert_eq!(envelope.claimed_content().attachments[0].packed.bytes, GIBIBYTE);
    });
    let zipped = heap_bytes(|| {
        let envelope = read_streamed(|out| write_zipped(GIBIBYTE / 4, out));
        assert!(envelope.claimed_content().attachments[0].packed.bytes > GIBIBYTE / 1_000);
    });
    let many = heap_bytes(|| {
        let each = content(GIBIBYTE / 4_000);
        let again = move || each.get_ref().clone().take(each.limit());
        let attach = move |letter: DocumentBuilder, n| letter.attach(&format!("{n}.bin"), "", again());
        let envelope = read_streamed(|out| (0..1_000).fold(letter(), attach).write_to(out));
        assert_eq!(envelope.claimed_content().attachments.len(), 1_000);
    });
    for (name, heap) in [("bare", bare), ("zipped", zipped), ("many", many)] {
        println!("{name}: {heap} bytes allocated at once");
        assert!(heap > 0, "the allocator counts");
        assert!(heap <= HEAP_BYTES_MAX, "{name}: {heap} bytes");
    }
    for bomb in BOMBS.iter().chain(ARCHIVE_BOMBS) {
        let heap = heap_bytes_of((bomb.make)(), false, bomb.name);
        println!("{}: {heap} bytes allocated at once", bomb.name);
        assert!(heap <= BOMB_BYTES_MAX, "{}: {heap} bytes", bomb.name);
    }
    for crowd in CROWDS {
        let heap = heap_bytes_of((crowd.make)(), true, crowd.name);
        println!("{}: {heap} bytes allocated at once", crowd.name);
        assert!(heap <= CROWD_BYTES_MAX, "{}: {heap} bytes", crowd.name);
    }
}
