//! A person: a profile, the node that runs on it, and the commands they type.
//!
//! What is done is done with the command line; what is looked at again and again is asked over the
//! node's local socket, which costs no process.

// What does not work here is a failed test.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::api::ask;
use crate::hub::Hub;
use crate::process::{Output, PATIENCE, Process, Stage, run, wait_until};

/// Messages asked for at once.
const PAGE: usize = 500;

/// Somebody with a node.
pub struct Person<'a> {
    stage: &'a Stage,
    name: String,
    home: PathBuf,
    process: Option<Process>,
    /// Strangers have to ask; otherwise everybody who writes is a contact at once.
    reserved: bool,
    /// The network namespace their node runs in.
    place: Option<String>,
}

/// One text in a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Who, as shown.
    pub sender: String,
    /// What.
    pub text: String,
    /// For own messages: how far it got.
    pub delivery: Option<String>,
}

impl<'a> Person<'a> {
    /// Somebody without a profile yet.
    #[must_use]
    pub fn nobody(stage: &'a Stage, name: &str) -> Self {
        Self {
            stage,
            name: name.to_owned(),
            home: stage.path(name),
            process: None,
            reserved: false,
            place: None,
        }
    }

    /// Somebody who has joined the hub, their node running.
    #[must_use]
    pub fn join(stage: &'a Stage, hub: &Hub<'_>, name: &str) -> Self {
        let mut person = Self::nobody(stage, name);
        person.begin(&hub.invite(1));
        person.joined();
        person
    }

    /// The same in a network namespace.
    #[must_use]
    pub fn join_in(stage: &'a Stage, hub: &Hub<'_>, name: &str, place: String) -> Self {
        let mut person = Self { place: Some(place), ..Self::nobody(stage, name) };
        person.begin(&hub.invite(1));
        person.joined();
        person
    }

    /// The same, as it is without a word in the settings: strangers have to ask.
    #[must_use]
    pub fn join_reserved(stage: &'a Stage, hub: &Hub<'_>, name: &str) -> Self {
        let mut person = Self { reserved: true, ..Self::nobody(stage, name) };
        person.begin(&hub.invite(1));
        person.joined();
        person
    }

    /// Several at once.
    #[must_use]
    pub fn join_all(stage: &'a Stage, hub: &Hub<'_>, names: &[&str]) -> Vec<Self> {
        let invite = hub.invite(u32::try_from(names.len()).unwrap());
        let begin = |name: &&str| {
            let mut person = Self::nobody(stage, name);
            person.begin(&invite);
            person
        };
        let mut people: Vec<_> = names.iter().map(begin).collect();
        people.iter_mut().for_each(Self::joined);
        people
    }

    /// Starts `hubbub join`, without waiting for its success.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn begin(&mut self, invite: &str) {
        if !self.reserved {
            std::fs::create_dir_all(self.profile()).unwrap();
            std::fs::write(self.profile().join("node.toml"), "strangers = \"welcome\"\n").unwrap();
        }
        let mut command = self.stage.command_in(self.place.as_deref(), "hubbub");
        command.arg("--home").arg(&self.home);
        command.args(["join", invite, "--nick", &self.name, "--json"]);
        self.process = Some(self.stage.start(&self.name, command, Stdio::null()));
    }

    /// Waits until the hub has let them in under their name.
    ///
    /// # Panics
    /// When it does not.
    pub fn joined(&mut self) {
        let process = self.process.as_mut().unwrap();
        wait_until(&format!("{} has joined", self.name), PATIENCE, || {
            let said = process.stdout();
            let ended = process.ended();
            assert!(ended.is_none(), "join ended ({ended:?}): {said}{}", process.stderr());
            if said.contains("\"nickname\"") { Ok(()) } else { Err(said) }
        });
    }

    /// Their node stops as it should.
    ///
    /// # Panics
    /// When it ends badly.
    pub fn go_offline(&mut self) {
        if let Some(process) = self.process.take() {
            assert_eq!(process.stop(), 0, "{} ended badly", self.name);
        }
    }

    /// Their node is taken down with `kill -9`.
    pub fn crash(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill9();
        }
    }

    /// Their node runs again, without a terminal: as long as its input is open.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn come_back(&mut self) {
        let mut command = self.stage.command_in(self.place.as_deref(), "hubbub");
        command.arg("--home").arg(&self.home).arg("api");
        let mut process = self.stage.start(&self.name, command, Stdio::piped());
        wait_until(&format!("{} is back", self.name), PATIENCE, || {
            let ended = process.ended();
            assert!(ended.is_none(), "it ended ({ended:?}): {}", process.stderr());
            self.query(json!("status")).map_err(|error| error.to_string())
        });
        self.process = Some(process);
    }

    /// Another program runs their node from now on.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn is_run_by(&mut self, program: &str, verb: &str, args: &[&str]) {
        let mut command = self.stage.command_in(self.place.as_deref(), program);
        command.arg(verb).arg(self.profile()).args(args);
        let mut process = self.stage.start(&self.name, command, Stdio::null());
        wait_until(&format!("{} is back", self.name), PATIENCE, || {
            let ended = process.ended();
            assert!(ended.is_none(), "it ended ({ended:?}): {}", process.stderr());
            self.query(json!("status")).map_err(|error| error.to_string())
        });
        self.process = Some(process);
    }

    /// What the program that runs their node said at its end.
    ///
    /// # Panics
    /// When it does not end, or badly.
    pub fn until_ended(&mut self) -> String {
        let mut process = self.process.take().unwrap();
        let ended = process.wait();
        assert_eq!(ended, 0, "{}: {}", self.name, process.stderr());
        process.stdout()
    }

    /// Runs `hubbub … --json` on their profile.
    #[must_use]
    pub fn cli<S: AsRef<str>>(&self, args: &[S]) -> Output {
        let mut command = self.stage.command("hubbub");
        command.arg("--json").arg("--home").arg(&self.home);
        command.args(args.iter().map(AsRef::as_ref));
        run(command)
    }

    /// Sends a message and gives its id; it is durable here then, no more.
    ///
    /// # Panics
    /// When it is refused.
    pub fn send(&self, to: &str, text: &str) -> String {
        let sent = self.cli(&["send", to, text, "--wait", "queued"]).fine();
        let queued = sent
            .json()
            .into_iter()
            .find_map(|line| line.get("queued")?.get("message")?.as_str().map(str::to_owned));
        queued.unwrap_or_else(|| panic!("{sent:?}"))
    }

    /// Asks their running node something.
    ///
    /// # Errors
    /// What the node answered, or that it does not.
    pub fn query(&self, query: Value) -> Result<Value, Value> {
        ask(&self.profile(), &json!({ "id": 1, "query": query }))
    }

    /// The conversation they mean by `name`, if there is one.
    #[must_use]
    pub fn conversation(&self, name: &str) -> Option<Value> {
        let found = self.query(json!({ "resolve": { "target": name } })).ok()?;
        found.get("conversation").cloned()
    }

    /// How their node reaches somebody, if it has anything to say of that.
    #[must_use]
    pub fn path(&self, name: &str) -> Option<Value> {
        let paths = self.query(json!("paths")).ok()?;
        let all = paths.get("paths")?.as_array()?.iter();
        let named = |path: &&Value| path.pointer("/person/name").is_some_and(|n| n == name);
        all.clone().find(named).cloned()
    }

    /// How each peer is reached.
    #[must_use]
    pub fn paths(&self) -> Vec<Value> {
        let paths = self.query(json!("paths")).unwrap_or_default();
        paths.get("paths").and_then(Value::as_array).cloned().unwrap_or_default()
    }

    /// Every text in the conversation they mean by `name`, as they see it.
    #[must_use]
    pub fn said(&self, name: &str) -> Vec<Said> {
        self.messages(name).iter().filter_map(said).collect()
    }

    /// Every line of the conversation they mean by `name`, as their node gives it.
    #[must_use]
    pub fn messages(&self, name: &str) -> Vec<Value> {
        let Some(conversation) = self.conversation(name) else { return Vec::new() };
        let id = conversation.get("id").cloned().unwrap_or_default();
        let (mut all, mut after) = (Vec::new(), 0);
        loop {
            let query = json!({ "conversation": id, "after": after, "limit": PAGE });
            let Ok(page) = self.query(json!({ "history": query })) else { return Vec::new() };
            let lines = page.get("history").and_then(Value::as_array).cloned().unwrap_or_default();
            let last = lines.last().and_then(|line| line.get("order")?.as_u64());
            let full = lines.len() == PAGE;
            all.extend(lines);
            match last.filter(|_| full) {
                Some(last) => after = last,
                None => return all,
            }
        }
    }

    /// The same, the words alone.
    #[must_use]
    pub fn texts(&self, name: &str) -> Vec<String> {
        self.said(name).into_iter().map(|said| said.text).collect()
    }

    /// Waits until they have exactly these texts in a conversation.
    pub fn until_reads(&self, conversation: &str, expected: &[&str]) {
        let claim = format!("{} reads {expected:?} in {conversation}", self.name);
        wait_until(&claim, PATIENCE, || {
            let texts = self.texts(conversation);
            let state = || (self.conversation(conversation), self.query(json!("status")));
            if texts == expected { Ok(()) } else { Err(format!("{texts:?}; {:?}", state())) }
        });
    }

    /// Waits until they have each of these texts in a conversation, once, and no others. Those that
    /// took another way may stand in another order.
    pub fn until_has_each_once(&self, conversation: &str, expected: &[&str]) {
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        wait_until(&format!("{} has {expected:?} once", self.name), PATIENCE * 3, || {
            let mut texts = self.texts(conversation);
            texts.sort();
            if texts == expected { Ok(()) } else { Err(format!("{texts:?}")) }
        });
    }

    /// Waits until the hub has everything they wrote.
    pub fn until_stored(&self) {
        wait_until(&format!("the hub has all of {}", self.name), PATIENCE, || {
            let status = self.query(json!("status")).unwrap_or_default();
            match status.pointer("/status/unsent").and_then(Value::as_u64) {
                Some(0) => Ok(()),
                _ => Err(status.to_string()),
            }
        });
    }

    /// Sends their node a signal: `STOP`, `CONT` and so on.
    ///
    /// # Panics
    /// When it does not run.
    pub fn signal(&self, name: &str) {
        self.process.as_ref().unwrap().signal(name);
    }

    /// Waits until the link to the hub is up.
    pub fn until_linked(&self) {
        wait_until(&format!("{} reaches the hub", self.name), PATIENCE, || {
            let link = self.link();
            if link.get("up").is_some() { Ok(()) } else { Err(link.to_string()) }
        });
    }

    /// The link to the hub as their node sees it.
    #[must_use]
    pub fn link(&self) -> Value {
        let status = self.query(json!("status")).unwrap_or_else(|error| error);
        status.pointer("/status/link").cloned().unwrap_or(status)
    }

    /// Their name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What they would give to `--home`.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Their profile's folder.
    #[must_use]
    pub fn profile(&self) -> PathBuf {
        self.home.join("profiles").join("default")
    }

    /// Their node's process.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }
}

fn said(message: &Value) -> Option<Said> {
    let text = |pointer| message.pointer(pointer)?.as_str().map(str::to_owned);
    Some(Said {
        sender: text("/sender/name")?,
        text: text("/body/text")?,
        delivery: text("/delivery"),
    })
}
