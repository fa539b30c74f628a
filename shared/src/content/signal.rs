//! What two nodes tell each other in passing: signals, which may be lost (PROTOCOL.md, Signals).
//!
//! In the form of stored records, as [`super::pair_plain`]: `u8 version | u8 kind | u64 ts |
//! fields`. Nothing rests on a signal: whoever misses one learns the same later, or does without.
//! What is absent: anything a person said, and keys.

use core::net::SocketAddr;

use super::ContentError;
use super::count::Ranges;
use super::spans::{read_conversation, read_ranges, write_conversation, write_ranges};
use crate::crypto::{RecordReader, RecordWriter, SecretBytes};
use crate::id::{GroupId, RunKey};
use crate::limits::{REACH_ADDRESSES, READ_RANGES};
use crate::time::Timestamp;
use crate::wire::address;
use crate::wire::version::VERSION;

/// Bytes of an address with IPv4, and with IPv6.
const V4: usize = 6;
const V6: usize = 18;

/// What a node tells another in passing (PROTOCOL.md, Signals).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Kind 1: where the sender can be dialled now.
    Reach {
        /// Names the attempt to meet; who answers repeats it.
        attempt: u64,
        /// Whether this answers the other side's.
        answer: bool,
        /// What the sender's certificate shows there.
        key: RunKey,
        /// At most [`REACH_ADDRESSES`], each of which [`address::encode`] writes; the most likely
        /// first.
        addresses: Vec<SocketAddr>,
    },
    /// Kind 2: the sender will not be dialled in this attempt.
    Unreachable {
        /// Which one.
        attempt: u64,
        /// Why not.
        why: Why,
    },
    /// Kind 3: the sender's person is writing something.
    Typing {
        /// In which group; none for the direct conversation.
        conversation: Option<GroupId>,
    },
    /// Kind 4: the sender's person has seen these of the receiver's messages. The receipt says the
    /// same later, and for good.
    Read {
        /// In which group; none for the direct conversation.
        conversation: Option<GroupId>,
        /// Their counts, rising and apart; one to [`READ_RANGES`].
        ranges: Ranges,
    },
    /// Kind 5: the sender's person is there.
    Here,
}

/// Why somebody will not be dialled. On the wire: a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// 1: the sender's person shows the receiver no address.
    NotShown,
    /// 2: the sender has no address that can be dialled.
    NoWay,
    /// 3: too many attempts lately.
    TooMany,
    /// A reason of a newer sender: it will not be dialled all the same.
    Other(u8),
}

impl From<u8> for Why {
    fn from(code: u8) -> Self {
        match code {
            1 => Self::NotShown,
            2 => Self::NoWay,
            3 => Self::TooMany,
            other => Self::Other(other),
        }
    }
}

impl From<Why> for u8 {
    fn from(why: Why) -> Self {
        match why {
            Why::NotShown => 1,
            Why::NoWay => 2,
            Why::TooMany => 3,
            Why::Other(code) => code,
        }
    }
}

impl Signal {
    /// The bytes to seal; `ts` is the sender's time. Addresses beyond [`REACH_ADDRESSES`], and such
    /// as name no single socket, are left out: for one of them a reader would refuse it all.
    #[must_use]
    pub fn encode(&self, ts: Timestamp) -> SecretBytes {
        let mut w = RecordWriter::new(VERSION);
        w.u8(self.kind()).u64(ts.0);
        match self {
            Self::Reach { attempt, answer, key, addresses } => {
                let told = addresses.iter().filter_map(|at| address::encode(*at));
                let told: Vec<_> = told.take(REACH_ADDRESSES).collect();
                w.u64(*attempt).bool(*answer).fixed(key.as_bytes()).count(told.len());
                for address in told {
                    w.u8(if address.len() == V4 { 6 } else { 18 }).fixed(&address);
                }
                &mut w
            }
            Self::Unreachable { attempt, why } => w.u64(*attempt).u8((*why).into()),
            Self::Typing { conversation } => write_conversation(&mut w, *conversation),
            Self::Read { conversation, ranges } => {
                write_ranges(write_conversation(&mut w, *conversation), ranges)
            }
            Self::Here => &mut w,
        };
        w.finish()
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Reach { .. } => 1,
            Self::Unreachable { .. } => 2,
            Self::Typing { .. } => 3,
            Self::Read { .. } => 4,
            Self::Here => 5,
        }
    }

    /// Reads opened bytes: the signal, and its sender's time.
    ///
    /// # Errors
    /// [`ContentError`] when they are no signal, or one of a newer version or kind.
    pub fn decode(bytes: &[u8]) -> Result<(Timestamp, Self), ContentError> {
        let mut r = RecordReader::new(bytes, VERSION)?;
        let (kind, ts) = (r.u8()?, Timestamp(r.u64()?));
        let signal = match kind {
            1 => Self::Reach {
                attempt: r.u64()?,
                answer: r.bool()?,
                key: RunKey(r.array()?),
                addresses: read_addresses(&mut r)?,
            },
            2 => Self::Unreachable { attempt: r.u64()?, why: r.u8()?.into() },
            3 => Self::Typing { conversation: read_conversation(&mut r)? },
            4 => {
                Self::Read { conversation: read_conversation(&mut r)?, ranges: read_some(&mut r)? }
            }
            5 => Self::Here,
            kind => return Err(ContentError::UnknownKind(kind)),
        };
        r.finish()?;
        Ok((ts, signal))
    }
}

/// At least one range.
fn read_some(r: &mut RecordReader<'_>) -> Result<Ranges, ContentError> {
    let ranges = read_ranges(r, READ_RANGES)?;
    if ranges.is_empty() { Err(ContentError::BadRanges) } else { Ok(ranges) }
}

fn read_addresses(r: &mut RecordReader<'_>) -> Result<Vec<SocketAddr>, ContentError> {
    let count = r.count(REACH_ADDRESSES).map_err(|_| ContentError::BadAddresses)?;
    (0..count).map(|_| read_address(r)).collect()
}

fn read_address(r: &mut RecordReader<'_>) -> Result<SocketAddr, ContentError> {
    let address = match r.u8()? {
        6 => address::decode(&r.array::<V4>()?),
        18 => address::decode(&r.array::<V6>()?),
        _ => None,
    };
    address.ok_or(ContentError::BadAddresses)
}

#[cfg(test)]
mod tests {
    use core::net::IpAddr;

    use proptest::prelude::*;

    use super::*;
    use crate::crypto::padding::padded_len;

    const KEY: RunKey = RunKey([5; 32]);
    const NOW: Timestamp = Timestamp(1_800_000_000_000);
    /// What nobody can be dialled at, whatever the port.
    const NOWHERE: [&str; 7] =
        ["0.0.0.0", "224.0.0.1", "239.1.2.3", "255.255.255.255", "::", "ff02::1", "::ffff:1.2.3.4"];

    fn at(ip: &str, port: u16) -> SocketAddr {
        SocketAddr::new(ip.parse().unwrap(), port)
    }

    fn samples() -> Vec<Signal> {
        let addresses = vec![at("192.0.2.7", 4433), at("2001:db8::1", 1), at("::1", 65_535)];
        let gid = GroupId([1; 32]);
        vec![
            Signal::Reach { attempt: 7, answer: false, key: KEY, addresses },
            Signal::Reach { attempt: u64::MAX, answer: true, key: KEY, addresses: Vec::new() },
            Signal::Unreachable { attempt: 7, why: Why::TooMany },
            Signal::Unreachable { attempt: 7, why: Why::Other(200) },
            Signal::Typing { conversation: None },
            Signal::Typing { conversation: Some(gid) },
            Signal::Read { conversation: None, ranges: vec![(1, 1)] },
            Signal::Read {
                conversation: Some(gid),
                ranges: (1..=7).map(|n| (9 * n, 9 * n)).collect(),
            },
            Signal::Here,
        ]
    }

    /// A reach with addresses as somebody else might write them.
    fn forged(addresses: &[SocketAddr]) -> Result<(Timestamp, Signal), ContentError> {
        let mut w = RecordWriter::new(VERSION);
        w.u8(1).u64(NOW.0).u64(7).bool(false).fixed(KEY.as_bytes()).count(addresses.len());
        for address in addresses {
            match address.ip() {
                IpAddr::V4(ip) => w.u8(6).fixed(&ip.octets()),
                IpAddr::V6(ip) => w.u8(18).fixed(&ip.octets()),
            };
            w.fixed(&address.port().to_be_bytes());
        }
        Signal::decode(w.finish().expose())
    }

    fn reach(addresses: Vec<SocketAddr>) -> Signal {
        Signal::Reach { attempt: 7, answer: false, key: KEY, addresses }
    }

    #[test]
    fn every_kind_survives_a_round_trip_and_no_cut_or_longer_one_is_read() {
        for signal in samples() {
            let bytes = signal.encode(NOW);
            assert_eq!(Signal::decode(bytes.expose()).unwrap(), (NOW, signal));
            for end in 0..bytes.len() {
                assert!(Signal::decode(&bytes.expose()[..end]).is_err());
            }
            let longer = [bytes.expose(), &[0]].concat();
            assert_eq!(Signal::decode(&longer).unwrap_err().reason(), "malformed");
        }
    }

    #[test]
    fn other_kinds_and_versions_need_a_newer_version() {
        let refused = |head: [u8; 2]| Signal::decode(&[&head[..], &[0; 8]].concat()).unwrap_err();
        for kind in [0, 6, 255] {
            assert_eq!(refused([1, kind]), ContentError::UnknownKind(kind));
        }
        assert_eq!(refused([2, 4]).reason(), "newer");
    }

    #[test]
    fn every_reason_has_one_number() {
        for code in 0..=255 {
            let why = Why::from(code);
            assert_eq!(u8::from(why), code);
            assert_eq!(matches!(why, Why::Other(_)), !(1..=3).contains(&code));
        }
    }

    #[test]
    fn an_address_where_nobody_can_be_is_refused_and_not_told() {
        let good = at("192.0.2.7", 1);
        assert_eq!(forged(&[good]), Ok((NOW, reach(vec![good]))));
        let nowhere = NOWHERE.map(|ip| at(ip, 1)).into_iter().chain([at("192.0.2.7", 0)]);
        for address in nowhere {
            assert_eq!(forged(&[good, address]), Err(ContentError::BadAddresses), "{address}");
        }
        let nowhere = NOWHERE[..6].iter().map(|ip| at(ip, 1)).chain([at("::1", 0)]);
        let told = reach(nowhere.chain([at("::ffff:192.0.2.7", 1)]).collect()).encode(NOW);
        assert_eq!(Signal::decode(told.expose()), Ok((NOW, reach(vec![good]))));
    }

    #[test]
    fn an_address_of_another_length_is_refused() {
        let good = reach(vec![at("192.0.2.7", 4433)]).encode(NOW).expose().to_vec();
        for length in [0, 4, 5, 7, 16, 18, 255] {
            let mut bytes = good.clone();
            bytes[55] = length;
            assert!(Signal::decode(&bytes).is_err(), "{length}");
        }
    }

    #[test]
    fn of_more_than_eight_addresses_the_first_are_told_and_none_is_read() {
        let many: Vec<_> = (1..=9).map(|port| at("192.0.2.7", port)).collect();
        assert_eq!(forged(&many), Err(ContentError::BadAddresses));
        let told = reach(many.clone()).encode(NOW);
        assert_eq!(Signal::decode(told.expose()), Ok((NOW, reach(many[..8].to_vec()))));
    }

    #[test]
    fn only_a_reach_of_many_long_addresses_is_longer_than_the_rest() {
        let padded = |long, short| {
            let all = (1..=long).map(|port| at("2001:db8::1", port));
            let all = all.chain((1..=short).map(|port| at("192.0.2.7", port)));
            padded_len(reach(all.collect()).encode(NOW).len())
        };
        assert_eq!((padded(5, 1), padded(4, 4)), (160, 160));
        assert_eq!((padded(5, 2), padded(6, 0)), (512, 512));
    }

    proptest! {
        #[test]
        fn garbage_never_panics_and_what_decodes_encodes_the_same(
            mut bytes in prop::collection::vec(any::<u8>(), 2..200), kind in 0u8..5
        ) {
            bytes[0] = 1;
            bytes[1] = kind;
            if let Ok((ts, signal)) = Signal::decode(&bytes) {
                let again = signal.encode(ts);
                prop_assert_eq!(again.expose(), &bytes[..]);
            }
        }

        #[test]
        fn whatever_is_told_is_read(
            addresses in prop::collection::vec(any::<SocketAddr>(), 0..20), attempt: u64
        ) {
            let bytes = Signal::Reach { attempt, answer: false, key: KEY, addresses }.encode(NOW);
            prop_assert!(Signal::decode(bytes.expose()).is_ok());
        }
    }
}
