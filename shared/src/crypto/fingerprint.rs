//! Safety numbers: what two people compare to know they talk to each other.
//!
//! Computed from key bytes alone, never from a name someone chose. The QR form carries both whole
//! keys, so scanning compares all 64 bytes and not a digest of them.

use core::fmt;

use sha2::{Digest as _, Sha512};

use super::label::Label;
use crate::id::NodeId;

/// Each side hashes this often, so that searching for a look-alike costs that much more.
const ROUNDS: usize = 5200;

const QR_MAGIC: &[u8; 4] = b"HBV1";

/// Sixty digits, the same on both sides (PROTOCOL.md, Keys and names).
#[derive(Clone, PartialEq, Eq)]
pub struct SafetyNumber(String);

impl SafetyNumber {
    /// The sixty digits without spaces.
    #[must_use]
    pub fn digits(&self) -> &str {
        &self.0
    }

    /// Its twelve groups of five digits.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.0.as_bytes().chunks(5).map(|group| core::str::from_utf8(group).unwrap_or_default())
    }

    /// The same as twelve words that can be said aloud, one for each group of five digits.
    #[must_use]
    pub fn words(&self) -> String {
        let words: Vec<String> =
            self.groups().map(|group| word(group.parse().unwrap_or(0))).collect();
        words.join(" ")
    }
}

/// Letters that are not easily misheard for one another.
const CONSONANTS: [char; 16] =
    ['b', 'd', 'f', 'g', 'h', 'j', 'k', 'l', 'm', 'n', 'p', 'r', 's', 't', 'v', 'z'];
const VOWELS: [char; 5] = ['a', 'e', 'i', 'o', 'u'];

/// A number below 100,000 as consonant, vowel, consonant, vowel, consonant: 16 * 5 * 16 * 5 * 16 =
/// 102,400 such words.
fn word(number: usize) -> String {
    let mut rest = number;
    let mut letters = [' '; 5];
    for (at, letter) in letters.iter_mut().enumerate().rev() {
        let set: &[char] = if at % 2 == 0 { &CONSONANTS } else { &VOWELS };
        *letter = set.get(rest % set.len()).copied().unwrap_or(' ');
        rest /= set.len();
    }
    letters.iter().collect()
}

impl fmt::Display for SafetyNumber {
    /// Twelve groups of five.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, digit) in self.0.chars().enumerate() {
            if i > 0 && i % 5 == 0 {
                f.write_str(" ")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for SafetyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SafetyNumber({self})")
    }
}

/// The safety number of two identities, in either order.
#[must_use]
pub fn safety_number(a: &NodeId, b: &NodeId) -> SafetyNumber {
    let mut halves = [digits(a), digits(b)];
    halves.sort();
    SafetyNumber(halves.concat())
}

/// What the QR code holds: a mark and both keys, the smaller first.
#[must_use]
pub fn qr_bytes(a: &NodeId, b: &NodeId) -> Vec<u8> {
    let (low, high) = if a <= b { (a, b) } else { (b, a) };
    [&QR_MAGIC[..], low.as_bytes(), high.as_bytes()].concat()
}

/// Thirty digits of one key: `h = label || key`, then 5,200 times `h = SHA-512(h || key)`; six
/// groups of five bytes, big-endian, modulo 100,000.
fn digits(id: &NodeId) -> String {
    let mut state = Label::Fingerprint.info(id.as_bytes());
    for _ in 0..ROUNDS {
        let hash = Sha512::new().chain_update(&state).chain_update(id.as_bytes()).finalize();
        state.clear();
        state.extend_from_slice(&hash);
    }
    let groups = state.chunks_exact(5).take(6);
    groups.map(|g| format!("{:05}", number(g) % 100_000)).collect()
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |n, b| (n << 8) | u64::from(*b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_read_the_same_twelve_groups() {
        let (alice, bob) = (NodeId([1; 32]), NodeId([2; 32]));
        let number = safety_number(&alice, &bob);
        assert_eq!(number, safety_number(&bob, &alice));
        assert_eq!(number.digits().len(), 60);
        let text = number.to_string();
        assert_eq!(text.split(' ').map(str::len).collect::<Vec<_>>(), [5; 12]);
        assert_eq!(qr_bytes(&alice, &bob), qr_bytes(&bob, &alice));
        assert_eq!(qr_bytes(&alice, &bob).len(), 68);
    }

    #[test]
    fn every_group_of_digits_has_a_word_of_its_own() {
        let words: std::collections::BTreeSet<String> = (0..100_000).map(word).collect();
        assert_eq!(words.len(), 100_000);
        assert!(words.iter().all(|word| word.len() == 5 && word.is_ascii()));
        assert_eq!((word(0), word(1), word(16)), ("babab".into(), "babad".into(), "babeb".into()));
        assert_eq!(word(99_999), "zoduz");
        let number = safety_number(&NodeId([1; 32]), &NodeId([2; 32]));
        assert_eq!(number.words().split(' ').count(), 12);
    }

    #[test]
    fn one_changed_bit_changes_the_number() {
        let alice = NodeId([1; 32]);
        let (bob, mut mallory) = (NodeId([2; 32]), NodeId([2; 32]));
        mallory.0[31] ^= 1;
        assert_ne!(safety_number(&alice, &bob), safety_number(&alice, &mallory));
    }
}
