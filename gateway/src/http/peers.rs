//! How many connections each peer address has: nobody alone can take all the places of a listener.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A peer may always have so many connections.
const LEAST: usize = 8;

/// The connections of one listener, by peer.
pub(super) struct Peers {
    most: usize,
    held: Arc<Mutex<HashMap<IpAddr, Held>>>,
}

#[derive(Default)]
struct Held {
    connections: usize,
    /// It was said that this peer has too many; once, until it has none.
    said: bool,
}

/// One connection of a peer, until dropped.
pub(super) struct Place {
    peer: IpAddr,
    held: Arc<Mutex<HashMap<IpAddr, Held>>>,
}

impl Peers {
    /// A peer has a quarter of a listener's connections, at least 8.
    pub(super) fn share(connections_max: usize) -> Self {
        Self { most: (connections_max / 4).max(LEAST), held: Arc::default() }
    }

    /// A place for one more connection, if this peer may have one.
    pub(super) fn enter(&self, ip: IpAddr) -> Option<Place> {
        let peer = who(ip);
        let mut all = lock(&self.held);
        let held = all.entry(peer).or_default();
        if held.connections >= self.most {
            if !std::mem::replace(&mut held.said, true) {
                tracing::warn!(%peer, most = self.most, "a peer has too many connections; more are closed");
            }
            return None;
        }
        held.connections += 1;
        Some(Place { peer, held: self.held.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = lock(&self.held);
        if let Some(held) = all.get_mut(&self.peer) {
            held.connections -= 1;
            if held.connections == 0 {
                all.remove(&self.peer);
            }
        }
    }
}

fn lock(held: &Mutex<HashMap<IpAddr, Held>>) -> MutexGuard<'_, HashMap<IpAddr, Held>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One IPv6 host has a whole /64 of addresses (RFC 4291, section 2.5.4).
pub(super) fn who(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_has_a_quarter_of_the_places_and_its_own() {
        let peers = Peers::share(40);
        let [one, same, other] =
            ["2001:db8::1", "2001:db8::2", "192.0.2.1"].map(|ip| ip.parse().expect("an address"));
        let mut places: Vec<Place> = (0..10).map(|_| peers.enter(one).expect("a place")).collect();
        assert!(peers.enter(one).is_none() && peers.enter(same).is_none(), "one more than its share");
        assert!(peers.enter(other).is_some(), "another peer");
        places.pop();
        assert!(peers.enter(same).is_some(), "free again");
        places.clear();
        assert!(lock(&peers.held).is_empty(), "nothing is kept of peers that are gone");
        assert_eq!((Peers::share(1).most, Peers::share(32).most, Peers::share(36).most), (8, 8, 9));
    }
}
