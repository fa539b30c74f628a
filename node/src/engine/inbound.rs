//! What a hub delivers, in the order of each log.
//!
//! Whatever is delivered is dealt with: shown, held durably, or refused. So the cursor moves past
//! every entry, and is told to the hub once that is durable.

use hubbub_shared::wire::from_hub::{Deliver, ItemKind};
use hubbub_shared::wire::to_hub::Ack;
use hubbub_shared::wire::{LogId, ToHub};

use super::Engine;
use super::output::Output;
use super::record::Key;

impl Engine {
    /// Entries of a log.
    pub(super) fn deliver(&mut self, deliver: Deliver) {
        let log = deliver.log;
        if let LogId::Mailbox(owner) = log
            && owner != self.id()
        {
            return self.count("foreign-mailbox");
        }
        let mut upto = self.cursors.get(&log).copied().unwrap_or(0);
        for item in deliver.items {
            if item.seq <= upto {
                continue;
            }
            upto = item.seq;
            let (mark, from) = (self.mark_of(&log, &item), item.from);
            if mark.is_some_and(|mark| self.was_carried(&mark)) {
                continue;
            }
            let opened = match (log, item.kind) {
                (LogId::Mailbox(_), ItemKind::Envelope) => self.take_mail(&item),
                (LogId::Mailbox(_), ItemKind::Control) => {
                    self.count("control-in-mailbox");
                    false
                }
                (LogId::Channel(group), _) => self.take_channel_item(group, item),
            };
            if let Some(mark) = mark.filter(|_| opened) {
                self.opened_from_hub(mark, &from);
            }
        }
        if upto > 0 {
            self.cursors.insert(log, upto);
            self.touch(Key::Cursor(log));
            self.out.push_back(Output::Send(ToHub::Ack(Ack { log, upto })));
        }
    }
}
