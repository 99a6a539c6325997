//! A clerk's mail system as the demo meets it: a submission server (RFC 6409) that demands STARTTLS and AUTH, with one
//! mailbox. It reads every message by its own code, keeps the packets, and says what was wrong.

mod message;
pub mod mime;
mod session;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use message::Letter;

use super::pki::PeerTls;
use super::sockets::{accept, lock};

/// Who may hand messages in, and for which mailbox.
#[derive(Clone)]
pub struct Account {
    /// The user that signs in.
    pub user: String,
    /// The user's password.
    pub password: String,
    /// The only sender taken from this user (`MAIL FROM`, `From`).
    pub sender: String,
    /// The only mailbox there is.
    pub mailbox: String,
}

/// A message that came, once or more.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The message; every repetition says the same.
    pub letter: Letter,
    /// How often it was offered.
    pub offered: u32,
    /// How often it was taken.
    pub taken: u32,
    /// Place in the order in which messages were first taken.
    pub order: usize,
    /// Where the packet is.
    pub file: PathBuf,
}

/// The mail system.
pub struct Mailbox {
    account: Account,
    folder: PathBuf,
    tls: PeerTls,
    address: SocketAddr,
    kept: watch::Sender<BTreeMap<String, Kept>>,
    complaints: Mutex<Vec<String>>,
    busy_once: AtomicBool,
    _open: DropGuard,
}

impl Mailbox {
    /// Opens it on a free loopback port; packets go to `folder`.
    pub async fn open(account: Account, tls: PeerTls, folder: &Path) -> std::io::Result<Arc<Self>> {
        std::fs::create_dir_all(folder)?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let open = CancellationToken::new();
        let mailbox = Arc::new(Self {
            account,
            folder: folder.to_owned(),
            tls,
            address: listener.local_addr()?,
            kept: watch::Sender::default(),
            complaints: Mutex::default(),
            busy_once: AtomicBool::default(),
            _open: open.clone().drop_guard(),
        });
        let served = Arc::downgrade(&mailbox);
        accept(listener, open, move |stream| {
            let mailbox = served.upgrade();
            async move {
                if let Some(mailbox) = mailbox {
                    session::serve(&mailbox, stream).await;
                }
            }
        });
        Ok(mailbox)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Who may hand in.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The certificate of its authority, PEM.
    pub fn ca(&self) -> &Path {
        &self.tls.ca
    }

    /// The next message is answered 451 after its last byte, and not taken.
    pub fn be_busy_once(&self) {
        self.busy_once.store(true, Ordering::SeqCst);
    }

    /// Messages taken, by delivery id.
    pub fn taken(&self) -> BTreeMap<String, Kept> {
        let kept = self.kept.borrow();
        kept.iter().filter(|(_, kept)| kept.taken > 0).map(|(id, kept)| (id.clone(), kept.clone())).collect()
    }

    /// What was wrong.
    pub fn complaints(&self) -> Vec<String> {
        lock(&self.complaints).clone()
    }

    fn complain(&self, what: String) {
        lock(&self.complaints).push(what);
    }

    /// Takes the bytes of a message: the reply to give.
    fn take(&self, bytes: &[u8]) -> Result<&'static str, String> {
        let (letter, packet) = message::read(&self.account, bytes)?;
        if !letter.delivery_id.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(format!("delivery id {}", letter.delivery_id));
        }
        let file = self.folder.join(&letter.delivery_id);
        std::fs::write(&file, packet).map_err(|cause| cause.to_string())?;
        let busy = self.busy_once.swap(false, Ordering::SeqCst);
        let mut changed = None;
        self.kept.send_modify(|all| {
            let order = all.values().filter(|kept| kept.taken > 0).count();
            let new = Kept { letter: letter.clone(), offered: 0, taken: 0, order, file };
            let kept = all.entry(letter.delivery_id.clone()).or_insert(new);
            if kept.letter != letter {
                changed = Some(format!("delivery {} came again as {letter:?}", letter.delivery_id));
                return;
            }
            kept.offered += 1;
            if !busy {
                // One that was offered in vain takes its place in the order when it is taken.
                kept.order = if kept.taken == 0 { order } else { kept.order };
                kept.taken += 1;
            }
        });
        match changed {
            Some(changed) => Err(changed),
            None if busy => Ok("451 4.3.2 Hop thu dang ban, gui lai sau / busy, try again later"),
            None => Ok("250 2.0.0 Da nhan / taken"),
        }
    }
}
