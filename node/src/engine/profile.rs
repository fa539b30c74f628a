//! What contacts see of us, and we of them: display name, status, picture, presence.
//!
//! A profile is told to a contact once per change, and only to one who has shown that we are a
//! contact of theirs, too: it wrote to us, or acknowledged what we wrote. So nobody is told in
//! vain, and nobody who is still to let us in.

use data_encoding::BASE64;
use hubbub_shared::content::{PairPlain, picture, profile};
use hubbub_shared::id::NodeId;
use hubbub_shared::limits::{DISPLAY_NAME_CHARS, TITLE_MAX};
use hubbub_shared::time::Timestamp;

use super::Engine;
use super::record::Key;
use crate::api::people::{ContactInfoView, PictureView, key_mark};
use crate::api::view::Path;
use crate::api::{ApiError, Code, Event, Settings};

/// Pictures of others kept: 16 MiB.
const PICTURES: usize = 512;

impl Engine {
    /// Takes settings over. Those that others are told of are told when they changed.
    pub fn configure(&mut self, settings: Settings, now: Timestamp) {
        self.now = now;
        self.settings = settings;
        if self.own.hides_presence == settings.presence {
            self.own.hides_presence = !settings.presence;
            self.profile_changed();
        }
        // Whose messages are asked for when they are missing depends on it.
        self.resume_gaps();
        self.event(Event::ContactsChanged);
        self.pump();
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// Changes what contacts see; what is left out stays.
    pub(super) fn set_profile(
        &mut self,
        name: Option<String>,
        status: Option<String>,
        picture: Option<&str>,
    ) -> Result<(), ApiError> {
        let name = name.map(|name| display_name(&name)).transpose()?;
        let status = status.map(|status| status_text(&status)).transpose()?;
        let picture = picture.map(picture_bytes).transpose()?;
        if name.is_some() || status.is_some() {
            let own = &mut self.own;
            own.display_name = name.unwrap_or_else(|| own.display_name.clone());
            own.status = status.unwrap_or_else(|| own.status.clone());
            self.profile_changed();
        }
        if let Some(bytes) = picture {
            self.own.picture += 1;
            let me = self.id();
            self.keep_picture(me, bytes);
            self.touch(Key::Own);
            self.share_with_all();
        }
        Ok(())
    }

    fn profile_changed(&mut self) {
        self.own.profile += 1;
        self.touch(Key::Own);
        self.share_with_all();
    }

    fn share_with_all(&mut self) {
        let mutual = self.people.iter().filter(|(_, person)| person.contact && person.mutual);
        let mutual: Vec<NodeId> = mutual.map(|(node, _)| *node).collect();
        mutual.into_iter().for_each(|node| self.share_profile(node));
    }

    /// Tells a contact what we say of ourselves, unless they have been told.
    pub(super) fn share_profile(&mut self, peer: NodeId) {
        let (profile, picture) = (self.own.profile, self.own.picture);
        let talks = self.talks_to(&peer);
        let knows = |person: &&mut super::Person| talks && person.contact && person.mutual;
        let Some(person) = self.people.get_mut(&peer).filter(knows) else { return };
        let told = (core::mem::replace(&mut person.told, profile), person.told_picture);
        person.told_picture = picture;
        if told == (profile, picture) {
            return;
        }
        self.touch(Key::Contact(peer));
        if told.0 != profile {
            let (name, status) = (self.own.display_name.clone(), self.own.status.clone());
            let presence = !self.own.hides_presence;
            self.tell(peer, &PairPlain::Profile { name, status, presence });
        }
        if told.1 != picture {
            let own = self.pictures.get(&self.id());
            let bytes = own.cloned().unwrap_or_default().into_vec();
            self.tell(peer, &PairPlain::Picture { bytes });
        }
    }

    /// They write to us, or acknowledge what we wrote: we are a contact of theirs.
    pub(super) fn is_mutual(&mut self, peer: NodeId) {
        let person = self.people.get_mut(&peer).filter(|person| person.contact && !person.mutual);
        if let Some(person) = person {
            person.mutual = true;
            self.touch(Key::Contact(peer));
        }
    }

    /// What somebody says of themselves; only contacts are listened to.
    pub(super) fn take_profile(
        &mut self,
        peer: NodeId,
        name: String,
        status: String,
        presence: bool,
    ) {
        if !self.talks_to(&peer) {
            return self.count("profile-of-a-stranger");
        }
        self.is_mutual(peer);
        let person = self.meet(peer);
        (person.display_name, person.status, person.presence) = (name, status, presence);
        self.touch(Key::Contact(peer));
        self.event(Event::ContactsChanged);
    }

    /// A contact's picture, or that there is none.
    pub(super) fn take_picture(&mut self, peer: NodeId, bytes: Vec<u8>) {
        if !self.talks_to(&peer) {
            return self.count("profile-of-a-stranger");
        }
        if self.pictures.len() >= PICTURES && !self.pictures.contains_key(&peer) {
            return self.count("pictures-full");
        }
        self.keep_picture(peer, bytes);
        self.event(Event::ContactsChanged);
    }

    fn keep_picture(&mut self, node: NodeId, bytes: Vec<u8>) {
        if bytes.is_empty() {
            self.pictures.remove(&node);
        } else {
            self.pictures.insert(node, bytes.into());
        }
        self.touch(Key::Picture(node));
    }

    /// A contact with its past, who is reached like this.
    #[must_use]
    pub fn contact_info(&self, node: &NodeId, path: Path) -> Option<ContactInfoView> {
        let person =
            self.people.get(node).filter(|person| person.contact || person.blocked.is_some())?;
        Some(ContactInfoView {
            contact: self.contact(node, person, path),
            mark: key_mark(node),
            past: self.past_of(node),
            picture: self.picture(node).map(|picture| picture.facts),
        })
    }

    /// The picture of somebody.
    #[must_use]
    pub fn picture(&self, node: &NodeId) -> Option<PictureView> {
        PictureView::of(self.pictures.get(node)?)
    }
}

fn display_name(typed: &str) -> Result<String, ApiError> {
    let name = profile::composed(typed);
    if profile::is_display_name(&name) {
        return Ok(name);
    }
    let what = format!("a display name is one line of at most {DISPLAY_NAME_CHARS} characters");
    Err(ApiError::new(Code::Usage, what, "choose a shorter one"))
}

fn status_text(typed: &str) -> Result<String, ApiError> {
    let status = profile::composed(typed);
    if status.len() <= TITLE_MAX {
        return Ok(status);
    }
    let what = format!("a status has at most {TITLE_MAX} bytes");
    Err(ApiError::new(Code::Usage, what, "say it shorter"))
}

fn picture_bytes(base64: &str) -> Result<Vec<u8>, ApiError> {
    let wrong = |what: String| {
        let hint = "use a PNG, JPEG or WebP of at most 32 KiB and 1,024 pixels a side";
        ApiError::new(Code::Usage, what, hint)
    };
    let bytes = BASE64.decode(base64.as_bytes());
    let bytes = bytes.map_err(|_| wrong("the picture is not base64".to_owned()))?;
    if !bytes.is_empty() {
        picture::look(&bytes).map_err(|error| wrong(format!("that is {error}")))?;
    }
    Ok(bytes)
}
