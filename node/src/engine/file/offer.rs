//! Offering a file, and being offered one.

use std::sync::Arc;

use hubbub_shared::blob::Blob;
use hubbub_shared::content::{ChatEvent, FileName, FileOffer, FileRef, picture};
use hubbub_shared::crypto::stream::FileKey;
use hubbub_shared::id::{MessageId, NodeId};
use hubbub_shared::limits::{FILE_PREVIEW_MAX, TEXT_MAX};
use hubbub_shared::time::Timestamp;

use super::deed::Lands;
use super::order::{Dropped, Look, Order, Stamp};
use super::row::{Facts, File, Missed};
use super::rules::{self, Standing};
use super::{OFFERS_BY_ONE, SEALING, no_path, switched_off};
use crate::api::command::MessageText;
use crate::api::file::FileBody;
use crate::api::view::Body;
use crate::api::{ApiError, Code, ConversationId, FileRule, FileState, Reply, SendFile};
use crate::engine::Engine;
use crate::engine::output::{HistoryChange, MessageKey};

impl Engine {
    /// Takes a file up that a person sends. It is looked at and read first; the message follows.
    pub(in crate::engine) fn send_file(
        &mut self,
        conversation: ConversationId,
        send: SendFile,
    ) -> Result<Reply, ApiError> {
        if !self.files.up {
            return Err(switched_off());
        }
        if let Some(refused) = no_path(&send.path) {
            return Err(refused);
        }
        self.unless_may_not_write(conversation)?;
        if send.caption.len() > TEXT_MAX {
            let what = format!("words to go with a file have at most {TEXT_MAX} bytes");
            return Err(ApiError::new(Code::Usage, what, "send them as a message"));
        }
        if self.files.count(FileState::Sealing) >= SEALING {
            let what = format!("{SEALING} files wait to be sent already");
            return Err(ApiError::new(Code::Full, what, "wait until some are offered"));
        }
        let message = self.random_id();
        let file = File::new(self.new_facts(conversation, message, send), None);
        let number = self.keep_file(file, Missed::Own).ok_or_else(full)?;
        self.order_look(number);
        self.say_file(number);
        Ok(Reply::File { file: number, message: MessageText(message), conversation })
    }

    fn new_facts(&self, conversation: ConversationId, message: MessageId, send: SendFile) -> Facts {
        let called =
            send.path.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().unwrap_or_default();
        let name = FileName::clean(send.name.as_deref().unwrap_or(called));
        Facts {
            conversation,
            sender: self.id(),
            message,
            name: name.as_str().to_owned(),
            size: 0,
            media: String::new(),
            caption: send.caption,
            manifest: None,
            preview: !send.no_preview,
            blob: None,
            state: FileState::Sealing,
            why: None,
            stopped: false,
            path: Some(send.path),
            stamp: None,
            to: None,
            since: self.now,
            kept_until: None,
            at_hub: false,
            strip: send.strip,
            begun: None,
            by_rule: false,
            first: false,
            dropped: false,
        }
    }

    /// Has a file looked at that is to be sent.
    pub(super) fn order_look(&mut self, number: u64) {
        let Some(file) = self.files.rows.get(&number) else { return };
        let facts = &file.facts;
        let Some(path) = facts.path.clone() else { return };
        let (name, preview, strip) = (facts.name.clone(), facts.preview, facts.strip);
        self.order(Order::Look(Look { file: number, path, name, preview, strip }));
    }

    /// What it looks like is known: it is read through.
    pub(super) fn looked(
        &mut self,
        number: u64,
        (size, path): (u64, Option<String>),
        looks: (String, Option<Vec<u8>>),
    ) {
        let own = self.files.rows.get(&number).filter(|file| file.facts.sender == self.id());
        let file = match own {
            Some(file) if file.facts.state == FileState::Sealing => file,
            // It was gone, and is there again.
            Some(file) if file.facts.state == FileState::Gone => return self.offer_on(number),
            other => {
                // What was written down to be sent goes, as nobody would know of it; unless it was
                // looked at twice, and is what is offered.
                let known = other.and_then(|file| file.facts.path.as_ref());
                let path = path.filter(|path| Some(path) != known);
                path.into_iter().for_each(|path| self.order(Order::Discard { file: number, path }));
                return;
            }
        };
        let Some(path) = path.or_else(|| file.facts.path.clone()) else { return };
        let at = path.clone();
        self.alter(number, |file| {
            (file.facts.size, file.facts.path, file.facts.strip) = (size, Some(at), false);
            file.looked = Some(looks);
        });
        self.order(Order::Seal { file: number, path });
    }

    /// It can be served, so it is offered.
    pub(super) fn file_sealed(
        &mut self,
        number: u64,
        (blob, key): (Blob, FileKey),
        (stamp, manifest): (Stamp, Option<u32>),
    ) {
        let Some(file) = self.files.rows.get_mut(&number) else { return };
        if file.facts.state != FileState::Sealing {
            return self.drop_sealed(number, (blob, key), stamp.size);
        }
        let (media, preview) = file.looked.take().unwrap_or_default();
        let facts = file.facts.clone();
        let reference = (blob, key.duplicate(), stamp.size);
        let offer = offer_of(&facts, reference, media, preview);
        let offer = offer.and_then(|offer| match manifest {
            Some(manifest) => offer.with_folder(manifest).ok(),
            None => Some(offer),
        });
        let Some(offer) = offer else {
            let why = "it cannot be offered: it is larger than files may be".to_owned();
            return self.fail_file(number, FileState::Failed, why);
        };
        let offer = Arc::new(offer);
        let (conversation, id) = (facts.conversation, facts.message);
        let event = ChatEvent::File(Arc::clone(&offer));
        if let Err(error) = self.say_in(conversation, id, event, Body::File(body_of(&offer))) {
            self.drop_sealed(number, (blob, key), stamp.size);
            let why = format!("{}; {}", error.what, error.hint);
            return self.fail_file(number, FileState::Failed, why);
        }
        self.files.by_blob.entry(blob.address).or_default().insert(number);
        self.alter(number, |file| {
            (file.facts.blob, file.facts.stamp, file.key) =
                (Some(blob.address), Some(stamp), Some(key));
            offer.reference().media().clone_into(&mut file.facts.media);
            file.facts.preview = offer.reference().preview().is_some();
            (file.facts.size, file.facts.state) = (stamp.size, FileState::Serving);
            file.facts.manifest = manifest;
            file.facts.caption.clear();
            file.progress = None;
        });
        self.order_serve(number);
        self.order_put(number);
    }

    /// It was sealed, and is not offered: what is known of it goes. If it was sealed twice, what
    /// came of the first time is offered on.
    fn drop_sealed(&mut self, file: u64, blob: (Blob, FileKey), size: u64) {
        let (name, folder) = (FileName::clean(""), String::new());
        let keep = self.files.by_blob.contains_key(&blob.0.address);
        let blob = Some(blob);
        let dropped = Dropped { file, blob, size, name, is_folder: false, folder, keep };
        self.order(Order::Drop(Box::new(dropped)));
        let state = self.files.rows.get(&file).map(|file| file.facts.state);
        if state == Some(FileState::Serving) {
            self.order_serve(file);
            self.order_put(file);
        }
    }

    /// Keeps beside the history what a message of a file says besides its body.
    pub(in crate::engine) fn attach(&mut self, message: MessageKey, event: ChatEvent) {
        self.history.push(HistoryChange::Attach(message, event));
    }

    /// Somebody offers a file.
    pub(in crate::engine) fn offered(&mut self, message: MessageKey, offer: &FileOffer) {
        if self.files.by_message.contains_key(&message) {
            return;
        }
        self.bound_offers_of(message.sender);
        let facts = facts_of(message, offer, self.now);
        let from = self.standing_in(message.conversation, &message.sender);
        let said = rules::Offer {
            size: facts.size,
            name: &facts.name,
            media: &facts.media,
            folder: facts.manifest.is_some(),
            from,
            rule: self.people.get(&message.sender).map_or(FileRule::Default, |known| known.files),
            there: self.rule_in(message.conversation),
        };
        let settings = &self.files.settings;
        let wanted = self.files.up
            && rules::accepts(settings, &said)
            && self.has_room_unasked(&message, &said)
            && !facts.blob.is_some_and(|blob| self.files.is_wanted(&blob));
        let most = if from == Standing::Stranger { Missed::Over } else { Missed::Own };
        let file = File::new(facts, Some(offer.reference().key().duplicate()));
        let Some(number) = self.keep_file(file, most) else { return self.count("files-full") };
        if wanted {
            return self.want(number, Lands::Anew(None), true);
        }
        self.say_file(number);
    }

    fn bound_offers_of(&mut self, sender: NodeId) {
        let rows = self.files.rows.iter();
        let offers = rows.filter(|(_, file)| {
            file.facts.sender == sender && file.facts.state == FileState::Offered
        });
        let offers: Vec<u64> = offers.map(|(number, _)| *number).collect();
        if let Some(oldest) = offers.first().filter(|_| offers.len() >= OFFERS_BY_ONE) {
            self.forget_file(*oldest);
        }
    }

    /// What holds for what is offered in a conversation.
    fn rule_in(&self, conversation: ConversationId) -> FileRule {
        match conversation {
            ConversationId::Direct(_) => FileRule::Default,
            ConversationId::Group(id) => {
                self.groups.get(&id).map_or(FileRule::Default, |group| group.facts.files)
            }
        }
    }

    /// Whether one more may come without asking, as far as it is a matter of how much did.
    fn has_room_unasked(&self, message: &MessageKey, said: &rules::Offer<'_>) -> bool {
        let has_room = |of: &dyn Fn(&Facts) -> bool| {
            rules::has_room(&self.files.settings, &self.unasked(of), said.size)
        };
        let there = |facts: &Facts| facts.conversation == message.conversation;
        has_room(&|facts| facts.sender == message.sender)
            && (!said.comes_by_conversation() || has_room(&there))
    }

    /// What rules have fetched of these files.
    fn unasked(&self, of: &dyn Fn(&Facts) -> bool) -> rules::Unasked {
        let mut unasked = rules::Unasked::default();
        let files = self.files.rows.values().map(|file| &file.facts);
        for facts in files.filter(|facts| facts.by_rule && of(facts)) {
            let state = facts.state;
            unasked.waiting +=
                usize::from(matches!(state, FileState::Queued | FileState::Fetching));
            if self.now.since(facts.since) < rules::DAY {
                unasked.bytes = unasked.bytes.saturating_add(facts.size);
            }
        }
        unasked
    }

    pub(super) fn standing_in(&self, conversation: ConversationId, sender: &NodeId) -> Standing {
        let person = self.people.get(sender);
        let closed = match conversation {
            ConversationId::Group(id) => self.shares(conversation, sender) && !self.is_lobby(&id),
            ConversationId::Direct(_) => false,
        };
        match person {
            _ if self.is_blocked(sender) => Standing::Stranger,
            Some(person) if person.contact && person.verified => Standing::Verified,
            Some(person) if person.contact => Standing::Contact,
            _ if closed => Standing::Member,
            _ => Standing::Stranger,
        }
    }
}

/// What is offered of a file of ours; none for one that is too large for any.
fn offer_of(
    facts: &Facts,
    (blob, key, size): (Blob, FileKey, u64),
    media: String,
    preview: Option<Vec<u8>>,
) -> Option<FileOffer> {
    let again = key.duplicate();
    let plain = |key| FileRef::new(blob, size, key, FileName::clean(&facts.name));
    // Whoever looked may have been wrong about what a type or a small picture is.
    let typed = match plain(key)?.with_media(&media) {
        Ok(typed) => typed,
        Err(_) => plain(again)?,
    };
    let preview = preview.filter(|bytes| bytes.len() <= FILE_PREVIEW_MAX);
    let reference = match preview.filter(|bytes| picture::look(bytes).is_ok()) {
        Some(preview) => typed.with_preview(preview).ok()?,
        None => typed,
    };
    FileOffer::new(reference, facts.caption.clone()).ok()
}

/// How a message of a file is shown.
pub(in crate::engine) fn body_of(offer: &FileOffer) -> Box<FileBody> {
    let reference = offer.reference();
    Box::new(FileBody {
        name: reference.name().as_str().to_owned(),
        size: reference.size(),
        media: reference.media().to_owned(),
        caption: offer.caption().to_owned(),
        folder: offer.folder().is_some(),
        preview: reference.preview().is_some(),
        status: None,
    })
}

fn facts_of(message: MessageKey, offer: &FileOffer, now: Timestamp) -> Facts {
    let reference = offer.reference();
    Facts {
        conversation: message.conversation,
        sender: message.sender,
        message: message.id,
        name: reference.name().as_str().to_owned(),
        size: reference.size(),
        media: reference.media().to_owned(),
        caption: String::new(),
        manifest: offer.folder(),
        preview: reference.preview().is_some(),
        blob: Some(reference.blob().address),
        state: FileState::Offered,
        why: None,
        stopped: false,
        path: None,
        stamp: None,
        to: None,
        since: now,
        kept_until: None,
        at_hub: false,
        strip: false,
        begun: None,
        by_rule: false,
        first: false,
        dropped: false,
    }
}

fn full() -> ApiError {
    let what = "too many files are on their way here already";
    ApiError::new(Code::Full, what, "cancel some; `hubbub file list` shows them")
}
