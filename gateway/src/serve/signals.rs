//! SIGTERM and SIGINT.

use tokio::signal::unix::{SignalKind, signal};

/// Resolves at the next SIGTERM or SIGINT. Where signals cannot be had, it never does.
pub(super) async fn asked_to_stop() {
    let (Ok(mut term), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signals cannot be listened to");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// Resolves at the next SIGHUP: read the directory again.
pub(super) async fn asked_to_reload() {
    match signal(SignalKind::hangup()) {
        Ok(mut hangup) => drop(hangup.recv().await),
        Err(_) => std::future::pending().await,
    }
}
