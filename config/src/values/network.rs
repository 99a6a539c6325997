//! Networks in CIDR notation (RFC 4632 section 3.1; RFC 4291 section 2.3).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A network such as `10.20.0.0/16` or `fd00::/8`; an address alone is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    base: IpAddr,
    prefix: u8,
}

/// Why a text is not a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkFault {
    /// No IP address before the slash.
    #[error("not an IP address")]
    Address,
    /// The number after the slash is not one, or longer than the address.
    #[error("not a prefix length of this kind of address")]
    Prefix,
    /// `10.1.2.3/8`: the writer meant one host or another network.
    #[error("bits are set behind the prefix")]
    HostBits,
}

impl Network {
    /// Number of leading bits that all its addresses share.
    pub const fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether the address lies in it. An IPv4 address mapped into IPv6 (`::ffff:10.0.0.1`) counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (base, base_bits) = bits(self.base);
        let (address, address_bits) = bits(address.to_canonical());
        base_bits == address_bits
            && leading(base, self.prefix, base_bits) == leading(address, self.prefix, base_bits)
    }
}

impl FromStr for Network {
    type Err = NetworkFault;

    fn from_str(text: &str) -> Result<Self, NetworkFault> {
        let (base, prefix) = match text.split_once('/') {
            Some((base, prefix)) => (base, Some(prefix)),
            None => (text, None),
        };
        let base: IpAddr = base.parse().map_err(|_| NetworkFault::Address)?;
        let (value, width) = bits(base);
        let prefix = match prefix {
            None => width,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().ok().filter(|prefix| *prefix <= width).ok_or(NetworkFault::Prefix)?
            }
            Some(_) => return Err(NetworkFault::Prefix),
        };
        if leading(value, prefix, width) != value {
            return Err(NetworkFault::HostBits);
        }
        Ok(Self { base, prefix })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

/// The address as a number, and how many bits it has.
fn bits(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    }
}

/// The number with all but its first `prefix` bits cleared.
fn leading(value: u128, prefix: u8, width: u8) -> u128 {
    let host_bits = u32::from(width - prefix);
    value.checked_shr(host_bits).and_then(|kept| kept.checked_shl(host_bits)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_its_first_and_last_address() {
        for (network, inside, outside) in [
            ("10.20.0.0/16", ["10.20.0.0", "10.20.255.255"], ["10.19.255.255", "10.21.0.0"]),
            ("192.0.2.7", ["192.0.2.7", "::ffff:192.0.2.7"], ["192.0.2.6", "192.0.2.8"]),
            ("0.0.0.0/0", ["0.0.0.0", "255.255.255.255"], ["::", "::1"]),
            ("::/0", ["::", "ffff::"], ["0.0.0.0", "::ffff:1.2.3.4"]),
            ("fd00::/8", ["fd00::", "fdff:ffff::1"], ["fe00::", "10.0.0.1"]),
            ("::1/128", ["::1", "::1"], ["::2", "127.0.0.1"]),
        ] {
            let network: Network = network.parse().expect(network);
            for text in inside {
                assert!(network.contains(text.parse().expect("an address")), "{network} {text}");
            }
            for text in outside {
                assert!(!network.contains(text.parse().expect("an address")), "{network} {text}");
            }
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for (text, fault) in [
            ("", NetworkFault::Address),
            ("10.0.0/8", NetworkFault::Address),
            ("example.vn/8", NetworkFault::Address),
            ("10.0.0.0/33", NetworkFault::Prefix),
            ("10.0.0.0/", NetworkFault::Prefix),
            ("10.0.0.0/+8", NetworkFault::Prefix),
            ("::/129", NetworkFault::Prefix),
            ("::/256", NetworkFault::Prefix),
            ("10.1.2.3/8", NetworkFault::HostBits),
            ("::1/0", NetworkFault::HostBits),
        ] {
            assert_eq!(text.parse::<Network>(), Err(fault), "{text}");
        }
    }
}
