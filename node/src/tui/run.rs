//! The loop around the pure part: keys and node events in, queries and frames out.
//!
//! Every task this starts belongs to the set it awaits on the way out.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crossterm::event::{Event as Input, EventStream, KeyEventKind};
use futures_util::{FutureExt, StreamExt};
use hubbub_shared::time::Timestamp;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::JoinSet;

use super::app::{App, Asked, Did, Effect, Msg};
use super::folders::{self, Search};
use super::invite::InviteCard;
use super::pictures;
use super::terminal::Screen;
use super::theme::Theme;
use super::turns::Turns;
use crate::api::{ApiError, Code, Command, ConversationId, Events, Node, Query};
use crate::display::Clock;
use crate::paths;

/// How often the status bar is refreshed.
const TICK: Duration = Duration::from_secs(5);
/// Outcomes waiting to be drawn; askers wait when there are more.
const OUTCOMES: usize = 256;
/// Messages on their way to the node.
const SENDS: usize = 64;
/// Events taken in before a frame is drawn.
const BATCH: usize = 64;

/// How to show the chat.
#[derive(Clone, Debug)]
pub struct Options {
    /// Colours and characters.
    pub theme: Theme,
    /// The invite to hand out, if we run the hub.
    pub invite: Option<InviteCard>,
    /// Whether the mouse is ours.
    pub mouse: bool,
}

/// Shows the chat until the person leaves, `stop` ends or the node stops.
///
/// # Errors
/// The terminal cannot be used, or the node stopped.
pub async fn run(
    node: Arc<dyn Node>,
    options: Options,
    stop: impl Future<Output = ()>,
) -> Result<(), ApiError> {
    let events = node.subscribe();
    let mut screen = Screen::take(options.mouse).map_err(no_terminal)?;
    let mut app = App::new(options.theme, Clock::local(), options.invite);
    app.home = paths::home();
    let (outcomes, outcomes_in) = mpsc::channel(OUTCOMES);
    let (sends, sends_in) = mpsc::channel(SENDS);
    let mut tasks = JoinSet::new();
    tasks.spawn(send_in_order(node.clone(), sends_in, outcomes.clone()));
    let sends = Some(sends);
    let mut face = Face {
        app,
        node,
        outcomes,
        outcomes_in,
        sends,
        tasks,
        asking: Turns::default(),
        looking: Turns::default(),
        marking: Turns::default(),
        aside: false,
        leave: false,
    };
    let result = tokio::select! {
        result = face.run(&mut screen, events) => result,
        () = stop => Ok(()),
    };
    drop(screen);
    face.finish().await;
    result?;
    if face.app.ended {
        let what = "the node stopped while the chat was open";
        return Err(ApiError::new(Code::Internal, what, "start `hubbub` again"));
    }
    Ok(())
}

fn no_terminal(error: io::Error) -> ApiError {
    let what = format!("cannot use this terminal: {error}");
    ApiError::new(Code::Usage, what, "run hubbub in a terminal, or use its commands: `hubbub help`")
}

struct Face {
    app: App,
    node: Arc<dyn Node>,
    outcomes: mpsc::Sender<Msg>,
    outcomes_in: mpsc::Receiver<Msg>,
    /// `None` once we are leaving.
    sends: Option<mpsc::Sender<(Command, Did)>>,
    tasks: JoinSet<()>,
    /// What the node is being asked.
    asking: Turns<Asked, Query>,
    /// The folder being looked at.
    looking: Turns<(), Search>,
    /// Conversations being marked as read.
    marking: Turns<ConversationId, Command>,
    /// Whether something else than the chat is on the screen.
    aside: bool,
    leave: bool,
}

impl Face {
    async fn run(
        &mut self,
        screen: &mut Screen,
        mut events: Box<dyn Events>,
    ) -> Result<(), ApiError> {
        let mut input = EventStream::new();
        let mut tick = tokio::time::interval(TICK);
        self.carry_out(screen, App::start())?;
        while !self.leave {
            self.draw(screen)?;
            let msg = tokio::select! {
                input = input.next() => match input {
                    Some(input) => understood(input.map_err(no_terminal)?),
                    None => return Ok(()), // the terminal is gone
                },
                event = events.next() => Some(event.map_or(Msg::Ended, Msg::from)),
                outcome = self.outcomes_in.recv() => outcome,
                _ = tick.tick() => Some(Msg::Tick),
            };
            msg.iter().for_each(|msg| self.next_turn(msg));
            let msg = if self.aside { self.beside(screen, msg)? } else { msg };
            let effects = msg.map_or_else(Vec::new, |msg| self.app.update(msg, now()));
            self.carry_out(screen, effects)?;
            for _ in 0..BATCH {
                let Some(Some(event)) = events.next().now_or_never() else { break };
                let effects = self.app.update(event.into(), now());
                self.carry_out(screen, effects)?;
            }
            while self.tasks.try_join_next().is_some() {}
        }
        Ok(())
    }

    /// What comes while the chat is not on the screen: a key brings it back and does nothing else.
    fn beside(&mut self, screen: &mut Screen, msg: Option<Msg>) -> Result<Option<Msg>, ApiError> {
        match msg {
            Some(Msg::Key(key)) => {
                if key.kind != KeyEventKind::Release {
                    screen.come_back().map_err(no_terminal)?;
                    self.aside = false;
                }
                Ok(None)
            }
            Some(Msg::Mouse(_) | Msg::Paste(_)) => Ok(None),
            other => Ok(other),
        }
    }

    fn draw(&mut self, screen: &mut Screen) -> Result<(), ApiError> {
        if self.aside {
            return Ok(());
        }
        screen.terminal.draw(|frame| self.app.view(frame)).map_err(no_terminal)?;
        let more = self.app.places.at_top.then(|| self.app.want_older()).flatten();
        let pictures = self.app.want_pictures();
        self.carry_out(screen, more.into_iter().chain(pictures).collect())
    }

    fn carry_out(&mut self, screen: &mut Screen, effects: Vec<Effect>) -> Result<(), ApiError> {
        for effect in effects {
            match effect {
                Effect::Quit => self.leave = true,
                Effect::Aside(lines) => {
                    screen.step_aside(&lines).map_err(no_terminal)?;
                    self.aside = true;
                }
                Effect::Picture(file) => self.picture(file),
                Effect::Look(search) => {
                    let now = self.looking.begin((), search);
                    now.into_iter().for_each(|search| self.look(search));
                }
                Effect::Redraw => screen.redraw().map_err(no_terminal)?,
                Effect::Query(query, asked) => {
                    let now = self.asking.begin(asked.clone(), query);
                    now.into_iter().for_each(|query| self.ask(query, asked.clone()));
                }
                Effect::Command(command @ Command::Send { .. }, did) => self.send(command, did),
                Effect::Command(command, Did::Marked(id)) => {
                    let now = self.marking.begin(id, command);
                    now.into_iter().for_each(|command| self.tell(command, Did::Marked(id)));
                }
                Effect::Command(command, did) => self.tell(command, did),
            }
        }
        Ok(())
    }

    /// The node is done with something: what waited for that has its turn.
    fn next_turn(&mut self, msg: &Msg) {
        match msg {
            Msg::Answered(asked, _) => {
                let next = self.asking.end(asked);
                next.into_iter().for_each(|query| self.ask(query, asked.clone()));
            }
            Msg::Found(..) => {
                let next = self.looking.end(&());
                next.into_iter().for_each(|search| self.look(search));
            }
            Msg::Replied(Did::Marked(id), _) => {
                let next = self.marking.end(id);
                next.into_iter().for_each(|command| self.tell(command, Did::Marked(*id)));
            }
            _ => {}
        }
    }

    fn ask(&mut self, query: Query, asked: Asked) {
        let (node, outcomes) = (self.node.clone(), self.outcomes.clone());
        self.tasks.spawn(async move {
            let answer = node.query(query).await;
            outcomes.send(Msg::Answered(asked, answer)).await.unwrap_or_default();
        });
    }

    /// Whatever came with an offer is decoded where it holds nobody up.
    fn picture(&mut self, file: u64) {
        let (node, outcomes) = (self.node.clone(), self.outcomes.clone());
        self.tasks.spawn(async move {
            let answer = node.query(Query::Preview { file }).await;
            let shown = move || pictures::of_answer(answer);
            let pixels = tokio::task::spawn_blocking(shown).await.ok().flatten();
            outcomes.send(Msg::Picture(file, pixels)).await.unwrap_or_default();
        });
    }

    /// A folder may be on a disk that takes its time.
    fn look(&mut self, search: Search) {
        let outcomes = self.outcomes.clone();
        self.tasks.spawn(async move {
            let looked = tokio::task::spawn_blocking(move || {
                let found = folders::look(&search);
                Msg::Found(search, found)
            });
            if let Ok(found) = looked.await {
                outcomes.send(found).await.unwrap_or_default();
            }
        });
    }

    fn tell(&mut self, command: Command, did: Did) {
        let (node, outcomes) = (self.node.clone(), self.outcomes.clone());
        self.tasks.spawn(async move {
            let reply = node.command(command).await;
            outcomes.send(Msg::Replied(did, reply)).await.unwrap_or_default();
        });
    }

    fn send(&mut self, command: Command, did: Did) {
        let Some(sends) = &self.sends else { return };
        if let Err(TrySendError::Full((_, did)) | TrySendError::Closed((_, did))) =
            sends.try_send((command, did))
        {
            let hint = "the node is busy: send it again in a moment";
            let error = ApiError::new(Code::Full, "too many messages at once", hint);
            // Nothing follows from a refusal but words on screen.
            self.app.update(Msg::Replied(did, Err(error)), now());
        }
    }

    /// What was sent last must be durable before we leave; what is only shown may be forgotten.
    async fn finish(&mut self) {
        self.outcomes_in.close();
        self.sends = None;
        let patience = Duration::from_secs(3);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(patience, all).await.is_err() {
            self.tasks.abort_all();
        }
    }
}

/// Messages go to the node one after the other: it would be free to swap two at once.
async fn send_in_order(
    node: Arc<dyn Node>,
    mut sends: mpsc::Receiver<(Command, Did)>,
    outcomes: mpsc::Sender<Msg>,
) {
    while let Some((command, did)) = sends.recv().await {
        let reply = node.command(command).await;
        outcomes.send(Msg::Replied(did, reply)).await.unwrap_or_default();
    }
}

fn understood(input: Input) -> Option<Msg> {
    match input {
        Input::Key(key) => Some(Msg::Key(key)),
        Input::Paste(text) => Some(Msg::Paste(text)),
        Input::Mouse(mouse) => Some(Msg::Mouse(mouse)),
        // The next frame takes the new size.
        Input::Resize(..) | Input::FocusGained | Input::FocusLost => None,
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
