//! Where a request comes from: the other end of its connection, or, where that is a proxy that is trusted, whom the proxy names in
//! `X-Forwarded-For`. Each proxy adds at the end of that list from whom it got the request; what stands before was sent along, by anybody.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use poem::Request;
use poem::http::{HeaderMap, HeaderName};

use super::public_url::is_proxied;
use crate::types::peer::Peer;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What is in front of a server, as far as its settings tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Front {
    /// Nothing is known of a proxy.
    #[default]
    Nothing,
    /// There is a proxy, perhaps on this machine.
    Proxy,
    /// There is a proxy, through which everything comes.
    ProxyOnly,
}

/// Finds out where requests come from.
#[derive(Clone, Debug, Default)]
pub struct Peers {
    trusted_proxies: Vec<IpNet>,
    // There is a proxy, and nobody said where: what comes through it comes from anybody.
    is_behind_unknown: bool,
    // What comes from this machine comes by a proxy, whether that says so or not.
    is_behind_near: bool,
}

impl Peers {
    /// Trusts the proxies of these networks. Without any, it matters whether there is a proxy all the same.
    #[must_use]
    pub fn new(trusted_proxies: Vec<IpNet>, front: Front) -> Self {
        Self {
            is_behind_unknown: front == Front::ProxyOnly && trusted_proxies.is_empty(),
            is_behind_near: front != Front::Nothing,
            trusted_proxies,
        }
    }

    /// Whether there is a proxy that hides from where requests come.
    #[must_use]
    pub const fn are_hidden(&self) -> bool {
        self.is_behind_near && self.trusted_proxies.is_empty()
    }

    /// Where a request comes from; `None` when a proxy hides that.
    pub(super) fn peer_of(&self, request: &Request) -> Option<Peer> {
        let address = request.remote_addr().as_socket_addr()?.ip();
        self.find(address, request.headers())
    }

    fn find(&self, address: IpAddr, headers: &HeaderMap) -> Option<Peer> {
        let address = address.to_canonical();
        if !self.trusts(address) {
            let is_near = address.is_loopback();
            let is_hidden =
                self.is_behind_unknown || is_near && (self.is_behind_near || is_proxied(headers));
            return (!is_hidden).then(|| Peer::of(address));
        }
        // One on this machine that names nobody hands on what comes from anybody.
        let mut nearest = (!address.is_loopback()).then_some(address);
        for hop in hops(headers) {
            // What is no address was not added by a proxy that is trusted.
            let Some(hop) = hop else { break };
            nearest = Some(hop);
            if !self.trusts(hop) {
                break;
            }
        }
        nearest.map(Peer::of)
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted_proxies
            .iter()
            .any(|network| network.contains(&address))
    }
}

/// The addresses of `X-Forwarded-For`, from the last one on; `None` for what is none.
fn hops(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    let lines = headers.get_all(X_FORWARDED_FOR).iter().rev();
    lines.flat_map(|line| {
        // What a client sent along may be any bytes: it must not hide what a proxy added behind it.
        line.as_bytes().rsplit(|byte| *byte == b',').map(parse_hop)
    })
}

/// Reads an address, with a port or without.
fn parse_hop(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    let bracketed = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let address = bracketed.unwrap_or(text).parse().ok();
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    address
        .or_else(with_port)
        .map(|ip: IpAddr| ip.to_canonical())
}

/// Where a request comes from, as the door found out.
pub fn peer(request: &Request) -> Option<Peer> {
    request.extensions().get::<Peer>().copied()
}

#[cfg(test)]
mod tests {
    use poem::http::HeaderValue;

    use super::*;

    fn found(trusted: &[&str], front: Front, from: &str, told: &[&str]) -> Option<Peer> {
        let networks = trusted.iter().map(|network| network.parse().unwrap());
        let peers = Peers::new(networks.collect(), front);
        let mut headers = HeaderMap::new();
        for line in told {
            headers.append(
                X_FORWARDED_FOR,
                HeaderValue::from_bytes(line.as_bytes()).unwrap(),
            );
        }
        peers.find(from.parse().unwrap(), &headers)
    }

    fn peer(address: &str) -> Peer {
        Peer::of(address.parse().unwrap())
    }

    #[test]
    fn whom_a_trusted_proxy_names_last_is_the_peer() {
        let trusted = ["10.0.0.0/8", "fd00::/8", "127.0.0.1/32"];
        for (from, told, expected) in [
            // Nobody is believed who is not trusted.
            ("203.0.113.7", vec!["198.51.100.1"], "203.0.113.7"),
            ("10.0.0.1", vec![], "10.0.0.1"),
            ("10.0.0.1", vec!["198.51.100.1"], "198.51.100.1"),
            ("::ffff:10.0.0.1", vec!["198.51.100.1"], "198.51.100.1"),
            // What the client sent along stands before it.
            ("10.0.0.1", vec!["192.0.2.1, 198.51.100.1"], "198.51.100.1"),
            (
                "10.0.0.1",
                vec!["192.0.2.1", "198.51.100.1"],
                "198.51.100.1",
            ),
            // A proxy behind a proxy.
            (
                "10.0.0.1",
                vec!["192.0.2.1,198.51.100.1 , 10.0.0.2"],
                "198.51.100.1",
            ),
            (
                "10.0.0.1",
                vec!["198.51.100.1", "10.0.0.3, fd00::2"],
                "198.51.100.1",
            ),
            ("10.0.0.1", vec!["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            // What is no address hides what stands before it.
            ("10.0.0.1", vec!["198.51.100.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", vec!["198.51.100.1, , 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", vec!["198.51.100.1, 10.0.0.256"], "10.0.0.1"),
            ("10.0.0.1", vec!["198.51.100.1:4711"], "198.51.100.1"),
            ("10.0.0.1", vec!["[2001:db8::1]:4711"], "2001:db8::1"),
            ("10.0.0.1", vec!["[2001:db8::1]"], "2001:db8::1"),
            ("10.0.0.1", vec!["::ffff:198.51.100.1"], "198.51.100.1"),
            ("127.0.0.1", vec!["198.51.100.1"], "198.51.100.1"),
            // Bytes that are no ASCII were sent along.
            ("10.0.0.1", vec!["é, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", vec!["198.51.100.1, é"], "10.0.0.1"),
        ] {
            assert_eq!(
                found(&trusted, Front::Proxy, from, &told),
                Some(peer(expected)),
                "{from} {told:?}"
            );
        }
    }

    #[test]
    fn the_addresses_of_an_ipv6_network_are_counted_as_one() {
        let network = |address: &str| peer(address).network();
        let one = network("2001:db8:1:2::1");
        assert_eq!(one, network("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(one, network("2001:db8:1:3::1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
        assert_eq!(network("192.0.2.1"), network("::ffff:192.0.2.1"));
    }

    #[test]
    fn behind_a_proxy_that_nobody_named_nobody_is_known() {
        assert_eq!(
            found(&[], Front::ProxyOnly, "203.0.113.7", &["198.51.100.1"]),
            None
        );
        assert_eq!(found(&[], Front::ProxyOnly, "203.0.113.7", &[]), None);
        // One on this machine tells of itself, most often.
        assert_eq!(
            found(&[], Front::Nothing, "127.0.0.1", &["198.51.100.1"]),
            None
        );
        assert_eq!(
            found(&[], Front::Nothing, "127.0.0.1", &[]),
            Some(peer("127.0.0.1"))
        );
        for front in [Front::Proxy, Front::ProxyOnly] {
            let near = ["127.0.0.1/32"];
            for trusted in [&[][..], &near, &["10.0.0.0/8"]] {
                assert_eq!(found(trusted, front, "127.0.0.1", &[]), None);
            }
            let other = found(&near, front, "203.0.113.7", &[]);
            assert_eq!(other, Some(peer("203.0.113.7")));
        }
        // Whoever reaches the server without one only says so.
        assert_eq!(
            found(&[], Front::Nothing, "203.0.113.7", &["198.51.100.1"]),
            Some(peer("203.0.113.7"))
        );
    }
}
