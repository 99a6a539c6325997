//! A mail system of a receiving agency for one test: Postfix takes messages in over TLS, Dovecot checks its accounts and
//! keeps its mailboxes. In a temporary folder, on free loopback ports, with a certificate authority made for it; all of it
//! ends with the value. Postfix begins as root and nothing else, so without root there is no such test.

mod certificate;
mod dovecot;
mod letter;
mod postfix;
mod server;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::geteuid;
use tempfile::TempDir;

pub use letter::Letter;

use self::postfix::Ports;
use self::server::Server;
use crate::{text, until};

/// The name that the server's certificate is for; it leads to the loopback.
pub const HOST: &str = "localhost";
/// The gateway's account.
pub const USER: &str = "truc-lien-thong@co-quan.test";
/// Its password.
pub const PASSWORD: &str = "mật khẩu của bài thử";
/// The domain of all mailboxes.
pub const DOMAIN: &str = "co-quan.test";
/// Longest message that the server takes, in bytes.
pub const MESSAGE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// How often a start is tried: between finding a free port and taking it, somebody else may.
const STARTS_MAX: usize = 3;

/// A running mail system.
pub struct MailSystem {
    /// Submission over implicit TLS.
    pub port_tls: u16,
    /// Submission with STARTTLS.
    pub port_starttls: u16,
    postfix: Server,
    accounts: Server,
    store: Option<Server>,
    answers: BTreeMap<String, String>,
    folder: TempDir,
}

/// The folder of a mail system, and what lies where in it.
pub(crate) struct Paths(PathBuf);

impl Paths {
    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// `path` as it stands in a settings file.
    fn text(&self, name: &str) -> String {
        self.at(name).display().to_string()
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.at(name), content).expect("a file");
    }

    /// The end of a log, for a failing test.
    fn log(&self, name: &str) -> String {
        let log = fs::read_to_string(self.at(name)).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl MailSystem {
    /// A mail system with these mailboxes below [`DOMAIN`]; `None`, said aloud, where it cannot be had.
    pub async fn start(mailboxes: &[&str]) -> Option<Self> {
        if !geteuid().is_root() {
            println!("SKIPPED: Postfix needs root");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("lienthong-mail-").tempdir().expect("a folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("permissions");
        let paths = Paths(folder.path().to_owned());
        certificate::make(&paths, HOST);
        dovecot::lay_out(&paths);
        let accounts = dovecot::start_accounts(&paths).await;
        let store = dovecot::start_store(&paths).await;
        let (postfix, ports) = start_postfix(&paths, mailboxes).await;
        Some(Self {
            port_tls: ports.tls,
            port_starttls: ports.starttls,
            postfix,
            accounts,
            store: Some(store),
            answers: BTreeMap::new(),
            folder,
        })
    }

    /// The certificate authority to trust, PEM.
    pub fn ca_pem(&self) -> Vec<u8> {
        fs::read(self.ca_file()).expect("a certificate")
    }

    /// The same as a file.
    pub fn ca_file(&self) -> PathBuf {
        self.paths().at(certificate::CA)
    }

    /// From the next connection on the server answers RCPT for this mailbox so; `None`: as it is.
    pub fn answer_at_rcpt(&mut self, mailbox: &str, answer: Option<&str>) {
        match answer {
            Some(answer) => self.answers.insert(mailbox.to_owned(), answer.to_owned()),
            None => self.answers.remove(mailbox),
        };
        postfix::write_answers(&self.paths(), &self.answers);
    }

    /// Stops what keeps the mailboxes; messages wait in the queue of Postfix.
    pub fn stop_store(&mut self) {
        assert!(self.store.take().is_some(), "the store runs");
    }

    /// Starts it again; Postfix tries again within seconds.
    pub async fn start_store(&mut self) {
        assert!(self.store.is_none(), "the store is stopped");
        self.store = Some(dovecot::start_store(&self.paths()).await);
    }

    /// The messages in a mailbox, as they came, in the order of their arrival.
    pub fn letters(&self, mailbox: &str) -> Vec<Letter> {
        letter::letters_of(&dovecot::mailbox(&self.paths(), mailbox))
    }

    /// Waits until a mailbox has so many messages.
    pub async fn letters_come(&self, mailbox: &str, count: usize) -> Vec<Letter> {
        let come = until(async || Some(self.letters(mailbox)).filter(|letters| letters.len() >= count)).await;
        come.unwrap_or_else(|| panic!("{mailbox} has {} messages", self.letters(mailbox).len()))
    }

    /// Messages that Postfix has taken and not passed on.
    pub fn queued(&self) -> usize {
        postfix::queued(&self.paths())
    }

    /// The processes of all three servers, by their group.
    pub fn process_groups(&self) -> Vec<u32> {
        let servers = [Some(&self.postfix), Some(&self.accounts), self.store.as_ref()];
        servers.into_iter().flatten().map(Server::group).collect()
    }

    fn paths(&self) -> Paths {
        Paths(self.folder.path().to_owned())
    }
}

impl Drop for MailSystem {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let paths = self.paths();
            for log in [postfix::LOG, dovecot::LOG] {
                println!("{log} ends:\n{}", paths.log(log));
            }
        }
    }
}

async fn start_postfix(paths: &Paths, mailboxes: &[&str]) -> (Server, Ports) {
    for _ in 0..STARTS_MAX {
        let ports = Ports::free();
        postfix::lay_out(paths, &ports, mailboxes);
        let mut server = postfix::start(paths);
        if server.listens(&ports.all()).await {
            return (server, ports);
        }
    }
    panic!("Postfix does not start:\n{}", paths.log(postfix::LOG));
}

/// Makes a folder for `owner`, as `install` does.
fn folder(path: &Path, mode: u32, owner: &str) {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).expect("a folder");
    run(Command::new("chown").arg(owner).arg(path));
    run(Command::new("chmod").arg(format!("{mode:o}")).arg(path));
}

/// Runs a command that must succeed; what it wrote.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|cause| panic!("{command:?}: {cause}"));
    assert!(output.status.success(), "{command:?}: {}", text(&output.stderr));
    text(&output.stdout)
}
