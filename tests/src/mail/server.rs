//! A server as a child in a process group of its own, which ends with it.

use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::until;

/// Ends the whole process group when its standard input ends: by our will, or because we were killed. (A signal at the
/// parent's death would not do: Postfix changes its user, and with that loses it.)
const KEEPER: &str = r#"
exec 3<&0
"$@" 3<&- &
server=$!
{ read -r _ <&3; kill -TERM 0; } &
trap '' TERM
wait $server
"#;

/// How long a server may take to end by itself.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// A running server.
pub(super) struct Server(Child);

impl Server {
    /// Starts a program that stays in the foreground and writes its complaints to `log`.
    pub(super) fn start(program: &str, arguments: &[&str], log: &Path) -> Self {
        let log = File::options().create(true).append(true).open(log).expect("a log");
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER, "keeper", program]).args(arguments).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log);
        Self(command.spawn().unwrap_or_else(|cause| panic!("{program}: {cause}")))
    }

    /// The id of its process group.
    pub(super) fn group(&self) -> u32 {
        self.0.id()
    }

    /// Waits until it takes connections at all of these; `false` when it ended instead.
    pub(super) async fn listens(&mut self, addresses: &[SocketAddr]) -> bool {
        self.is_up(|| addresses.iter().all(|address| TcpStream::connect(address).is_ok())).await
    }

    /// The same for a socket of the file system.
    pub(super) async fn listens_at(&mut self, socket: &Path) -> bool {
        self.is_up(|| UnixStream::connect(socket).is_ok()).await
    }

    async fn is_up(&mut self, up: impl Fn() -> bool) -> bool {
        let up = until(async || match self.0.try_wait() {
            Ok(None) => up().then_some(true),
            _ => Some(false),
        });
        up.await.unwrap_or(false)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(Some(_))) {
            return;
        }
        let Some(pid) = Pid::from_raw(self.0.id().cast_signed()) else { return };
        drop(self.0.stdin.take());
        let (ended, end) = mpsc::channel();
        // As long as it is not reaped, nobody else can have its id.
        let waiting = thread::spawn(move || {
            waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).ok();
            ended.send(()).ok();
        });
        end.recv_timeout(ENDS_WITHIN).ok();
        // What it left behind, or the whole of it when it does not end.
        kill_process_group(pid, Signal::KILL).ok();
        waiting.join().ok();
        self.0.wait().ok();
    }
}
