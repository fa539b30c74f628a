//! What was really said, by whom, where and to whom; and whether anybody sees anything else.

use std::collections::{BTreeMap, BTreeSet};

use hubbub_node::api::command::MessageText;
use hubbub_node::api::view::Body;
use hubbub_node::api::{ApiError, Command, ConversationId, Reply};
use hubbub_shared::id::{MessageId, NodeId};

use crate::world::World;

/// One text. Texts are unique.
#[derive(Clone, Debug)]
pub struct Said {
    /// Who said it.
    pub sender: usize,
    /// Where, as its sender sees it.
    pub place: ConversationId,
    /// Who may read it, its sender aside.
    pub readers: BTreeSet<usize>,
}

/// Everything said.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    /// By text.
    pub said: BTreeMap<String, Said>,
}

impl Truth {
    /// Says something, and notes it.
    pub fn say(
        &mut self,
        world: &mut World,
        sender: usize,
        to: (&str, &[usize]),
        text: &str,
    ) -> MessageId {
        self.try_say(world, sender, to, text).unwrap()
    }

    /// Says something if the device lets it, and notes it.
    ///
    /// # Errors
    /// What the device said; then nothing was sent.
    pub fn try_say(
        &mut self,
        world: &mut World,
        sender: usize,
        to: (&str, &[usize]),
        text: &str,
    ) -> Result<MessageId, ApiError> {
        let send = Command::Send { to: to.0.to_owned(), text: text.to_owned(), id: None };
        let message = match world.ask(sender, send)? {
            Reply::Queued { message: MessageText(id), .. } => id,
            other => panic!("sent, and got {other:?}"),
        };
        let line =
            world.devices[sender].disk.history.iter().find(|line| line.id == message).unwrap();
        let readers = to.1.iter().copied().filter(|reader| *reader != sender).collect();
        let said = Said { sender, place: line.conversation, readers };
        assert!(self.said.insert(text.to_owned(), said).is_none(), "{text} was said before");
        Ok(message)
    }

    /// Whether every text on every device was said by whom it is shown to be from, there, and to
    /// this device, and is shown once.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self, world: &World) -> Result<(), String> {
        for (who, device) in world.devices.iter().enumerate() {
            let mut texts = BTreeSet::new();
            for line in &device.disk.history {
                let Body::Text(text) = &line.body else { continue };
                self.check_line(world, who, (line.sender, line.conversation, text))
                    .map_err(|wrong| format!("{}: {text:?} {wrong}", device.name))?;
                if !texts.insert(text) {
                    return Err(format!("{}: {text:?} is shown twice", device.name));
                }
            }
            let shown: BTreeSet<_> = device.shown.iter().collect();
            if shown.len() != device.shown.len() {
                return Err(format!("{}: something was announced twice", device.name));
            }
        }
        Ok(())
    }

    fn check_line(
        &self,
        world: &World,
        who: usize,
        (sender, place, text): (NodeId, ConversationId, &str),
    ) -> Result<(), String> {
        let said = self.said.get(text).ok_or("was never said")?;
        let by = world.id(said.sender);
        let expected = match said.place {
            ConversationId::Direct(_) if who != said.sender => ConversationId::Direct(by),
            other => other,
        };
        if sender != by {
            return Err("was said by somebody else".to_owned());
        }
        if place != expected {
            return Err("was said elsewhere".to_owned());
        }
        if who != said.sender && !said.readers.contains(&who) {
            return Err("was not for this one".to_owned());
        }
        Ok(())
    }

    /// Whether a device shows a text.
    #[must_use]
    pub fn is_shown(&self, world: &World, who: usize, text: &str) -> bool {
        world.words(who).iter().any(|word| word == text)
    }
}
