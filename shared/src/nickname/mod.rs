//! Nicknames: how a name is written, when two look alike, and who holds one.
//!
//! Invariant: a [`Nickname`] is in its one prepared form (PRECIS UsernameCasePreserved: full-width
//! letters mapped, composed, no blanks or invisible characters), in a single script, and free of
//! the signs other texts use around names. Hub and node prepare names with this same code.
//!
//! A name proves nothing: a contact is pinned by key, and a name that points to another key later
//! never moves a contact.

mod claim;

use core::fmt;

use precis_profiles::UsernameCasePreserved;
use precis_profiles::precis_core::Error as PrecisError;
use precis_profiles::precis_core::profile::PrecisFastInvocation;
use unicode_security::{MixedScript, skeleton};

pub use claim::{ClaimError, NickClaim, claim_hash};

use crate::limits::{NICKNAME_BYTES, NICKNAME_CHARS};

/// Signs that mean something next to a name, and so are not part of one.
const SIGNS: [char; 4] = ['#', '@', ':', '/'];
/// Words that stand for more than one person.
const RESERVED: [&str; 4] = ["lobby", "everyone", "all", "hub"];

/// Why a name cannot be a nickname, said to the person who typed it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NicknameError {
    /// Nothing there.
    #[error("a nickname needs at least one letter")]
    Empty,
    /// Too many characters.
    #[error("a nickname has at most {NICKNAME_CHARS} characters; this one has {0}")]
    TooLong(usize),
    /// Blanks inside.
    #[error("a nickname has no blanks; try \"{0}\"")]
    Blank(String),
    /// A sign that means something next to a name.
    #[error("\"{0}\" cannot be part of a nickname")]
    Sign(char),
    /// It would be taken for an option.
    #[error("a nickname does not begin with \"-\"")]
    LeadingDash,
    /// A character that is invisible, decorative or ambiguous.
    #[error("a nickname is letters and digits; {} cannot be part of it", .0.escape_unicode())]
    Character(char),
    /// Letters that run both ways in an order that is unclear.
    #[error("this mix of left-to-right and right-to-left letters cannot be shown reliably")]
    Direction,
    /// Letters of several scripts.
    #[error("a nickname uses the letters of one script; this one mixes several that look alike")]
    MixedScripts,
    /// A word with a meaning, or one that looks like it.
    #[error("\"{0}\" is reserved; choose another nickname")]
    Reserved(&'static str),
}

impl NicknameError {
    /// A word for programs; it never changes.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong(_) => "too-long",
            Self::Blank(_) => "blank",
            Self::Sign(_) => "sign",
            Self::LeadingDash => "leading-dash",
            Self::Character(_) => "character",
            Self::Direction => "direction",
            Self::MixedScripts => "mixed-scripts",
            Self::Reserved(_) => "reserved",
        }
    }
}

/// A nickname in its prepared form (PROTOCOL.md, Nicknames): 1 to [`NICKNAME_CHARS`] characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nickname(String);

impl fmt::Display for Nickname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Nickname {
    /// Prepares a name as somebody typed it.
    ///
    /// # Errors
    /// [`NicknameError`], worded for that person.
    pub fn prepare(typed: &str) -> Result<Self, NicknameError> {
        let trimmed = typed.trim();
        if trimmed.len() > NICKNAME_BYTES * 4 {
            return Err(NicknameError::TooLong(trimmed.chars().count()));
        }
        if trimmed.contains(char::is_whitespace) {
            let joined = trimmed.split_whitespace().collect::<Vec<_>>().join("_");
            return Err(NicknameError::Blank(joined));
        }
        let name = prepared(trimmed)?;
        if let Some(sign) = name.chars().find(|c| SIGNS.contains(c)) {
            return Err(NicknameError::Sign(sign));
        }
        if name.starts_with('-') {
            return Err(NicknameError::LeadingDash);
        }
        let count = name.chars().count();
        if count > NICKNAME_CHARS || name.len() > NICKNAME_BYTES {
            return Err(NicknameError::TooLong(count));
        }
        if !name.as_str().is_single_script() {
            return Err(NicknameError::MixedScripts);
        }
        let name = Self(name);
        match RESERVED.into_iter().find(|word| name.looks_like(&Self((*word).to_owned()))) {
            Some(word) => Err(NicknameError::Reserved(word)),
            None => Ok(name),
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the name looks like in small letters: equal for names a person may confuse. For looking
    /// up, never for showing. See also [`Self::capital_skeleton`].
    #[must_use]
    pub fn skeleton(&self) -> String {
        fold(&self.0.to_lowercase())
    }

    /// What the name looks like in capitals: some letters are alike only there (Latin B, Greek Β).
    #[must_use]
    pub fn capital_skeleton(&self) -> String {
        fold(&self.0.to_uppercase())
    }

    /// What the name looks like in small letters, in capitals and as it is written: some letters
    /// are alike only in the case they stand in (Cyrillic "Наггу" and Latin "Harry").
    #[must_use]
    pub fn skeletons(&self) -> [String; 3] {
        skeletons(&self.0)
    }

    /// Whether a person may take one for the other. Whoever keeps names apart compares all of their
    /// skeletons.
    #[must_use]
    pub fn looks_like(&self, other: &Self) -> bool {
        look_alike(&self.skeletons(), &other.skeletons())
    }
}

/// Whether two names have a skeleton in common.
pub(crate) fn look_alike(one: &[String; 3], other: &[String; 3]) -> bool {
    one.iter().any(|skeleton| other.contains(skeleton))
}

/// What any name looks like in small letters, in capitals and as it is written.
pub(crate) fn skeletons(name: &str) -> [String; 3] {
    [fold(&name.to_lowercase()), fold(&name.to_uppercase()), fold(name)]
}

/// The confusable skeleton of Unicode TR 39, without case. It treats capital I and small l as one
/// but not small i, which would keep "ALICE" and "alice" apart; so all three are one here.
pub(crate) fn fold(name: &str) -> String {
    let seen: String = skeleton(name).collect();
    seen.to_lowercase().chars().map(|c| if c == 'i' { 'l' } else { c }).collect()
}

fn prepared(name: &str) -> Result<String, NicknameError> {
    if name.is_empty() {
        return Err(NicknameError::Empty);
    }
    let once = UsernameCasePreserved::enforce(name).map_err(|e| explain(&e))?.into_owned();
    let twice = UsernameCasePreserved::enforce(once.as_str()).map_err(|e| explain(&e))?;
    if twice == once { Ok(once) } else { Err(NicknameError::Direction) }
}

fn explain(error: &PrecisError) -> NicknameError {
    match error {
        PrecisError::BadCodepoint(info) => {
            NicknameError::Character(char::from_u32(info.cp).unwrap_or(char::REPLACEMENT_CHARACTER))
        }
        PrecisError::Invalid | PrecisError::Unexpected(_) => NicknameError::Direction,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(typed: &str) -> Nickname {
        Nickname::prepare(typed).unwrap()
    }

    fn why(typed: &str) -> &'static str {
        Nickname::prepare(typed).map_or_else(|e| e.reason(), |_| "accepted")
    }

    #[test]
    fn ordinary_names_of_many_scripts_are_accepted() {
        for typed in ["alice", "Bob_2", "Zoë", "Ольга", "美咲", "ひろし", "दीपा", "יעל", "a"]
        {
            assert_eq!(why(typed), "accepted", "{typed}");
        }
        assert_eq!(name(" ａｌｉｃｅ\n").as_str(), "alice");
        assert_eq!(name("Zoe\u{308}").as_str(), "Zoë");
    }

    #[test]
    fn every_mistake_has_its_own_words() {
        for (typed, reason) in [
            ("", "empty"),
            ("  ", "empty"),
            ("two words", "blank"),
            ("a\u{a0}b", "blank"),
            ("a#b", "sign"),
            ("a@b", "sign"),
            ("a:b", "sign"),
            ("a/b", "sign"),
            ("a＃b", "sign"),
            ("-rf", "leading-dash"),
            ("a\u{200b}b", "character"),
            ("a\u{202e}b", "character"),
            ("a\u{7}b", "character"),
            ("😀", "character"),
            ("alicе", "mixed-scripts"),
            ("Hub", "reserved"),
            ("LOBBY", "reserved"),
            ("l0bby", "reserved"),
            ("аll", "mixed-scripts"),
        ] {
            assert_eq!(why(typed), reason, "{typed:?}");
        }
        assert_eq!(why(&"x".repeat(32)), "accepted");
        assert_eq!(why(&"x".repeat(33)), "too-long");
        assert_eq!(why(&"x".repeat(100_000)), "too-long");
        assert_eq!(Nickname::prepare("two  words"), Err(NicknameError::Blank("two_words".into())));
    }

    #[test]
    fn names_a_person_may_confuse_look_alike() {
        for (one, other) in [
            ("alice", "ALICE"),
            ("alice", "AIice"),
            ("alice", "a1ice"),
            ("bob", "b0b"),
            ("coco", "сосо"),
            ("ABE", "ΑΒΕ"),
            ("Harry", "Наггу"),
            ("harry", "Наггу"),
            ("modern", "modem"),
            ("Ольга", "ольга"),
        ] {
            assert!(name(one).looks_like(&name(other)), "{one} {other}");
            assert_ne!(name(one), name(other));
        }
        for (one, other) in [("alice", "alicia"), ("bob", "rob"), ("carol", "carla")] {
            assert!(!name(one).looks_like(&name(other)), "{one} {other}");
        }
    }

    proptest! {
        #[test]
        fn what_is_prepared_stays_as_it_is(typed in "\\PC{1,40}|[a-zA-Z0-9_.]{1,40}|\\w{1,20}") {
            if let Ok(once) = Nickname::prepare(&typed) {
                prop_assert_eq!(Nickname::prepare(once.as_str()), Ok(once.clone()));
                prop_assert!(once.as_str().chars().count() <= NICKNAME_CHARS);
                prop_assert!(!once.skeleton().is_empty());
            }
        }
    }
}
