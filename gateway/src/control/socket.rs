//! The socket in the data folder: there for its group from the first moment (0660), gone at shutdown; every connection
//! known by the user at its other end (unix(7), SO_PEERCRED).

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use lienthong_pipeline::ports::Fault;
use lienthong_pipeline::tasks::Tasks;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::SOCKET;
use super::routes::User;
use crate::http::listener::{GRACE, WRITE_STALL_MAX, accept, http};
use crate::http::patient::Patient;

/// Who may connect: our own user and the group of the socket (design.md B8).
const MODE: u32 = 0o660;
/// Connections at once.
const CONNECTIONS_MAX: usize = 16;
/// Time for a request's head.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Where the socket is made, below the data folder: only we may enter, so that nobody connects before its mode is right.
const MAKING: &str = ".control";

/// The socket, bound; its file goes with it.
pub struct ControlSocket {
    listener: UnixListener,
    file: SocketFile,
}

struct SocketFile(PathBuf);

impl ControlSocket {
    /// Binds the socket in a data folder of which the caller holds the lock: one that lies there is of a dead gateway,
    /// and is replaced.
    ///
    /// # Errors
    /// The system's, such as for a path of more than 107 bytes.
    pub fn bind(data_dir: &Path) -> io::Result<Self> {
        let (making, path) = (data_dir.join(MAKING), data_dir.join(SOCKET));
        match std::fs::remove_dir_all(&making) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
            _ => {}
        }
        DirBuilder::new().mode(0o700).create(&making)?;
        let draft = making.join("s");
        let listener = UnixListener::bind(&draft)?;
        std::fs::set_permissions(&draft, Permissions::from_mode(MODE))?;
        std::fs::rename(&draft, &path)?;
        let file = SocketFile(path);
        std::fs::remove_dir(&making)?;
        Ok(Self { listener, file })
    }

    /// Serves until shutdown; then requests under way have 30 s.
    pub async fn serve(self, router: Router, tasks: Tasks) -> Result<(), Fault> {
        let Self { listener, file } = self;
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        loop {
            let permit = tokio::select! {
                permit = room.clone().acquire_owned() => permit.map_err(|closed| Fault::new("control", closed))?,
                () = tasks.stopped() => break,
            };
            let (stream, _) = tokio::select! {
                accepted = accept(|cx| listener.poll_accept(cx)) => accepted,
                () = tasks.stopped() => break,
            };
            let (router, tasks) = (router.clone(), tasks.clone());
            connections.spawn(async move {
                connection(stream, router, tasks).await;
                drop(permit);
            });
            while connections.try_join_next().is_some() {}
        }
        drop((listener, file));
        let all = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, all).await.is_err() {
            tracing::warn!("control connections were cut at shutdown");
        }
        Ok(())
    }
}

async fn connection(stream: UnixStream, router: Router, tasks: Tasks) {
    let uid = match stream.peer_cred() {
        Ok(credentials) => credentials.uid(),
        Err(cause) => return tracing::warn!(%cause, "a control connection from nobody"),
    };
    let router = router.layer(Extension(User(uid)));
    let stream = Patient::new(stream, WRITE_STALL_MAX);
    http(stream, &format!("user {uid}"), None, HEADER_TIMEOUT, router, tasks).await;
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(cause) = std::fs::remove_file(&self.0) {
            tracing::warn!(path = %self.0.display(), %cause, "the control socket stays");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileTypeExt, MetadataExt};

    use super::*;

    #[tokio::test]
    async fn the_socket_is_for_its_group_replaces_a_dead_one_and_goes_with_its_listener() {
        let data = tempfile::tempdir().expect("a folder");
        let path = data.path().join(SOCKET);
        // What a killed gateway leaves, even one that was killed while it made its socket.
        drop(std::os::unix::net::UnixListener::bind(&path).expect("bound"));
        std::fs::create_dir(data.path().join(MAKING)).expect("a folder");
        drop(std::os::unix::net::UnixListener::bind(data.path().join(MAKING).join("s")).expect("bound"));

        let socket = ControlSocket::bind(data.path()).expect("bound");
        let found = std::fs::symlink_metadata(&path).expect("it is there");
        assert!(found.file_type().is_socket());
        assert_eq!(found.mode() & 0o7777, MODE);
        assert!(!data.path().join(MAKING).exists());
        UnixStream::connect(&path).await.expect("it listens");
        drop(socket);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_path_that_is_too_long_says_so() {
        let data = tempfile::tempdir().expect("a folder");
        let long = data.path().join("x".repeat(120));
        std::fs::create_dir(&long).expect("a folder");
        let cause = ControlSocket::bind(&long).err().expect("too long");
        assert_eq!(cause.kind(), io::ErrorKind::InvalidInput, "{cause}");
    }
}
