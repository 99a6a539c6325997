//! A socket of a scripted peer on the loopback: it can be shut, and opened again at its address, which the settings name.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use lienthong::demo::world::free_address;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::until;

/// Talks to one connection until it ends.
type Serve = Arc<dyn Fn(TcpStream) -> BoxFuture<'static, ()> + Send + Sync>;

/// A listener with its connections; all of them end with it.
pub(crate) struct Socket {
    address: SocketAddr,
    serve: Serve,
    open: Mutex<JoinSet<()>>,
}

impl Socket {
    /// Opens one at a free address.
    pub(crate) async fn open(
        serve: impl Fn(TcpStream) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) -> Self {
        let address = free_address().expect("a free address").parse().expect("an address");
        let socket = Self { address, serve: Arc::new(serve), open: Mutex::default() };
        socket.reopen().await;
        socket
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections are cut, and refused from now on.
    pub(crate) async fn close(&self) {
        let mut open = std::mem::take(&mut *self.open.lock().expect("no panic before"));
        open.shutdown().await;
    }

    /// Takes connections again.
    pub(crate) async fn reopen(&self) {
        let listener = until(async || TcpListener::bind(self.address).await.ok()).await;
        let (listener, serve) = (listener.expect("the address is still free"), self.serve.clone());
        let accept = async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                connections.spawn(serve(stream));
            }
        };
        self.open.lock().expect("no panic before").spawn(accept);
    }
}
