//! Invites: the one line that leads somebody to a hub, and perhaps into a group there.
//!
//! ```text
//! hubbub://HOST:PORT[,HOST:PORT..]/#CODE[.GROUP]
//! CODE  = base32 of  u8 version | hub id (32) | token (16, or nothing) | checksum (4)
//! GROUP = base32 of  u8 version | group id (32) | secret (16, or nothing) | checksum (4)
//! ```
//!
//! What admits and what identifies stands after the `#`, which a browser sends to nobody. The
//! checksum is there for people who copy by hand; it proves nothing. The hub id pins the hub:
//! addresses may be wrong or taken over, and then nothing happens.

use core::net::Ipv6Addr;

use data_encoding::BASE32_NOPAD;

use crate::crypto::{Label, SecretBytes, blake3, hash};
use crate::group::link::{CodeError, GroupCode};
use crate::id::HubId;

/// Most addresses in one invite.
pub const ADDRESSES_MAX: usize = 4;
/// Longest invite in bytes: four host names of 253 letters and the code.
pub const INVITE_MAX: usize = 1_200;

const SCHEME: &str = "hubbub://";
const VERSION: u8 = 1;
const TOKEN: usize = 16;
const CHECKSUM: usize = 4;
const LEN_PLAIN: usize = 1 + HubId::LEN + CHECKSUM;
const LEN_TOKEN: usize = LEN_PLAIN + TOKEN;

/// Where a hub is, how to know it, and perhaps what admits one to it (PROTOCOL.md, Invites). It may
/// hold a secret: no `Debug`, no `Clone`, no `Display`.
pub struct Invite {
    addresses: Vec<String>,
    hub: HubId,
    token: Option<SecretBytes>,
    group: Option<GroupCode>,
}

/// Why a text is no invite, said to the person who pasted it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InviteError {
    /// Something else altogether.
    #[error("this is no Hubbub invite; one begins with {SCHEME}")]
    NotAnInvite,
    /// Longer than an invite can be.
    #[error("this is too long for an invite; was something pasted twice?")]
    TooLong,
    /// No address, or more than fit.
    #[error("an invite names 1 to {ADDRESSES_MAX} addresses of its hub, this one names {0}")]
    Addresses(usize),
    /// An address that is none.
    #[error("\"{0}\" is no address; one looks like chat.example.org:4433 or [2001:db8::1]:4433")]
    BadAddress(String),
    /// The part after `#` is missing.
    #[error("the invite is cut short: the code after # is missing; copy the whole line")]
    NoCode,
    /// The code ends early.
    #[error("the invite is cut short: its code has {0} characters; copy the whole line")]
    CutShort(usize),
    /// The code does not fit its checksum.
    #[error("the invite is mistyped or cut short; copy it again, or ask for a new one")]
    Mistyped,
    /// Of a newer version.
    #[error("the invite has version {0} and needs a newer version of this program")]
    Newer(u8),
}

impl InviteError {
    /// A word for programs; it never changes.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotAnInvite => "not-an-invite",
            Self::TooLong => "too-long",
            Self::Addresses(_) => "addresses",
            Self::BadAddress(_) => "bad-address",
            Self::NoCode => "no-code",
            Self::CutShort(_) => "cut-short",
            Self::Mistyped => "mistyped",
            Self::Newer(_) => "newer",
        }
    }
}

impl Invite {
    /// An invite to `hub` at these addresses (`host:port`, IPv6 in brackets).
    ///
    /// # Errors
    /// [`InviteError::Addresses`] or [`InviteError::BadAddress`].
    pub fn new(
        addresses: Vec<String>,
        hub: HubId,
        token: Option<[u8; TOKEN]>,
    ) -> Result<Self, InviteError> {
        if addresses.is_empty() || addresses.len() > ADDRESSES_MAX {
            return Err(InviteError::Addresses(addresses.len()));
        }
        if let Some(bad) = addresses.iter().find(|a| !is_address(a)) {
            return Err(InviteError::BadAddress(bad.clone()));
        }
        let token = token.map(|t| SecretBytes::from_vec(t.to_vec()));
        Ok(Self { addresses, hub, token, group: None })
    }

    /// The same invite, leading on into a group of that hub.
    #[must_use]
    pub fn into_group(self, group: GroupCode) -> Self {
        Self { group: Some(group), ..self }
    }

    /// The group it leads into.
    #[must_use]
    pub fn group(&self) -> Option<&GroupCode> {
        self.group.as_ref()
    }

    /// Where the hub may be reached, the best address first.
    #[must_use]
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// Which hub it is; nobody else is talked to.
    #[must_use]
    pub fn hub(&self) -> HubId {
        self.hub
    }

    /// What admits to a closed hub: 16 secret bytes.
    #[must_use]
    pub fn token(&self) -> Option<&[u8; TOKEN]> {
        self.token.as_ref()?.expose().try_into().ok()
    }

    /// The line to hand over. It holds the token: for the invited one's eyes, never for a log.
    #[must_use]
    pub fn to_text(&self) -> String {
        let token = self.token.as_ref().map_or(&[][..], SecretBytes::expose);
        let payload = [&[VERSION][..], self.hub.as_bytes(), token].concat();
        let code = BASE32_NOPAD.encode(&[&payload[..], &checksum(&payload)].concat());
        let group = self.group.as_ref().map(|group| format!(".{}", group.to_text()));
        let (addresses, group) = (self.addresses.join(","), group.unwrap_or_default());
        format!("{SCHEME}{addresses}/#{}{group}", code.to_ascii_lowercase())
    }

    /// Reads an invite as somebody pasted it: blanks and line breaks around and inside do not
    /// matter, nor does upper or lower case in the code.
    ///
    /// # Errors
    /// [`InviteError`], worded for that person.
    pub fn parse(text: &str) -> Result<Self, InviteError> {
        let text = text.trim();
        if text.len() > INVITE_MAX {
            return Err(InviteError::TooLong);
        }
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let (scheme, rest) = text.split_at_checked(SCHEME.len()).ok_or(InviteError::NotAnInvite)?;
        if !scheme.eq_ignore_ascii_case(SCHEME) {
            return Err(InviteError::NotAnInvite);
        }
        let (addresses, code) = rest.split_once('#').ok_or(InviteError::NoCode)?;
        let addresses = addresses.strip_suffix('/').unwrap_or(addresses);
        let addresses = match addresses {
            "" => Vec::new(),
            some => some.split(',').map(str::to_owned).collect(),
        };
        let (code, group) = match code.split_once('.') {
            Some((code, group)) => (code, Some(read_group(group)?)),
            None => (code, None),
        };
        let (hub, token) = read_code(code)?;
        Ok(Self { group, ..Self::new(addresses, hub, token)? })
    }
}

fn read_group(code: &str) -> Result<GroupCode, InviteError> {
    GroupCode::parse(code).map_err(|error| match error {
        CodeError::CutShort => InviteError::CutShort(code.len()),
        CodeError::Mistyped => InviteError::Mistyped,
        CodeError::Newer(version) => InviteError::Newer(version),
    })
}

fn read_code(code: &str) -> Result<(HubId, Option<[u8; TOKEN]>), InviteError> {
    if code.is_empty() {
        return Err(InviteError::NoCode);
    }
    let bytes = BASE32_NOPAD.decode(code.to_ascii_uppercase().as_bytes());
    let bytes = SecretBytes::from_vec(bytes.map_err(|_| InviteError::Mistyped)?);
    let (payload, sum) =
        bytes.expose().split_last_chunk::<CHECKSUM>().ok_or(InviteError::CutShort(code.len()))?;
    if checksum(payload) != *sum {
        let short = bytes.len() < LEN_TOKEN && bytes.len() != LEN_PLAIN;
        return Err(if short { InviteError::CutShort(code.len()) } else { InviteError::Mistyped });
    }
    let (version, rest) = payload.split_first().ok_or(InviteError::Mistyped)?;
    if *version != VERSION {
        return Err(InviteError::Newer(*version));
    }
    let (hub, token) = rest.split_first_chunk::<32>().ok_or(InviteError::Mistyped)?;
    let token = match token {
        [] => None,
        token => Some(token.try_into().map_err(|_| InviteError::Mistyped)?),
    };
    Ok((HubId(*hub), token))
}

fn checksum(payload: &[u8]) -> [u8; CHECKSUM] {
    let [a, b, c, d, ..] = blake3(payload).0;
    [a, b, c, d]
}

/// Whether this is `name:port`, `1.2.3.4:port` or `[v6]:port`. Whether it exists is for the
/// network.
fn is_address(address: &str) -> bool {
    let Some((host, port)) = address.rsplit_once(':') else { return false };
    let port_fits =
        port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|p| p > 0);
    let v6 = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let host_fits = match v6 {
        Some(v6) => v6.parse::<Ipv6Addr>().is_ok(),
        None => is_host(host),
    };
    port_fits && host_fits
}

fn is_host(host: &str) -> bool {
    let label = |l: &str| {
        let inner = l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        (1..=63).contains(&l.len()) && inner && !l.starts_with('-') && !l.ends_with('-')
    };
    host.len() <= 253 && host.strip_suffix('.').unwrap_or(host).split('.').all(label)
}

/// A hub's fingerprint for people to compare: eight groups of four letters.
#[must_use]
pub fn fingerprint(hub: &HubId) -> String {
    let full = BASE32_NOPAD.encode(&hash(Label::Fingerprint, &[hub.as_bytes()]));
    let letters: Vec<char> = full.to_ascii_lowercase().chars().take(32).collect();
    let groups: Vec<String> = letters.chunks(4).map(|g| g.iter().collect()).collect();
    groups.join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HUB: HubId = HubId([3; 32]);

    fn invite(token: Option<[u8; 16]>) -> Invite {
        let addresses = vec!["chat.example.org:4433".into(), "[2001:db8::1]:4433".into()];
        Invite::new(addresses, HUB, token).unwrap_or_else(|e| panic!("{e}"))
    }

    fn why(text: &str) -> &'static str {
        Invite::parse(text).err().map_or("accepted", |e| e.reason())
    }

    #[test]
    fn an_invite_survives_being_copied() {
        for token in [None, Some([9; 16])] {
            let text = invite(token).to_text();
            let (start, code) = text.split_once('#').unwrap();
            let (left, right) = code.split_at(20);
            let shouted = format!("  {start}#{}\n {} ", left.to_uppercase(), right);
            for copy in [text.clone(), shouted, text.replacen("hubbub", "Hubbub", 1)] {
                let read = Invite::parse(&copy).unwrap_or_else(|e| panic!("{e}"));
                assert_eq!((read.hub(), read.token()), (HUB, token.as_ref()));
                assert_eq!(read.addresses(), invite(None).addresses());
            }
        }
    }

    #[test]
    fn the_secret_stands_after_the_hash_sign_alone() {
        let (with, without) = (invite(Some([9; 16])).to_text(), invite(None).to_text());
        assert_eq!(with.split_once('#').unwrap().0, without.split_once('#').unwrap().0);
        assert!(with.starts_with("hubbub://chat.example.org:4433,[2001:db8::1]:4433/#"));
    }

    #[test]
    fn every_cut_is_noticed() {
        let text = invite(Some([9; 16])).to_text();
        for end in 0..text.len() {
            assert_ne!(why(&text[..end]), "accepted", "cut at {end}");
        }
        assert_eq!(why(&text[..text.len() - 5]), "cut-short");
        assert_eq!(why(text.split_once('#').unwrap().0), "no-code");
    }

    #[test]
    fn every_mistake_has_its_own_words() {
        let text = invite(None).to_text();
        let code = text.split_once('#').unwrap().1;
        assert_eq!(why("https://example.org/"), "not-an-invite");
        assert_eq!(why(""), "not-an-invite");
        assert_eq!(why(&text.repeat(20)), "too-long");
        assert_eq!(why(&format!("hubbub:///#{code}")), "addresses");
        assert_eq!(why(&format!("hubbub://a:1,b:1,c:1,d:1,e:1/#{code}")), "addresses");
        for bad in ["host", "host:0", "host:65536", "host:+1", ":1", "[::1:1", "a b:1x", "a..b:1"] {
            assert_eq!(why(&format!("hubbub://{bad}/#{code}")), "bad-address", "{bad}");
        }
        assert_eq!(why(&text.replace(code, "0189")), "mistyped");
    }

    #[test]
    fn an_invite_of_a_newer_version_is_called_newer() {
        let payload = [&[2][..], &[0; 50]].concat();
        let code = BASE32_NOPAD.encode(&[&payload[..], &checksum(&payload)].concat());
        assert_eq!(why(&format!("hubbub://host:1/#{code}")), "newer");
    }

    #[test]
    fn a_fingerprint_is_eight_groups_of_four() {
        let text = fingerprint(&HUB);
        assert_eq!(text.split(' ').map(str::len).collect::<Vec<_>>(), [4; 8]);
        assert_ne!(text, fingerprint(&HubId([4; 32])));
    }

    proptest! {
        #[test]
        fn one_wrong_letter_is_noticed(at in 0usize..85, letter in 0usize..32) {
            let text = invite(Some([9; 16])).to_text();
            let start = text.find('#').unwrap() + 1;
            let mut wrong = text.clone().into_bytes();
            wrong[start + at] = b"abcdefghijklmnopqrstuvwxyz234567"[letter];
            let wrong = String::from_utf8(wrong).unwrap();
            prop_assert!(wrong == text || why(&wrong) != "accepted");
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,80}") {
            why(&text);
            why(&format!("hubbub://{text}"));
            why(&format!("hubbub://host:1/#{text}"));
        }
    }
}
