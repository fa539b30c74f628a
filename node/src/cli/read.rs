//! `hubbub read`: what was said, and with `--follow` what is being said.

use std::collections::BTreeSet;

use super::args::Read;
use super::out::{Done, Out};
use super::render;
use crate::api::view::{ConversationView, MessageView, PastView};
use crate::api::{Answer, ApiError, Command, ConversationId, Event, Events, Node, Query};

/// Most messages the node gives at once.
const PAGE: u32 = 1_000;
/// Messages asked for at once when too many came to be told one by one.
const CATCH_UP: u32 = 100;
/// Order numbers remembered to not print a message twice.
const PRINTED: usize = 10_000;

/// Prints, marks as read, and follows if asked to.
pub(super) async fn run(node: &dyn Node, args: Read, out: &mut Out) -> Done {
    let events = node.subscribe();
    let target = args.conversation.clone();
    let answer = node.query(Query::Resolve { target }).await?;
    let Answer::Conversation(conversation) = answer else {
        return Err(super::open::unexpected().into());
    };
    if args.past {
        return past(node, conversation.id, args.limit, out).await;
    }
    let last = args.since.unwrap_or(0);
    let mut reader =
        Reader { node, id: conversation.id, peek: args.peek, printed: BTreeSet::new(), last };
    reader.so_far(&conversation, &args, out).await?;
    if args.follow { reader.follow(events, out).await } else { Ok(()) }
}

/// What was said before this node came. It is no part of the conversation: nothing is marked.
async fn past(node: &dyn Node, conversation: ConversationId, limit: u32, out: &mut Out) -> Done {
    let limit = limit.min(PAGE);
    let query = Query::Past { conversation, before: None, limit };
    let Answer::Past(page) = node.query(query).await? else {
        return Err(super::open::unexpected().into());
    };
    if page.is_empty() {
        out.hint("nobody has told what was said before you came");
    }
    out.results(&page, |page: &[PastView], look| render::past(page, look))
}

struct Reader<'a> {
    node: &'a dyn Node,
    id: ConversationId,
    peek: bool,
    printed: BTreeSet<u64>,
    /// Everything up to here was printed, or not asked for.
    last: u64,
}

impl Reader<'_> {
    async fn so_far(&mut self, c: &ConversationView, args: &Read, out: &mut Out) -> Done {
        let page = self.page(args.since, args.limit.min(PAGE)).await?;
        if page.is_empty() && !args.follow {
            out.hint(&format!("nothing new in {}", crate::display::line(&c.title)));
        }
        self.took(&page);
        self.print(page, out).await
    }

    fn took(&mut self, page: &[MessageView]) {
        self.last = page.iter().fold(self.last, |last, m| last.max(m.order));
    }

    async fn page(&self, after: Option<u64>, limit: u32) -> Result<Vec<MessageView>, ApiError> {
        let query = Query::History { conversation: self.id, after, before: None, limit };
        match self.node.query(query).await? {
            Answer::History(page) => Ok(page),
            _ => Err(super::open::unexpected()),
        }
    }

    async fn print(&mut self, mut page: Vec<MessageView>, out: &mut Out) -> Done {
        page.retain(|m| self.printed.insert(m.order));
        while self.printed.len() > PRINTED {
            self.printed.pop_first();
        }
        if page.is_empty() {
            return Ok(());
        }
        out.results(&page, render::messages)?;
        if !self.peek {
            self.node.command(Command::MarkRead { conversation: self.id }).await?;
        }
        Ok(())
    }

    /// Prints everything that came while nobody took what was printed, page by page.
    async fn catch_up(&mut self, out: &mut Out) -> Done {
        loop {
            let page = self.page(Some(self.last), CATCH_UP).await?;
            if page.is_empty() {
                return Ok(());
            }
            self.took(&page);
            self.print(page, out).await?;
        }
    }

    async fn follow(&mut self, mut events: Box<dyn Events>, out: &mut Out) -> Done {
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                stop = tokio::signal::ctrl_c() => {
                    stop?;
                    return Ok(());
                }
            };
            match event {
                Some(Event::Message(message)) if message.conversation == self.id => {
                    let page = vec![*message];
                    self.took(&page);
                    self.print(page, out).await?;
                }
                Some(Event::Missed(_)) => self.catch_up(out).await?,
                Some(_) => {}
                None => return Ok(()),
            }
        }
    }
}
