//! What people do in a pretend world: ask their devices, and look at them.

use std::time::Instant;

use hubbub_node::api::command::MessageText;
use hubbub_node::api::view::{Body, Delivery, Notice};
use hubbub_node::api::{ApiError, Command, ConversationId, Reply};
use hubbub_node::engine::output::Ticket;
use hubbub_shared::id::{MessageId, NodeId};
use hubbub_shared::time::Millis;

use crate::world::World;

impl World {
    /// Asks a device for something and waits up to 30 seconds for the answer.
    ///
    /// # Errors
    /// What the node answered.
    pub fn ask(&mut self, who: usize, command: Command) -> Result<Reply, ApiError> {
        let ticket = self.begin(who, command);
        for _ in 0..300 {
            if let Some(answer) = self.devices[who].answers.remove(&ticket) {
                return answer;
            }
            self.run(Millis(100));
        }
        panic!("{} got no answer", self.devices[who].name)
    }

    /// Asks a device for something.
    pub fn begin(&mut self, who: usize, command: Command) -> u64 {
        self.tickets += 1;
        let (ticket, now) = (self.tickets, self.local(who));
        let device = &mut self.devices[who];
        if let Some(engine) = &mut device.engine {
            let began = Instant::now();
            engine.handle_command(Ticket(ticket), command, now);
            device.busy += began.elapsed();
            self.settle(who);
        }
        ticket
    }

    /// Answers nobody waited for.
    pub fn answers(&self, who: usize) -> Vec<&Result<Reply, ApiError>> {
        self.devices[who].answers.values().collect()
    }

    /// Sends a text and expects it to be queued.
    pub fn say(&mut self, who: usize, to: &str, text: &str) -> MessageId {
        let send = Command::Send { to: to.to_owned(), text: text.to_owned(), id: None };
        match self.ask(who, send).unwrap() {
            Reply::Queued { message: MessageText(id), .. } => id,
            other => panic!("sent, and got {other:?}"),
        }
    }

    /// Founds a group.
    pub fn found(&mut self, who: usize, name: &str, members: &[&str]) -> ConversationId {
        let members = members.iter().map(|member| (*member).to_owned()).collect();
        match self.ask(who, Command::GroupNew { name: name.to_owned(), members }).unwrap() {
            Reply::Conversation { conversation } => conversation,
            other => panic!("founded, and got {other:?}"),
        }
    }

    /// The texts a person has in the history, in order, with who wrote them.
    pub fn texts(&self, who: usize) -> Vec<(NodeId, String)> {
        let lines = self.devices[who].disk.history.iter();
        lines
            .filter_map(|line| match &line.body {
                Body::Text(text) => Some((line.sender, text.clone())),
                _ => None,
            })
            .collect()
    }

    /// Only the words.
    pub fn words(&self, who: usize) -> Vec<String> {
        self.texts(who).into_iter().map(|(_, text)| text).collect()
    }

    /// Reasons of the refusals a person was told of.
    pub fn refusals(&self, who: usize) -> Vec<String> {
        let lines = self.devices[who].disk.history.iter();
        lines
            .filter_map(|line| match &line.body {
                Body::Notice(Notice::Refused { reason, .. }) => Some(reason.clone()),
                _ => None,
            })
            .collect()
    }

    /// Reasons of the warnings a person was given.
    pub fn warnings(&self, who: usize) -> &[String] {
        &self.devices[who].warnings
    }

    /// How often a person's device refused something for this reason.
    pub fn refused(&self, who: usize, reason: &str) -> u64 {
        let counts = self.engine(who).status().refused;
        counts.into_iter().find(|(known, _)| known == reason).map_or(0, |(_, count)| count)
    }

    /// How far a message got for somebody.
    pub fn delivery(&self, who: usize, message: MessageId, to: usize) -> Option<Delivery> {
        self.devices[who].disk.ledger.get(&(message, self.id(to))).copied()
    }
}
