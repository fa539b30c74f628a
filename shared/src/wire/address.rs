//! A UDP address as it travels (PROTOCOL.md, Addresses).
//!
//! ```text
//! 4 or 16 bytes of IP | u16 port, big-endian
//! ```
//!
//! Each address has one encoding: one of IPv4 that is written as IPv6 travels as IPv4. What names
//! no single socket on the network (port 0, an unspecified, multicast or broadcast address) has
//! none.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The bytes of an address; `None` when it names no single socket.
#[must_use]
pub fn encode(address: SocketAddr) -> Option<Vec<u8>> {
    let ip = address.ip().to_canonical();
    if !names_one(ip, address.port()) {
        return None;
    }
    let mut bytes = match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    bytes.extend_from_slice(&address.port().to_be_bytes());
    Some(bytes)
}

/// Reads an address; `None` for anything [`encode`] does not make.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<SocketAddr> {
    let (ip, port) = bytes.split_last_chunk::<2>()?;
    let ip = match ip.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(ip).ok()?),
        16 => IpAddr::from(<[u8; 16]>::try_from(ip).ok()?),
        _ => return None,
    };
    let port = u16::from_be_bytes(*port);
    let one = ip == ip.to_canonical() && names_one(ip, port);
    one.then_some(SocketAddr::new(ip, port))
}

/// Whether an address is of no use outside its own machine or network.
#[must_use]
pub fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let carrier = ip.to_bits() >> 22 == Ipv4Addr::new(100, 64, 0, 0).to_bits() >> 22;
            ip.is_private() || ip.is_loopback() || ip.is_link_local() || carrier
        }
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

fn names_one(ip: IpAddr, port: u16) -> bool {
    let many = ip.is_unspecified() || ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST);
    port != 0 && !many
}

#[cfg(test)]
mod tests {
    use core::net::Ipv6Addr;

    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_its_ip_and_its_port() {
        let four = [203, 0, 113, 7, 0x11, 0x51];
        assert_eq!(encode(address("203.0.113.7:4433")), Some(four.to_vec()));
        assert_eq!(decode(&four), Some(address("203.0.113.7:4433")));
        let mut six = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).octets().to_vec();
        six.extend([0xff, 0xff]);
        assert_eq!(encode(address("[2001:db8::1]:65535")), Some(six.clone()));
        assert_eq!(decode(&six), Some(address("[2001:db8::1]:65535")));
    }

    #[test]
    fn an_address_of_ipv4_travels_as_one_and_is_refused_as_ipv6() {
        let bytes = encode(address("[::ffff:192.0.2.1]:9")).unwrap();
        assert_eq!(decode(&bytes), Some(address("192.0.2.1:9")));
        let mut mapped = Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped().octets().to_vec();
        mapped.extend([0, 9]);
        assert_eq!(decode(&mapped), None);
    }

    #[test]
    fn what_names_no_single_socket_is_neither_written_nor_read() {
        let port = 4433_u16.to_be_bytes();
        for text in ["0.0.0.0", "255.255.255.255", "224.0.0.1", "::", "ff02::1"] {
            let ip: IpAddr = text.parse().unwrap();
            assert_eq!(encode(SocketAddr::new(ip, 4433)), None, "{text}");
            let ip = match ip {
                IpAddr::V4(ip) => ip.octets().to_vec(),
                IpAddr::V6(ip) => ip.octets().to_vec(),
            };
            assert_eq!(decode(&[&ip[..], &port].concat()), None, "{text}");
        }
        assert_eq!(encode(address("192.0.2.1:0")), None);
        assert_eq!(decode(&[192, 0, 2, 1, 0, 0]), None);
    }

    #[test]
    fn private_is_what_is_of_no_use_outside() {
        let private = |text: &str| is_private(text.parse().unwrap());
        for inside in
            ["10.1.2.3", "127.0.0.1", "100.127.0.1", "::ffff:192.168.0.1", "fd00::1", "fe80::1"]
        {
            assert!(private(inside), "{inside}");
        }
        for outside in ["203.0.113.7", "100.128.0.1", "2001:db8::1", "::ffff:203.0.113.7"] {
            assert!(!private(outside), "{outside}");
        }
    }

    #[test]
    fn every_other_length_is_refused() {
        for length in (0..40).filter(|length| ![6, 18].contains(length)) {
            assert_eq!(decode(&vec![1; length]), None, "{length} bytes");
        }
    }

    #[test]
    fn what_is_read_is_written_as_the_same_bytes() {
        for byte in 1..=u8::MAX {
            for length in [6, 18] {
                let bytes = vec![byte; length];
                if let Some(address) = decode(&bytes) {
                    assert_eq!(encode(address), Some(bytes));
                }
            }
        }
    }
}
