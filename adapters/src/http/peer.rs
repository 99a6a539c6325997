//! A receiving system on a free loopback port, on the level of bytes: it shows what was sent and misbehaves as told.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What the peer does with each request.
#[derive(Clone)]
pub(crate) enum Conduct {
    /// Takes it whole, answers these bytes, closes.
    Answer(Vec<u8>),
    /// Answers these bytes (or nothing) after the head, takes none of the body until released, then all that still comes.
    AnswerEarly(Vec<u8>),
    /// Closes after this many bytes of the body.
    CutAfter(usize),
    /// Takes it whole, answers these bytes one by one, closes.
    Dribble(Vec<u8>),
    /// Takes it whole, answers these bytes (or nothing), and then is silent until the client goes.
    Hang(Vec<u8>),
    /// Takes it whole, answers these bytes and then blanks for as long as the client listens.
    Flood(Vec<u8>),
    /// Reads once, whatever comes, says these bytes, closes.
    Greet(Vec<u8>),
}

/// A request as it came: the head's bytes as text, and the body.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// The value of a header that stands exactly once.
    pub(crate) fn field(&self, name: &str) -> &str {
        let mut fields = self.fields().into_iter().filter(|(given, _)| given == name);
        let value = fields.next().unwrap_or_else(|| panic!("no {name} in {}", self.head)).1;
        assert!(fields.next().is_none(), "{name} stands twice");
        value
    }

    /// All headers, names in lower case, in order.
    pub(crate) fn fields(&self) -> Vec<(String, &str)> {
        let lines = self.head.split("\r\n").skip(1).filter(|line| !line.is_empty());
        lines
            .map(|line| line.split_once(": ").expect("name: value"))
            .map(|(n, v)| (n.to_lowercase(), v))
            .collect()
    }
}

pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Request>>>,
    held: Mutex<Held>,
}

/// The test's end of [`Conduct::AnswerEarly`].
struct Held {
    arrived: Receiver<()>,
    release: Sender<()>,
    drained: Receiver<u64>,
}

impl Peer {
    pub(crate) fn start(conduct: Conduct) -> Self {
        Self::serve(conduct, None)
    }

    pub(crate) fn start_tls(conduct: Conduct, tls: Arc<ServerConfig>) -> Self {
        Self::serve(conduct, Some(tls))
    }

    fn serve(conduct: Conduct, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("its address");
        let seen = Arc::default();
        let (arrival, arrived) = mpsc::channel();
        let (release, released) = mpsc::channel();
        let (report, drained) = mpsc::channel();
        let served = Served { conduct, seen: Arc::clone(&seen), arrival, released, report };
        // The thread ends with the test's process; it waits in accept until then.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that breaks off is a case under test, which looks at what was seen.
                served.one(stream, tls.clone()).ok();
            }
        });
        Self { address, seen, held: Mutex::new(Held { arrived, release, drained }) }
    }

    /// The requests whose body came whole (or as far as the peer wanted it).
    pub(crate) fn seen(&self) -> Vec<Request> {
        self.seen.lock().expect("no panic holds it").clone()
    }

    pub(crate) fn only(&self) -> Request {
        let mut seen = self.seen();
        assert_eq!(seen.len(), 1, "one request");
        seen.remove(0)
    }

    /// Waits until [`Conduct::AnswerEarly`] has a head, does this, and lets it read on; returns how many bytes of body
    /// still came. Blocks: call it from a blocking thread.
    pub(crate) fn release_after(&self, first: impl FnOnce()) -> u64 {
        let held = self.held.lock().expect("no panic holds it");
        held.arrived.recv().expect("a head arrives");
        first();
        held.release.send(()).expect("the peer waits");
        held.drained.recv().expect("the peer reports")
    }
}

trait Link: Read + Write {}
impl<T: Read + Write> Link for T {}

struct Served {
    conduct: Conduct,
    seen: Arc<Mutex<Vec<Request>>>,
    arrival: Sender<()>,
    released: Receiver<()>,
    report: Sender<u64>,
}

impl Served {
    fn one(&self, stream: TcpStream, tls: Option<Arc<ServerConfig>>) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut link: Box<dyn Link> = match tls {
            Some(config) => {
                let server = ServerConnection::new(config).map_err(io::Error::other)?;
                Box::new(StreamOwned::new(server, stream))
            }
            None => Box::new(stream),
        };
        if let Conduct::Greet(words) = &self.conduct {
            // Not all that came need be read for this.
            let _some = link.read(&mut [0; 16 * 1024])?;
            return link.write_all(words);
        }
        let (head, body) = read_head(&mut link)?;
        let mut request = Request { head, body };
        let length: usize = request.field("content-length").parse().expect("a number");
        match &self.conduct {
            Conduct::AnswerEarly(answer) => {
                link.write_all(answer)?;
                link.flush()?;
                self.arrival.send(()).map_err(io::Error::other)?;
                self.released.recv().map_err(io::Error::other)?;
                let drained = io::copy(&mut link, &mut io::sink()).unwrap_or(0);
                return self.report.send(drained).map_err(io::Error::other);
            }
            Conduct::CutAfter(wanted) => return read_body(&mut link, &mut request.body, *wanted),
            _ => read_body(&mut link, &mut request.body, length)?,
        }
        self.seen.lock().expect("no panic holds it").push(request);
        match &self.conduct {
            Conduct::Answer(answer) => link.write_all(answer)?,
            Conduct::Dribble(answer) => {
                for byte in answer {
                    link.write_all(&[*byte])?;
                    link.flush()?;
                }
            }
            Conduct::Flood(answer) => {
                link.write_all(answer)?;
                while link.write_all(&[b' '; 4096]).is_ok() {}
            }
            Conduct::Hang(answer) => {
                link.write_all(answer)?;
                link.flush()?;
                let _gone = link.read(&mut [0])?;
            }
            Conduct::AnswerEarly(_) | Conduct::CutAfter(_) | Conduct::Greet(_) => (),
        }
        link.flush()
    }
}

/// The head, and what came of the body together with it.
fn read_head(link: &mut dyn Link) -> io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let body = bytes.split_off(end + 4);
            return Ok((String::from_utf8(bytes).expect("headers are ASCII"), body));
        }
        match link.read(&mut chunk)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => bytes.extend_from_slice(&chunk[..read]),
        }
    }
}

fn read_body(link: &mut dyn Link, body: &mut Vec<u8>, length: usize) -> io::Result<()> {
    assert!(body.len() <= length, "more body than Content-Length says");
    let start = body.len();
    body.resize(length, 0);
    link.read_exact(&mut body[start..])
}
