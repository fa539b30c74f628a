//! Passphrases of groups: made, judged, and turned into what the exchange takes.
//!
//! Nobody can test guesses offline, so a passphrase need not stand against a machine that guesses
//! for a year. It has to stand against people who guess online, some at a time, at every keeper,
//! whenever an admin opens the door anew; and it must not be what everybody tries first.

use rand_core::CryptoRng;
use unicode_normalization::UnicodeNormalization;

use crate::crypto::passphrase::{MAX_PASSPHRASE, Params, PassphraseError, derive_key};
use crate::crypto::{Label, Secret32, SecretBytes, hash};
use crate::id::GroupId;
use crate::limits::PASSPHRASE_BITS;

/// Sixteen consonants and four vowels that are heard apart: four bits and two.
const CONSONANTS: &[u8; 16] = b"bdfghjklmnprstvz";
const VOWELS: &[u8; 4] = b"aiou";
/// Words in a passphrase that is made: sixteen bits each.
const WORDS: usize = 4;
/// No character grows by more when it is composed for compatibility (U+FDFA: 3 bytes to 33).
const NFKC_GROWTH: usize = 11;

/// What the exchange takes in the place of the passphrase. Whoever has it can come in, so it is
/// stored as a key is. It serves one group alone.
pub struct Prs(Secret32);

impl Prs {
    /// One that was stored, or was handed over by another keeper.
    #[must_use]
    pub fn from_secret(secret: Secret32) -> Self {
        Self(secret)
    }

    /// The secret itself, to be stored, or handed to another keeper.
    #[must_use]
    pub fn secret(&self) -> &Secret32 {
        &self.0
    }

    /// A second copy, for a door and the log's word beside it.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(self.0.duplicate())
    }
}

/// Why a text cannot be a passphrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPassphrase {
    /// There is nothing in it.
    #[error("the passphrase is empty")]
    Empty,
    /// It is longer than the derivation takes.
    #[error("the passphrase is too long; use at most 1,024 bytes")]
    TooLong,
    /// It would be guessed. Only asked of one who sets a passphrase.
    #[error("too easy to guess (about {bits} bits); use more words, or let one be made")]
    Weak {
        /// What it was reckoned at; [`PASSPHRASE_BITS`] are needed.
        bits: u32,
    },
}

/// A group's passphrase, composed for compatibility (NFKC), so that it is the same however it was
/// typed. Case and spaces count.
pub struct Passphrase(SecretBytes);

impl Passphrase {
    /// A passphrase as typed, by one who sets it or one who uses it.
    ///
    /// # Errors
    /// [`BadPassphrase`] when it is empty or too long.
    pub fn typed(text: &str) -> Result<Self, BadPassphrase> {
        if text.len() > MAX_PASSPHRASE {
            return Err(BadPassphrase::TooLong);
        }
        // Room for all of it: growing would leave a copy behind.
        let mut composed = Vec::with_capacity(NFKC_GROWTH * text.len());
        for letter in text.nfkc() {
            composed.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
        }
        let composed = SecretBytes::from_vec(composed);
        match composed.len() {
            0 => Err(BadPassphrase::Empty),
            1..=MAX_PASSPHRASE => Ok(Self(composed)),
            _ => Err(BadPassphrase::TooLong),
        }
    }

    /// A fresh one of 64 random bits, in four words to be read out: `ribal-tokun-vasif-modug`.
    #[must_use]
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut text = Vec::with_capacity(WORDS * 6);
        for word in 0..WORDS {
            if word > 0 {
                text.push(b'-');
            }
            let mut random = [0; 2];
            rng.fill_bytes(&mut random);
            push_word(&mut text, u16::from_be_bytes(random));
        }
        Self(SecretBytes::from_vec(text))
    }

    /// The text, to be shown to whoever may know it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Both ways to make one write UTF-8 alone.
        core::str::from_utf8(self.0.expose()).unwrap_or_default()
    }

    /// Refuses one that would be guessed. To be asked of whoever sets a passphrase, not of one who
    /// uses it.
    ///
    /// # Errors
    /// [`BadPassphrase::Weak`] below [`PASSPHRASE_BITS`].
    pub fn check_strength(&self) -> Result<(), BadPassphrase> {
        let bits = self.bits();
        if bits < PASSPHRASE_BITS { Err(BadPassphrase::Weak { bits }) } else { Ok(()) }
    }

    /// How many bits it is reckoned at: see [`reckon`].
    #[must_use]
    pub fn bits(&self) -> u32 {
        reckon(self.as_str())
    }

    /// What the exchange takes for this group: Argon2id over 64 MiB, about an eighth of a second,
    /// so never on a thread that serves anything else.
    ///
    /// # Errors
    /// [`PassphraseError`] when there is no memory for it.
    pub fn prs(&self, gid: &GroupId) -> Result<Prs, PassphraseError> {
        let digest = hash(Label::CpaceCi, &[gid.as_bytes()]);
        let mut salt = [0; 16];
        salt.copy_from_slice(&digest[..16]);
        derive_key(self.0.expose(), &salt, Params { mib: 64, passes: 3, lanes: 1 }).map(Prs)
    }
}

/// Five letters for sixteen bits, the first bits first: consonant, vowel, consonant, vowel,
/// consonant.
fn push_word(text: &mut Vec<u8>, bits: u16) {
    let (c, v) = (CONSONANTS.as_slice(), VOWELS.as_slice());
    for (shift, letters) in [(12, c), (10, v), (6, c), (4, v), (0, c)] {
        let at = usize::from(bits >> shift) % letters.len();
        text.extend(letters.get(at));
    }
}

/// Tenths of a bit for one character, by what it is.
mod worth {
    /// A letter behind a letter: people write words.
    pub(super) const LETTER_BEHIND_LETTER: u32 = 25;
    /// Any other letter: one of 26.
    pub(super) const LETTER: u32 = 47;
    /// A digit: one of ten.
    pub(super) const DIGIT: u32 = 33;
    /// A mark that was not used before: one of some thirty.
    pub(super) const MARK: u32 = 50;
    /// A mark that was.
    pub(super) const MARK_AGAIN: u32 = 10;
    /// A letter of a script with a sign for each syllable or word.
    pub(super) const SIGN: u32 = 60;
}

/// From here on in Unicode each sign stands for a syllable or a word.
const SIGNS: char = '\u{2e80}';
/// A repetition of fewer characters is chance.
const REPETITION: usize = 3;

/// Reckons how hard a passphrase is to guess, in bits. It knows no dictionary, so it errs in both
/// directions: it takes every letter inside a word for little, which does wrong to random letters,
/// and it does not know a famous phrase from another. What it refuses is weak or nearly so; what
/// it lets pass need not be strong. Each character counts once:
///
/// * nothing when it is like the one before, goes on counting (`abc`, `321`), or repeats, capitals
///   aside, three or more characters that stood before
/// * 2.5 bits as a letter behind a letter, 4.7 as another letter, 3.3 as a digit
/// * 5 bits as a mark or space, 1 when that was used before; 6 bits as a sign of a script with
///   one for each syllable or word
#[must_use]
pub fn reckon(passphrase: &str) -> u32 {
    let text: Vec<char> = passphrase.chars().collect();
    let repeated = repeated(&text);
    let all = text.iter().zip(repeated).enumerate();
    let tenths: u32 = all.map(|(at, (_, known))| if known { 0 } else { tenths(&text, at) }).sum();
    tenths / 10
}

fn tenths(text: &[char], at: usize) -> u32 {
    let (before, rest) = text.split_at(at);
    let Some(&this) = rest.first() else { return 0 };
    let last = before.last().copied();
    if last == Some(this) || goes_on(before, this) {
        0
    } else if this >= SIGNS {
        worth::SIGN
    } else if this.is_alphabetic() {
        let inside = last.is_some_and(char::is_alphabetic);
        if inside { worth::LETTER_BEHIND_LETTER } else { worth::LETTER }
    } else if this.is_numeric() {
        worth::DIGIT
    } else if before.contains(&this) {
        worth::MARK_AGAIN
    } else {
        worth::MARK
    }
}

/// Whether `this` takes the same step of one, up or down, as the two before it.
fn goes_on(before: &[char], this: char) -> bool {
    let [.., first, second] = before else { return false };
    let step = |from: char, to: char| i64::from(u32::from(to)) - i64::from(u32::from(from));
    let taken = step(*first, *second);
    taken.abs() == 1 && taken == step(*second, this)
}

/// Which characters belong to a stretch of three or more that stood before, capitals aside.
fn repeated(text: &[char]) -> Vec<bool> {
    let folded: Vec<char> = text.iter().flat_map(|c| c.to_lowercase().next()).collect();
    let mut known = vec![false; folded.len()];
    for (at, window) in folded.windows(REPETITION).enumerate() {
        let earlier = folded.get(..at).unwrap_or_default();
        if earlier.windows(REPETITION).any(|other| other == window) {
            for mark in known.iter_mut().skip(at).take(REPETITION) {
                *mark = true;
            }
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    const GID: GroupId = GroupId([1; 32]);

    fn typed(text: &str) -> Passphrase {
        Passphrase::typed(text).unwrap()
    }

    #[test]
    fn a_passphrase_is_the_same_however_it_was_typed() {
        let prs = |text| *typed(text).prs(&GID).unwrap().secret().expose();
        assert_eq!(typed("caf\u{e9} \u{fb01}n").as_str(), typed("cafe\u{301} fin").as_str());
        assert_eq!(prs("cafe\u{301}"), prs("caf\u{e9}"));
        assert_ne!(prs("Caf\u{e9}"), prs("caf\u{e9}"));
        let elsewhere = typed("caf\u{e9}").prs(&GroupId([2; 32])).unwrap();
        assert_ne!(*elsewhere.secret().expose(), prs("caf\u{e9}"));
    }

    #[test]
    fn nothing_and_too_much_are_no_passphrase() {
        let refused = |text: &str| Passphrase::typed(text).err();
        assert_eq!(refused(""), Some(BadPassphrase::Empty));
        assert_eq!(refused(&"x".repeat(1_024)), None);
        assert_eq!(refused(&"x".repeat(1_025)), Some(BadPassphrase::TooLong));
        assert_eq!(refused(&"\u{fdfa}".repeat(341)), Some(BadPassphrase::TooLong));
    }

    #[test]
    fn composing_never_needs_more_room_than_was_made() {
        for letter in '\0'..=char::MAX {
            let text = letter.to_string();
            let composed: usize = text.nfkc().map(char::len_utf8).sum();
            assert!(composed <= NFKC_GROWTH * text.len(), "{letter:?}");
        }
    }

    #[test]
    fn a_made_passphrase_has_64_bits_that_can_be_read_back() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mut same = ChaCha20Rng::seed_from_u64(1);
        for _ in 0..200 {
            let made = Passphrase::generate(&mut rng);
            let mut random = [0; 8];
            for pair in random.chunks_mut(2) {
                rand_core::Rng::fill_bytes(&mut same, pair);
            }
            assert_eq!(read_back(made.as_str()), u64::from_be_bytes(random));
            assert_eq!(made.check_strength(), Ok(()), "{}", made.as_str());
            assert_eq!(typed(made.as_str()).as_str(), made.as_str());
        }
    }

    fn read_back(text: &str) -> u64 {
        text.bytes().filter(|letter| *letter != b'-').fold(0, |bits, letter| {
            let consonant = CONSONANTS.iter().position(|c| *c == letter);
            let vowel = VOWELS.iter().position(|c| *c == letter);
            let (width, at) = consonant.map_or_else(|| (2, vowel.unwrap()), |at| (4, at));
            (bits << width) | u64::try_from(at).unwrap()
        })
    }

    #[test]
    fn what_everybody_tries_first_is_refused() {
        for weak in [
            "123456",
            "1234567890987654321",
            "password",
            "Password1!",
            "qwertyuiop",
            "iloveyou",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "abcdefghijklmnopqrstuvwxyz",
            "monkey monkey Monkey MONKEY monkey",
            "hunter2",
            "alice1987",
            "tea at noon",
            "!!!!!!!!!!!!!!!!!!!!",
            "20261126",
            "-",
        ] {
            let bits = typed(weak).bits();
            assert_eq!(typed(weak).check_strength(), Err(BadPassphrase::Weak { bits }), "{weak}");
        }
    }

    #[test]
    fn what_takes_long_to_guess_is_accepted() {
        for strong in [
            "correct horse battery staple",
            "vier alte Hexen trinken Milch",
            "ribal-tokun-vasif-modug",
            "k7q2m9xr4tp8",
            "8310 5527 9046 3",
            "四月の雨は静かに降る",
        ] {
            assert_eq!(typed(strong).check_strength(), Ok(()), "{strong}: {}", reckon(strong));
        }
    }

    #[test]
    fn each_rule_of_reckoning_holds() {
        assert_eq!(reckon(""), 0);
        assert_eq!(reckon("ax"), 7); // 4.7 and 2.5
        assert_eq!(reckon("a1x2"), 16); // 4.7, 3.3, 4.7, 3.3
        assert_eq!(reckon("aaaa"), 4);
        assert_eq!(reckon("abcd"), 7); // the step is counted once
        assert_eq!(reckon("4321"), 6);
        assert_eq!(reckon("a-x-"), 15); // the second mark adds one
        assert_eq!(reckon("wolfWOLF"), 12); // the repetition adds nothing
        assert_eq!(reckon("\u{732b}\u{72ac}"), 12);
    }
}
