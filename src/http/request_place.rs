//! The places of requests on connections of HTTP/2, where one connection has many: so many requests may be under way, all together, and half
//! of them from one address. A connection of HTTP/1.1 has one request at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::types::peer::{Network, Peer};

/// How many requests may be under way.
const REQUEST_LIMIT: usize = 1_024;
/// How many of them may be from one address: whoever takes no answers leaves the others to others.
const SHARE_LIMIT: usize = REQUEST_LIMIT / 2;

/// All places. Its clones are the same.
#[derive(Clone, Default)]
pub struct RequestPlaces(Arc<Mutex<Taken>>);

#[derive(Default)]
struct Taken {
    all: usize,
    by_peer: HashMap<Network, usize>,
}

impl RequestPlaces {
    /// The places that a peer may take.
    #[must_use]
    pub fn of(&self, peer: Peer) -> PeerPlaces {
        PeerPlaces {
            places: self.clone(),
            peer: peer.network(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        // Numbers are whole even when the thread that held them panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The places that a peer may take.
#[derive(Clone)]
pub struct PeerPlaces {
    places: RequestPlaces,
    peer: Network,
}

impl PeerPlaces {
    /// Takes a place; `None` when there is none for the peer.
    #[must_use]
    pub fn take(&self) -> Option<RequestPlace> {
        let mut taken = self.places.lock();
        let of_peer = taken.by_peer.get(&self.peer).copied().unwrap_or_default();
        if taken.all >= REQUEST_LIMIT || of_peer >= SHARE_LIMIT {
            return None;
        }
        taken.all += 1;
        taken.by_peer.insert(self.peer, of_peer + 1);
        Some(RequestPlace(self.clone()))
    }
}

/// The place of a request. It is given back when this is dropped.
pub struct RequestPlace(PeerPlaces);

impl Drop for RequestPlace {
    fn drop(&mut self) {
        let PeerPlaces { places, peer } = &self.0;
        let mut taken = places.lock();
        taken.all = taken.all.saturating_sub(1);
        let left = taken.by_peer.get(peer).copied().unwrap_or_default();
        if left > 1 {
            taken.by_peer.insert(*peer, left - 1);
        } else {
            taken.by_peer.remove(peer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_network_has_half_of_them_and_two_have_all() {
        let places = RequestPlaces::default();
        let of = |address: &str| places.of(Peer::of(address.parse().unwrap()));
        let peers = ["2001:db8::1", "192.0.2.2", "192.0.2.3"].map(of);
        let take_all = |peer: &PeerPlaces| std::iter::from_fn(|| peer.take()).collect::<Vec<_>>();
        let first = take_all(&peers[0]);
        // Another address of the same network.
        assert!(of("2001:db8::2").take().is_none());
        let mut second = take_all(&peers[1]);
        assert_eq!((first.len(), second.len()), (512, 512));
        assert!(peers.iter().all(|peer| peer.take().is_none()));
        second.truncate(500);
        assert_eq!(take_all(&peers[2]).len(), 12);
        drop((first, second));
        assert!(places.lock().by_peer.is_empty() && places.lock().all == 0);
    }
}
