//! The operator's hands on a running gateway: HTTP/1.1 with JSON over `<data>/control.sock` (design.md B8). `socket` lets
//! a peer in and knows its user, `operators` says who that is, `routes` what may be asked, `desk` answers; `client` is
//! the other end. While the gateway is stopped the command line sits at the desk itself.

pub mod agencies;
pub mod client;
pub mod desk;
pub mod nodes;
pub mod operators;
pub mod routes;
pub mod socket;
mod trouble;

use std::io;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use lienthong_pipeline::tasks::Tasks;

pub use trouble::{Trouble, TroubleCode};

use desk::Desk;
use operators::Operators;
use routes::Control;
use socket::ControlSocket;

/// The socket's name in the data folder.
pub const SOCKET: &str = "control.sock";

/// Most deliveries in one request for an act.
pub const IDS_MAX: usize = 200;

/// Longest body of a request, in bytes: [`IDS_MAX`] ids and a reason.
pub const REQUEST_BYTES_MAX: usize = 64 * 1024;

/// Opens the control socket of the gateway whose data folder this is, and serves it until shutdown. `operators` may be
/// replaced at any time.
///
/// # Errors
/// The socket cannot be bound; see [`ControlSocket::bind`].
pub fn open(
    data_dir: &Path,
    desk: Desk,
    operators: Arc<ArcSwap<Operators>>,
    tasks: &Tasks,
) -> io::Result<()> {
    let socket = ControlSocket::bind(data_dir)?;
    let control = Arc::new(Control { desk, operators, tasks: tasks.clone() });
    tasks.spawn("control socket", socket.serve(routes::router(control), tasks.clone()));
    Ok(())
}
