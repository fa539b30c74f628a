//! People who keep writing whatever happens to their nodes, and who note what they have said.
//!
//! Each message has an id of its own and is given to the node again, under that id, until the node
//! answers that it is queued: what docs/API.md tells programs to do.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hubbub_shared::id::MessageId;
use hubbub_tests::api::{ask, refusal};
use hubbub_tests::person::Person;
use hubbub_tests::process::PATIENCE;
use serde_json::{Value, json};

/// Pause before a message is given to a node again that did not answer.
const AGAIN: Duration = Duration::from_millis(10);

/// What one person said: by conversation, in order.
pub(crate) type Said = BTreeMap<String, Vec<String>>;

/// Everything that was said.
#[derive(Default)]
pub(crate) struct Spoken {
    /// By who said it.
    pub(crate) by: BTreeMap<String, Said>,
    /// How often a node gave no answer and was asked again.
    pub(crate) unanswered: u64,
}

impl Spoken {
    /// Messages in all.
    pub(crate) fn messages(&self) -> usize {
        self.by.values().flat_map(BTreeMap::values).map(Vec::len).sum()
    }

    /// What `sender` said in a conversation.
    pub(crate) fn words(&self, sender: &str, conversation: &str) -> Vec<String> {
        self.by.get(sender).and_then(|said| said.get(conversation)).cloned().unwrap_or_default()
    }
}

/// One for every person, each on a thread.
pub(crate) struct Writers {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<(String, Writer)>>,
}

impl Writers {
    /// Everybody begins to write: every other message to the group, the rest to the others in turn,
    /// with such a pause after each.
    pub(crate) fn start(people: &[Person<'_>], group: &'static str, pause: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let names: Vec<&str> = people.iter().map(Person::name).collect();
        let begin = |(number, person): (usize, &Person<'_>)| {
            let others = names.iter().filter(|name| **name != person.name());
            let writer = Writer {
                number: u8::try_from(number).unwrap(),
                profile: person.profile(),
                group,
                others: others.map(|name| (*name).to_owned()).collect(),
                count: 0,
                unanswered: 0,
                said: Said::new(),
            };
            let (name, stop) = (person.name().to_owned(), Arc::clone(&stop));
            std::thread::spawn(move || writer.run(name, &stop, pause))
        };
        let threads = people.iter().enumerate().map(begin).collect();
        Self { stop, threads }
    }

    /// Everybody finishes their sentence.
    pub(crate) fn finish(mut self) -> Spoken {
        self.stop.store(true, Ordering::Relaxed);
        let mut spoken = Spoken::default();
        for thread in self.threads.drain(..) {
            let (name, writer) = thread.join().unwrap();
            spoken.unanswered += writer.unanswered;
            spoken.by.insert(name, writer.said);
        }
        spoken
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

struct Writer {
    number: u8,
    profile: PathBuf,
    group: &'static str,
    others: Vec<String>,
    count: u64,
    unanswered: u64,
    said: Said,
}

impl Writer {
    fn run(mut self, name: String, stop: &AtomicBool, pause: Duration) -> (String, Self) {
        while !stop.load(Ordering::Relaxed) {
            self.count += 1;
            let to = self.next_target();
            let text = format!("{name} says {} in {to}", self.count);
            self.say(&to, &text);
            self.said.entry(to).or_default().push(text);
            std::thread::sleep(pause);
        }
        (name, self)
    }

    fn next_target(&self) -> String {
        let turn = usize::try_from(self.count).unwrap();
        match turn % 2 {
            0 => self.group.to_owned(),
            _ => self.others[turn / 2 % self.others.len()].clone(),
        }
    }

    fn say(&mut self, to: &str, text: &str) {
        let mut id = [self.number; 16];
        id[8..].copy_from_slice(&self.count.to_be_bytes());
        let send = json!({ "to": to, "text": text, "id": MessageId(id).to_text() });
        let request = json!({ "id": self.count, "command": { "send": send } });
        let start = Instant::now();
        loop {
            let answer = match ask(&self.profile, &request) {
                Ok(_) => return,
                Err(answer) => answer,
            };
            assert!(may_pass(&answer), "{request} was refused: {answer}");
            assert!(start.elapsed() < PATIENCE, "{request} is not taken: {answer}");
            self.unanswered += 1;
            std::thread::sleep(AGAIN);
        }
    }
}

/// No answer at all, or one by a node that was just stopping or is held up.
fn may_pass(answer: &Value) -> bool {
    matches!(refusal(answer), None | Some("internal" | "too_fast" | "full"))
}
