//! Who is at the other end of a connection, as far as a network tells.

use std::net::{IpAddr, Ipv6Addr};

/// How much of an IPv6 address is the network: whoever has one address of it has all of them (RFC 6177).
const IPV6_NETWORK_BITS: u32 = 64;

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(IpAddr);

impl Peer {
    /// The peer that an address belongs to. An IPv4 address that is written as one of IPv6 is the IPv4 address.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        Self(address.to_canonical())
    }

    /// The address.
    #[must_use]
    pub const fn address(self) -> IpAddr {
        self.0
    }

    /// What is counted as one: the IPv4 address, or the network of IPv6.
    #[must_use]
    pub fn network(self) -> Network {
        Network(match self.0 {
            IpAddr::V6(address) => {
                let host_bits = u128::BITS - IPV6_NETWORK_BITS;
                IpAddr::V6(Ipv6Addr::from_bits(
                    address.to_bits() >> host_bits << host_bits,
                ))
            }
            address @ IpAddr::V4(_) => address,
        })
    }
}

/// Where requests of one peer come from, whichever of its addresses it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network(IpAddr);
