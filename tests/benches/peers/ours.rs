//! Ours: `hubbub` and `hubbub-hub` as people run them.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hubbub_tests::api::{Ear, ask};
use hubbub_tests::hub::Hub;
use hubbub_tests::lab::Lab;
use hubbub_tests::measure::Spread;
use hubbub_tests::person::Person;
use hubbub_tests::process::{Stage, wait_until};
use serde_json::{Value, json};

use crate::costs::{Taken, timed};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Two people on one hub.
pub(crate) struct Pair<'a> {
    people: [Person<'a>; 2],
    pub(crate) hub: u32,
    folder: PathBuf,
    sealing: RefCell<Vec<f64>>,
}

impl<'a> Pair<'a> {
    /// Two who have found each other.
    pub(crate) fn direct(stage: &'a Stage, hub: &Hub<'_>) -> Self {
        let pair = Self::of(stage, hub, on_one_machine(stage, hub, ["alice", "bob"]));
        let [sender, taker] = &pair.people;
        wait_until("they are connected", PATIENCE, || {
            let now = sender.path(taker.name()).unwrap_or_default();
            if now.to_string().contains("\"direct\"") { Ok(()) } else { Err(now.to_string()) }
        });
        pair
    }

    /// Two who show nobody their address.
    pub(crate) fn relayed(stage: &'a Stage, hub: &Hub<'_>) -> Self {
        Self::unseen(stage, hub, on_one_machine(stage, hub, ["carol", "dave"]))
    }

    /// The same, on machines of their own that reach the hub's and nothing else.
    pub(crate) fn apart(stage: &'a Stage, hub: &Hub<'_>, lab: &Lab) -> Self {
        let join = |(name, machine)| Person::join_in(stage, hub, name, lab.place(machine));
        Self::unseen(stage, hub, [("alice", "m1"), ("bob", "m2")].map(join))
    }

    fn unseen(stage: &'a Stage, hub: &Hub<'_>, people: [Person<'a>; 2]) -> Self {
        for one in &people {
            one.cli(&["settings", "addresses", "never"]).fine();
        }
        Self::of(stage, hub, people)
    }

    fn of(stage: &'a Stage, hub: &Hub<'_>, people: [Person<'a>; 2]) -> Self {
        let [sender, taker] = &people;
        sender.cli(&["send", taker.name(), "hello", "--wait", "delivered"]).fine();
        let folder = stage.path(taker.name()).join("taken");
        fs::create_dir(&folder).unwrap();
        Self { people, hub: hub.process_id(), folder, sealing: RefCell::default() }
    }

    pub(crate) fn processes(&self) -> Vec<u32> {
        let [sender, taker] = &self.people;
        vec![sender.process_id(), self.hub, taker.process_id()]
    }

    pub(crate) fn take(&self, content: &Path) -> Taken {
        let [sender, taker] = &self.people;
        let mut ear = Ear::at(&taker.profile()).unwrap();
        let began = Instant::now();
        let send = json!({ "to": taker.name(), "path": content, "no_preview": true });
        ask(&sender.profile(), &json!({ "id": 1, "command": { "send_file": send } })).unwrap();
        let offered = until_state(taker, "offered");
        self.sealing.borrow_mut().push(began.elapsed().as_secs_f64());
        let accept = json!({ "accept": { "to": self.folder } });
        let accept = json!({ "file": { "file": offered, "deed": accept } });
        let took = timed(|| {
            ask(&taker.profile(), &json!({ "id": 1, "command": accept })).unwrap();
            ear.until("whole", |event| event.to_string().contains("\"state\":\"whole\""));
        });
        for left in fs::read_dir(&self.folder).unwrap() {
            let left = left.unwrap().path();
            assert_eq!(fs::metadata(&left).unwrap().len(), fs::metadata(content).unwrap().len());
            fs::remove_file(left).unwrap();
        }
        took.into()
    }

    pub(crate) fn sealing(&self) -> Spread {
        Spread::of(self.sealing.take())
    }
}

/// Waits until a file is in this state, and gives its number.
fn until_state(person: &Person<'_>, state: &str) -> u64 {
    wait_until(state, PATIENCE, || {
        let answer = person.query(json!("files")).unwrap_or_default();
        let files = answer.get("files").and_then(Value::as_array).cloned().unwrap_or_default();
        let status = files.iter().filter_map(|file| file.pointer("/body/status"));
        let mut of = status.filter(|status| status.get("state").is_some_and(|now| now == state));
        of.next().and_then(|status| status.get("file")?.as_u64()).ok_or(answer.to_string())
    })
}

fn on_one_machine<'a>(stage: &'a Stage, hub: &Hub<'_>, names: [&str; 2]) -> [Person<'a>; 2] {
    Person::join_all(stage, hub, &names).try_into().ok().unwrap()
}
