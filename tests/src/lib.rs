//! The gateway as its users meet it, with real peers.
