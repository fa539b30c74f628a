//! Any order, any loss, any number of copies, restarts in between: what arrives is what was sent,
//! each message once.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Send { from: usize },
    Deliver { to: usize, which: prop::sample::Index, keep: bool },
    Drop { to: usize, which: prop::sample::Index },
    Restart { side: usize },
    Pass { hours: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let which = any::<prop::sample::Index>();
    prop_oneof![
        4 => (0..2_usize).prop_map(|from| Step::Send { from }),
        4 => (0..2_usize, which.clone(), any::<bool>())
            .prop_map(|(to, which, keep)| Step::Deliver { to, which, keep }),
        1 => (0..2_usize, which).prop_map(|(to, which)| Step::Drop { to, which }),
        1 => (0..2_usize).prop_map(|side| Step::Restart { side }),
        1 => (1..30_u64).prop_map(|hours| Step::Pass { hours }),
    ]
}

struct World {
    sides: [Side; 2],
    /// On their way to each side, with what they say.
    flying: [Vec<(u32, PairMessage)>; 2],
    opened: HashSet<u32>,
    sent: u32,
    now: Timestamp,
}

impl World {
    fn apply(&mut self, step: Step) {
        match step {
            Step::Send { from } => {
                self.sent += 1;
                let message = self.sides[from].seal_at(&self.sent.to_be_bytes(), self.now);
                self.flying[1 - from].push((self.sent, message));
            }
            Step::Deliver { to, which, keep } if !self.flying[to].is_empty() => {
                let index = which.index(self.flying[to].len());
                let (text, message) = self.flying[to][index].clone();
                if !keep {
                    self.flying[to].swap_remove(index);
                }
                self.deliver(to, text, &message);
            }
            Step::Drop { to, which } if !self.flying[to].is_empty() => {
                let index = which.index(self.flying[to].len());
                self.flying[to].swap_remove(index);
            }
            Step::Restart { side } => {
                let record = self.sides[side].saved();
                self.sides[side].session = Session::load(&record).unwrap();
            }
            Step::Pass { hours } => self.now = self.now + Millis::hours(hours),
            Step::Deliver { .. } | Step::Drop { .. } => {}
        }
    }

    fn deliver(&mut self, to: usize, text: u32, message: &PairMessage) {
        let opened = self.sides[to].session.open(message, self.now);
        if self.opened.insert(text) {
            assert_eq!(opened.unwrap().expose(), text.to_be_bytes());
        } else {
            assert_eq!(opened.map(|_| ()), Err(OpenError::Replay));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_message_opens_once_whatever_the_path_does(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let (alice, bob) = connected();
        let mut world = World {
            sides: [alice, bob],
            flying: [vec![], vec![]],
            opened: HashSet::new(),
            sent: 0,
            now: NOW,
        };
        for step in steps {
            world.apply(step);
        }
        for to in [0, 1] {
            for (text, message) in core::mem::take(&mut world.flying[to]) {
                world.deliver(to, text, &message);
            }
        }
    }
}
