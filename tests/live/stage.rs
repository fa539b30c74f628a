//! A hub and people with nodes, for a test to play with.

use std::net::SocketAddr;
use std::time::Duration;

use hubbub_hub::{Running, ServeOptions, serve};
use hubbub_node::api::command::MessageText;
use hubbub_node::api::view::{Body, LinkState, MessageView};
use hubbub_node::api::{Answer, Command, ConversationId, Query, Reply};
use hubbub_node::paths::ProfileDir;
use hubbub_node::runtime::{Handle, Node, profile};
use hubbub_shared::invite::Invite;
use hubbub_shared::time::Millis;
use tempfile::TempDir;

/// Long enough for a loaded machine; nothing waits that long when all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Stage {
    dir: TempDir,
    address: SocketAddr,
    hub: Option<Running>,
    open: bool,
    files: hubbub_hub::config::Files,
}

impl Stage {
    pub(crate) async fn new(open: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let address = hubbub_tests::ports::own();
        let files = hubbub_hub::config::Files { reserve_mib: 0, ..Default::default() };
        let mut stage = Self { dir, address, hub: None, open, files };
        stage.start_hub().await;
        stage
    }

    /// Starts the hub, at the same port as before.
    pub(crate) async fn start_hub(&mut self) {
        let options = ServeOptions {
            dir: self.dir.path().join("hub"),
            listen: self.address,
            open: self.open,
            limits: hubbub_hub::config::Limits::default(),
            files: self.files.clone(),
        };
        let hub = serve(options).await.unwrap_or_else(|error| panic!("{error}"));
        self.address = hub.local_addr;
        self.hub = Some(hub);
    }

    pub(crate) async fn stop_hub(&mut self) {
        self.hub.take().unwrap().stop().await;
    }

    /// The hub's rules about files.
    pub(crate) fn files(&self) -> hubbub_hub::config::Files {
        self.files.clone()
    }

    /// Starts the hub anew, with other rules about files.
    pub(crate) async fn keep_files(&mut self, files: hubbub_hub::config::Files) {
        self.stop_hub().await;
        self.files = files;
        self.start_hub().await;
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) async fn invite(&self, admitting: bool) -> Invite {
        let hub = self.hub.as_ref().unwrap();
        let token = match admitting {
            true => Some(hub.make_invite(1, Millis::hours(1)).await.unwrap()),
            false => None,
        };
        Invite::new(vec![self.address.to_string()], hub.hub, token).ok().unwrap()
    }

    pub(crate) fn profile(&self, name: &str) -> ProfileDir {
        ProfileDir::at(self.dir.path().join(name))
    }

    /// A new person, connected.
    pub(crate) async fn person(&self, name: &str) -> Handle {
        let invite = self.invite(!self.open).await;
        self.open_to_strangers(name);
        profile::join(&self.profile(name), &invite, None, None).unwrap();
        let handle = self.reopen(name).await;
        until_up(&handle).await;
        claim(&handle, name).await;
        handle
    }

    /// Whoever writes to them is a contact at once.
    pub(crate) fn open_to_strangers(&self, name: &str) {
        let dir = self.profile(name);
        std::fs::create_dir_all(dir.path()).unwrap();
        std::fs::write(dir.config(), "strangers = \"welcome\"\n").unwrap();
    }

    pub(crate) async fn reopen(&self, name: &str) -> Handle {
        profile::open(&self.profile(name), None).await.unwrap()
    }
}

/// Waits until `look` finds what it looks for.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let waiting = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("never: {what}"))
}

pub(crate) async fn until_up(node: &Handle) {
    until("the link is up", async || {
        matches!(link(node).await, LinkState::Up { .. }).then_some(())
    })
    .await;
}

/// Claims a nickname; the hub has granted it when this returns.
async fn claim(node: &Handle, name: &str) {
    let claim = Command::SetNickname { nickname: name.to_owned() };
    let granted = node.command(claim).await.unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(granted, Reply::Nickname { nickname: name.to_owned() });
}

pub(crate) async fn link(node: &Handle) -> LinkState {
    match node.query(Query::Status).await {
        Ok(Answer::Status(status)) => status.link,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn send(node: &Handle, to: &str, text: &str) -> MessageText {
    let (to, text) = (to.to_owned(), text.to_owned());
    match node.command(Command::Send { to, text, id: None }).await {
        Ok(Reply::Queued { message, .. }) => message,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn delivered(node: &Handle, message: MessageText) {
    let node = Node::Local(node.clone());
    let least = hubbub_node::api::view::Delivery::Delivered;
    node.wait_delivered(message, least, PATIENCE).await.unwrap_or_else(|e| panic!("{e:?}"));
}

/// Every text in the conversation with `name`, in order.
pub(crate) async fn texts(node: &Handle, name: &str) -> Vec<String> {
    let Some(conversation) = conversation(node, name).await else { return Vec::new() };
    let query = Query::History { conversation, after: None, before: None, limit: 1_000 };
    let Ok(Answer::History(page)) = node.query(query).await else { panic!("history") };
    page.into_iter().filter_map(text).collect()
}

async fn conversation(node: &Handle, name: &str) -> Option<ConversationId> {
    match node.query(Query::Resolve { target: name.to_owned() }).await {
        Ok(Answer::Conversation(view)) => Some(view.id),
        _ => None,
    }
}

fn text(message: MessageView) -> Option<String> {
    match message.body {
        Body::Text(text) => Some(text),
        _ => None,
    }
}
