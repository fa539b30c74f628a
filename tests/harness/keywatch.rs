//! Whether any key ever seals two different things.
//!
//! What names a key stands in the clear: session, ratchet key and number of a pairwise message;
//! chain and index of a group's. Two envelopes with one name must be the same bytes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use hubbub_shared::group::sender_key::GroupHeader;
use hubbub_shared::wire::ToHub;
use hubbub_shared::wire::envelope::Envelope;

use crate::world::World;

/// Sees everything that leaves any device.
#[derive(Clone, Debug, Default)]
pub struct KeyWatch(Rc<RefCell<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    sealed: BTreeMap<Vec<u8>, Vec<u8>>,
    reused: Vec<String>,
}

impl KeyWatch {
    /// Watches a world from now on; takes the place of whoever overheard it.
    pub fn on(world: &mut World) -> Self {
        let watch = Self::default();
        let seen = Rc::clone(&watch.0);
        world.overhear = Some(Box::new(move |who, frame| {
            if let ToHub::Append(append) = &frame {
                seen.borrow_mut().note(who, &append.envelope);
            }
            frame
        }));
        watch
    }

    /// Envelopes under different keys seen so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.borrow().sealed.len()
    }

    /// Keys that sealed two things, in words.
    #[must_use]
    pub fn reused(&self) -> Vec<String> {
        self.0.borrow().reused.clone()
    }
}

impl Seen {
    fn note(&mut self, who: usize, sealed: &[u8]) {
        let name = match Envelope::parse(sealed).unwrap() {
            Envelope::PairInit(init) => init.hdr.to_vec(),
            Envelope::Pair(message) => message.hdr.to_vec(),
            Envelope::Group(message) => {
                let header = GroupHeader::of(&message).unwrap();
                [&header.chain.0[..], &header.idx.to_be_bytes()].concat()
            }
        };
        let before = self.sealed.entry(name.clone()).or_insert_with(|| sealed.to_vec());
        if *before != sealed {
            self.reused.push(format!("device {who} used {name:02x?} twice"));
        }
    }
}
