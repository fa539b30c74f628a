//! Comparing safety numbers, and what follows from it.

use hubbub_shared::crypto::fingerprint::{SafetyNumber, qr_bytes, safety_number};
use hubbub_shared::id::NodeId;

use super::Engine;
use super::contact::same;
use super::record::Key;
use crate::api::command::Shown;
use crate::api::people::Past;
use crate::api::view::SafetyView;
use crate::api::{ApiError, Code, Event};

/// Characters of something pasted that are repeated in an error.
const QUOTED: usize = 16;

impl Engine {
    /// The safety number with somebody.
    #[must_use]
    pub fn safety(&self, node: &NodeId) -> SafetyView {
        let number = safety_number(&self.id(), node);
        SafetyView {
            person: self.person(node),
            words: number.words(),
            number: number.to_string(),
            qr: data_encoding::HEXLOWER.encode(&qr_bytes(&self.id(), node)),
        }
    }

    /// A contact is verified from now on, or not any more.
    pub(super) fn set_verified(&mut self, node: NodeId, verified: bool) {
        self.befriend(node);
        if core::mem::replace(&mut self.meet(node).verified, verified) != verified {
            let what = if verified { Past::Verified } else { Past::Unverified };
            self.note_past(node, what);
        }
        self.touch(Key::Contact(node));
        self.event(Event::ContactsChanged);
    }

    /// Compares what the other device shows, and marks the contact verified when it is the same.
    pub(super) fn compare(&mut self, node: NodeId, shown: &Shown) -> Result<(), ApiError> {
        let number = safety_number(&self.id(), &node);
        match shown {
            Shown::Number(typed) => compare_number(&number, typed)?,
            Shown::Words(typed) => compare_words(&number, typed)?,
            Shown::Qr(hex) => self.compare_code(node, hex)?,
        }
        self.set_verified(node, true);
        Ok(())
    }

    /// Both keys, whole: says whose is another.
    fn compare_code(&self, node: NodeId, hex: &str) -> Result<(), ApiError> {
        let code = data_encoding::HEXLOWER_PERMISSIVE.decode(hex.trim().as_bytes()).ok();
        let keys = code.as_deref().and_then(|code| code.strip_prefix(b"HBV1"));
        let Some((low, high)) = keys.filter(|keys| keys.len() == 64).map(|keys| keys.split_at(32))
        else {
            let what = "this is no code of ours: 136 hex digits, which begin with 48425631";
            return Err(ApiError::new(Code::Usage, what, "scan the code again"));
        };
        let me = self.id();
        let has = |key: &NodeId| [low, high].contains(&key.as_bytes().as_slice());
        let whose = match (has(&me), has(&node)) {
            (true, true) => return Ok(()),
            (true, false) => "their key is another than the one known here",
            (false, true) => "our key is another than the one they know",
            (false, false) => "it is of two other keys",
        };
        Err(differs(format!("the code is not the same: {whose}")))
    }
}

fn compare_number(number: &SafetyNumber, typed: &str) -> Result<(), ApiError> {
    let digits: String = typed.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    if digits.len() != 60 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let what = format!("a safety number has sixty digits, this has {}", digits.chars().count());
        return Err(ApiError::new(Code::Usage, what, "copy all twelve groups"));
    }
    let theirs =
        digits.as_bytes().chunks(5).map(|group| String::from_utf8_lossy(group).into_owned());
    first_difference(number.groups().map(str::to_owned), theirs, "group")
}

fn compare_words(number: &SafetyNumber, typed: &str) -> Result<(), ApiError> {
    let split = |c: char| c.is_whitespace() || c == '-' || c == ',';
    let theirs: Vec<String> =
        typed.split(split).filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
    if theirs.len() != 12 {
        let what = format!("there are twelve words to compare, this has {}", theirs.len());
        return Err(ApiError::new(Code::Usage, what, "copy all of them"));
    }
    let ours = number.words();
    first_difference(ours.split(' ').map(str::to_owned), theirs.into_iter(), "word")
}

fn first_difference(
    ours: impl Iterator<Item = String>,
    theirs: impl Iterator<Item = String>,
    what: &str,
) -> Result<(), ApiError> {
    let mut apart = (1..).zip(ours.zip(theirs)).filter(|(_, (a, b))| !same(a, b));
    let Some((at, (ours, theirs))) = apart.next() else { return Ok(()) };
    let more = apart.count();
    let theirs: String = theirs.chars().take(QUOTED).collect();
    let others = if more == 0 { String::new() } else { format!(", and {more} more differ") };
    Err(differs(format!("{what} {at} is {ours} here and {theirs} there{others}")))
}

/// The keys are not what they should be, or something was copied wrongly.
fn differs(what: String) -> ApiError {
    let hint = "nothing was marked; compare once more, and if it differs again, somebody stands \
                between you: tell each other over another way";
    ApiError::new(Code::Differs, what, hint)
}

#[cfg(test)]
mod tests {
    use hubbub_shared::crypto::{Identity, Secret32};
    use hubbub_shared::time::Timestamp;

    use super::*;
    use crate::api::view::Path;

    fn identity(seed: u8) -> Identity {
        Identity::from_seed(Secret32::from_bytes([seed; 32]))
    }

    fn engine(seed: u8) -> Engine {
        let now = Timestamp(1_790_000_000_000);
        Engine::new(identity(seed), identity(9).hub_id(), Vec::new(), [7; 32], now).unwrap()
    }

    #[test]
    fn what_bob_shows_in_any_form_verifies_him_and_what_mallory_shows_does_not() {
        let (bob, mallory, alice) = (engine(2), engine(66), identity(1).id());
        let theirs = bob.safety(&alice);
        let spaced = theirs.words.to_uppercase().replace(' ', "-");
        let forms = [
            Shown::Number(theirs.number.clone()),
            Shown::Number(theirs.number.replace(' ', "")),
            Shown::Words(theirs.words.clone()),
            Shown::Words(spaced),
            Shown::Qr(theirs.qr.to_uppercase()),
        ];
        for shown in forms {
            let mut alice = engine(1);
            alice.compare(bob.id(), &shown).unwrap();
            assert!(alice.person(&bob.id()).verified, "{shown:?}");
        }
        let false_ones = mallory.safety(&alice);
        let mut alice = engine(1);
        let said = |shown: Shown, alice: &mut Engine| alice.compare(bob.id(), &shown).unwrap_err();
        let number = said(Shown::Number(false_ones.number), &mut alice);
        assert!(number.what.contains(" here and "), "{number}");
        let words = said(Shown::Words(false_ones.words), &mut alice);
        assert!(words.what.contains("word "), "{words}");
        let code = said(Shown::Qr(false_ones.qr), &mut alice);
        assert!(code.what.contains("their key is another"), "{code}");
        assert!([number, words, code].iter().all(|error| error.code == Code::Differs));
        assert!(!alice.person(&bob.id()).verified && alice.contacts(|_| Path::Stored).is_empty());
    }

    #[test]
    fn the_first_group_that_differs_is_named() {
        let (mut alice, bob) = (engine(1), identity(2).id());
        let number = alice.safety(&bob).number;
        let mut groups: Vec<String> = number.split(' ').map(str::to_owned).collect();
        let ours = core::mem::replace(&mut groups[6], "00000".to_owned());
        let error = alice.compare(bob, &Shown::Number(groups.join(" "))).unwrap_err();
        assert_eq!(error.what, format!("group 7 is {ours} here and 00000 there"));
    }

    #[test]
    fn something_else_than_a_safety_number_is_a_mistake_and_no_alarm() {
        let (mut alice, bob) = (engine(1), identity(2).id());
        let typed = [
            Shown::Number("12345".to_owned()),
            Shown::Number("x".repeat(60)),
            Shown::Words("one two".to_owned()),
            Shown::Qr("48425631".to_owned()),
            Shown::Qr("not hex".to_owned()),
        ];
        for shown in typed {
            assert_eq!(alice.compare(bob, &shown).unwrap_err().code, Code::Usage, "{shown:?}");
        }
    }
}
