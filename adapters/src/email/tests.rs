//! The adapter against scripted peers.
