//! Which files are fetched without asking. Pure: what is offered and by whom, against the settings.

use hubbub_shared::content::FileName;
use hubbub_shared::time::Millis;

use crate::api::file::AcceptFrom;
use crate::api::{FileRule, FileSettings};
use crate::engine::media;

/// Files of one person, or by the rule of one conversation, that are fetched or wait for it without
/// anybody having been asked; what is offered beyond it waits for a person.
pub(super) const UNASKED: usize = 16;
/// The bytes that come so in a [`DAY`], as a multiple of the
/// largest one that does: 256 MiB unless the rules say otherwise.
pub(super) const UNASKED_A_DAY: u64 = 128;
/// What is meant by a day.
pub(super) const DAY: Millis = Millis::days(1);

/// What somebody is to us, where a file of theirs is offered; each is also everything before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// Nothing: also whoever is only in the lobby with us.
    Stranger,
    /// In a closed group with us, in which they offer it.
    Member,
    /// A contact.
    Contact,
    /// A contact whose safety number was compared.
    Verified,
}

/// What an offer says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offer<'a> {
    pub(super) size: u64,
    pub(super) name: &'a str,
    pub(super) media: &'a str,
    pub(super) folder: bool,
    pub(super) from: Standing,
    /// What is said of whoever offers it.
    pub(super) rule: FileRule,
    /// What is said of the conversation it is offered in.
    pub(super) there: FileRule,
}

impl Offer<'_> {
    /// Whether it comes because of the conversation it is offered in.
    pub(super) fn comes_by_conversation(&self) -> bool {
        (self.rule, self.there) == (FileRule::Default, FileRule::Always)
    }
}

/// Whether it is fetched without asking. The type is the sender's word, so the name has to say the
/// same: no program comes in as a picture. A folder never is: its name says nothing of what is in
/// it. Nor is, for anybody, a program that is called like something else. What is said of somebody
/// goes before what is said of the conversation, and that before what is said of all.
pub(super) fn accepts(settings: &FileSettings, offer: &Offer<'_>) -> bool {
    if offer.folder || FileName::clean(offer.name).is_disguised() {
        return false;
    }
    match (offer.rule, offer.there) {
        (FileRule::Always, _) => offer.from >= Standing::Contact,
        (FileRule::Default, FileRule::Always) => offer.from >= Standing::Member,
        (FileRule::Never, _) | (FileRule::Default, FileRule::Never) => false,
        (FileRule::Default, FileRule::Default) => accepts_of_all(settings, offer),
    }
}

/// Whether the settings for everybody let it in.
fn accepts_of_all(settings: &FileSettings, offer: &Offer<'_>) -> bool {
    let least = match settings.from {
        AcceptFrom::Nobody => return false,
        AcceptFrom::Verified => Standing::Verified,
        AcceptFrom::Contacts => Standing::Contact,
        AcceptFrom::Members => Standing::Member,
    };
    let named = media::of_name(offer.name);
    let is_of = |kind: &String| offer.media.starts_with(kind) && named.starts_with(kind);
    offer.from >= least && offer.size <= settings.up_to && settings.types.iter().any(is_of)
}

/// What came or comes without asking of one person's files, or of those in a conversation that has
/// a rule of its own.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unasked {
    /// Files on their way, or waiting for it.
    pub(super) waiting: usize,
    /// Bytes of all that were offered within a [`DAY`].
    pub(super) bytes: u64,
}

/// Whether one more of these may come without asking: nobody fills a disk, or the list of files, by
/// themselves, and no more do the many in one conversation.
pub(super) fn has_room(settings: &FileSettings, unasked: &Unasked, size: u64) -> bool {
    let most = settings.up_to.saturating_mul(UNASKED_A_DAY);
    unasked.waiting < UNASKED && unasked.bytes.saturating_add(size) <= most
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    fn picture(from: Standing) -> Offer<'static> {
        let (name, media, rule) = ("cat.png", "image/png", FileRule::Default);
        Offer { size: MIB, name, media, folder: false, from, rule, there: rule }
    }

    #[test]
    fn whose_files_come_by_themselves_is_a_matter_of_standing() {
        use AcceptFrom as From;
        use Standing::{Contact, Member, Stranger, Verified};
        let table = [
            (From::Nobody, [false, false, false, false]),
            (From::Verified, [false, false, false, true]),
            (From::Contacts, [false, false, true, true]),
            (From::Members, [false, true, true, true]),
        ];
        for (from, expected) in table {
            let settings = FileSettings { from, ..FileSettings::default() };
            let found = [Stranger, Member, Contact, Verified]
                .map(|standing| accepts(&settings, &picture(standing)));
            assert_eq!(found, expected, "{from:?}");
        }
    }

    #[test]
    fn only_what_is_small_enough_and_of_a_wanted_type_comes_by_itself() {
        let settings = FileSettings::default();
        let table = [
            (2 * MIB, "cat.png", "image/png", true),
            (2 * MIB + 1, "cat.png", "image/png", false),
            (0, "cat.png", "image/png", true),
            (MIB, "CAT.JPG", "image/jpeg", true),
            (MIB, "cat.png", "", false),
            (MIB, "cat.png", "application/pdf", false),
            (MIB, "cat.exe", "image/png", false),
            (MIB, "cat.png.exe", "image/png", false),
            (MIB, "cat", "image/png", false),
        ];
        for (size, name, media, expected) in table {
            let offer = Offer { size, name, media, ..picture(Standing::Contact) };
            assert_eq!(accepts(&settings, &offer), expected, "{offer:?}");
        }
    }

    #[test]
    fn what_is_said_of_one_contact_holds_whatever_is_said_of_all() {
        use Standing::{Contact, Member, Stranger, Verified};
        let nobody = FileSettings { from: AcceptFrom::Nobody, ..FileSettings::default() };
        let members = FileSettings { from: AcceptFrom::Members, ..FileSettings::default() };
        let film = |from, rule| Offer {
            size: 2_000 * MIB,
            name: "film.mkv",
            media: "video/x-matroska",
            rule,
            ..picture(from)
        };
        for settings in [&nobody, &members] {
            for (from, always) in
                [(Stranger, false), (Member, false), (Contact, true), (Verified, true)]
            {
                assert_eq!(accepts(settings, &film(from, FileRule::Always)), always, "{from:?}");
                let never = Offer { rule: FileRule::Never, ..picture(from) };
                assert!(!accepts(settings, &never), "{from:?}");
            }
            let disguised = Offer { name: "film.mkv.exe", ..film(Verified, FileRule::Always) };
            let folder = Offer { folder: true, ..film(Verified, FileRule::Always) };
            assert!(!accepts(settings, &disguised) && !accepts(settings, &folder));
        }
    }

    #[test]
    fn what_is_said_of_one_contact_goes_before_the_conversation_and_that_before_all() {
        use FileRule::{Always, Default as Usual, Never};
        use Standing::{Contact, Member, Stranger};
        let settings = FileSettings::default();
        let film = |from, (rule, there)| Offer {
            name: "film.mkv",
            media: "video/x-matroska",
            rule,
            there,
            ..picture(from)
        };
        for (from, rules, comes) in [
            (Member, (Usual, Always), true),
            (Contact, (Usual, Always), true),
            (Stranger, (Usual, Always), false),
            (Contact, (Never, Always), false),
            (Contact, (Always, Never), true),
            (Contact, (Usual, Never), false),
            (Contact, (Usual, Usual), false),
            (Member, (Always, Always), false),
        ] {
            assert_eq!(accepts(&settings, &film(from, rules)), comes, "{from:?} {rules:?}");
        }
        let usual = Offer { there: Never, ..picture(Contact) };
        assert!(accepts(&settings, &picture(Contact)) && !accepts(&settings, &usual));
        let disguised = Offer { name: "film.mkv.exe", ..film(Contact, (Usual, Always)) };
        let folder = Offer { folder: true, ..film(Contact, (Usual, Always)) };
        assert!(!accepts(&settings, &disguised) && !accepts(&settings, &folder));
    }

    #[test]
    fn no_folder_comes_by_itself_whatever_it_is_called() {
        let all = FileSettings {
            types: vec![String::new()],
            from: AcceptFrom::Members,
            up_to: u64::MAX,
            ..FileSettings::default()
        };
        let file = picture(Standing::Verified);
        let folder = Offer { folder: true, ..file };
        for settings in [FileSettings::default(), all] {
            assert!(accepts(&settings, &file) && !accepts(&settings, &folder));
        }
    }

    #[test]
    fn what_one_person_sends_unasked_is_bounded_in_number_and_in_bytes() {
        let usual = FileSettings::default();
        let most = 256 * MIB;
        let table = [
            (0, 0, 2 * MIB, true),
            (UNASKED - 1, 0, 2 * MIB, true),
            (UNASKED, 0, 0, false),
            (0, most - MIB, MIB, true),
            (0, most - MIB, MIB + 1, false),
            (0, u64::MAX, 1, false),
        ];
        for (waiting, bytes, size, expected) in table {
            let unasked = Unasked { waiting, bytes };
            assert_eq!(has_room(&usual, &unasked, size), expected, "{unasked:?} {size}");
        }
        let large = FileSettings { up_to: u64::MAX, ..usual };
        assert!(has_room(&large, &Unasked { waiting: 0, bytes: most }, most));
    }

    #[test]
    fn types_are_beginnings_and_an_empty_one_is_every_type() {
        let with = |types: &[&str]| FileSettings {
            types: types.iter().map(|kind| (*kind).to_owned()).collect(),
            ..FileSettings::default()
        };
        let picture = picture(Standing::Contact);
        let pdf = Offer { size: 1, name: "a.pdf", media: "application/pdf", ..picture };
        assert!(accepts(&with(&["image/", "application/pdf"]), &pdf));
        assert!(!accepts(&with(&["image/png"]), &pdf) && !accepts(&with(&[]), &pdf));
        let odd = Offer { name: "odd", media: "", ..pdf };
        assert!(accepts(&with(&[""]), &odd));
    }
}
