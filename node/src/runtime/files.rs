//! Between the engine and those who read and move files: its orders there, what they say back.
//!
//! What a file looks like is found out here, beside the loop and one file at a time. Everything
//! else goes to the [`Movers`]. A node whose streams are somebody else's has none: its engine is
//! told so, and refuses to send or fetch anything.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hubbub_shared::id::NodeId;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use super::movers::{FromMovers, Movers};
use super::preview::{self, Looked, Wanted};
use crate::engine::file::order::{Look, Order, Told};
use crate::paths;

/// Words about files that wait for the loop; who has more to say waits.
const TELLS: usize = 64;

/// The loop's end.
pub(super) struct Files {
    told: mpsc::Receiver<Told>,
    tell: mpsc::Sender<Told>,
    movers: Option<Movers>,
    /// One file is looked at at a time: a decoded picture is large.
    looking: Arc<Mutex<()>>,
    sent: PathBuf,
    /// Where files land when nothing else is said, if this system has such a place.
    usual: Option<PathBuf>,
    /// Fetches that cannot begin; at most one for each file that is fetched.
    unable: VecDeque<Told>,
    /// At most one look for each file that waits to be sent, and what is being removed.
    tasks: JoinSet<()>,
}

impl Files {
    /// `sent` is the folder of what is written down only to be sent.
    pub(super) fn new(sent: PathBuf, movers: Option<Movers>) -> Self {
        let (tell, told) = mpsc::channel(TELLS);
        Self {
            told,
            tell,
            movers,
            looking: Arc::default(),
            sent,
            usual: paths::downloads(),
            unable: VecDeque::new(),
            tasks: JoinSet::new(),
        }
    }

    /// Whether anybody moves files.
    pub(super) fn connected(&self) -> bool {
        self.movers.is_some()
    }

    /// What happens to files. May be given up. Never ends: this end holds a sender.
    pub(super) async fn next(&mut self) -> Option<FromMovers> {
        if let Some(told) = self.unable.pop_front() {
            return Some(FromMovers::Told(told));
        }
        let moved = async {
            match &mut self.movers {
                Some(movers) => movers.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            told = self.told.recv() => told.map(FromMovers::Told),
            moved = moved => Some(moved),
        }
    }

    pub(super) fn waiting(&mut self) -> Option<FromMovers> {
        let told = self.unable.pop_front().or_else(|| self.told.try_recv().ok());
        let told = told.map(FromMovers::Told);
        told.or_else(|| self.movers.as_mut().and_then(Movers::waiting))
    }

    /// A peer is reached directly from now on, or not any more.
    pub(super) fn way(&mut self, peer: NodeId, direct: bool) {
        if let Some(movers) = &mut self.movers {
            movers.way(peer, direct);
        }
    }

    /// A peer was heard from.
    pub(super) fn heard(&mut self, peer: NodeId) {
        if let Some(movers) = &mut self.movers {
            movers.heard(peer);
        }
    }

    /// The link to the hub is up again.
    pub(super) fn hub_is_back(&mut self) {
        if let Some(movers) = &mut self.movers {
            movers.hub_is_back();
        }
    }

    /// Has an order carried out.
    pub(super) fn carry_out(&mut self, order: Order) {
        // Those that are through leave nothing but their place.
        while self.tasks.try_join_next().is_some() {}
        match order {
            Order::Look(look) => self.look(look),
            Order::Discard { path, .. } => self.discard(PathBuf::from(path)),
            Order::Fetch(mut fetch) => match landing(&fetch.folder, self.usual.as_deref()) {
                Ok(folder) => {
                    fetch.folder = folder;
                    self.hand_over(Order::Fetch(fetch));
                }
                Err(why) => self.unable.push_back(Told::Failed { file: fetch.file, why }),
            },
            Order::Drop(mut dropped) => {
                if let (true, Some(usual)) = (dropped.folder.is_empty(), &self.usual) {
                    dropped.folder = usual.to_string_lossy().into_owned();
                }
                self.hand_over(Order::Drop(dropped));
            }
            other => self.hand_over(other),
        }
    }

    /// Gives an order to the movers.
    fn hand_over(&mut self, order: Order) {
        if let Some(movers) = &mut self.movers {
            movers.carry_out(order);
        }
    }

    /// Ends. What came until now is durable then.
    pub(super) async fn stop(self) {
        if let Some(movers) = self.movers {
            movers.stop().await;
        }
    }

    /// Removes what was written down only to be sent; anybody's own files stay.
    fn discard(&mut self, path: PathBuf) {
        if path.parent() == Some(self.sent.as_path()) {
            self.tasks.spawn_blocking(move || {
                if let Err(error) = paths::remove(&path) {
                    tracing::warn!("cannot remove what was offered: {error}");
                }
            });
        }
    }

    fn look(&mut self, order: Look) {
        let (tell, looking) = (self.tell.clone(), Arc::clone(&self.looking));
        let sent = self.sent.clone();
        self.tasks.spawn(async move {
            let turn = looking.lock().await;
            let Look { file, path, name, preview, strip } = order;
            // One name for each file: looking again after a crash leaves nothing behind.
            let bare = strip.then(|| sent.join(format!("bare-{file}")));
            let look = move || {
                let wanted = Wanted { preview, bare: bare.as_deref() };
                preview::look(&PathBuf::from(path), &name, wanted)
            };
            let looked = tokio::task::spawn_blocking(look).await;
            drop(turn);
            let told = match looked {
                Ok(Ok(Looked { size, media, preview, bare })) => {
                    let path = bare.and_then(|path| path.to_str().map(str::to_owned));
                    Told::Looked { file, size, path, media: media.to_owned(), preview }
                }
                Ok(Err(why)) => Told::Failed { file, why },
                Err(_) => {
                    let why = "it could not be looked at; try without a preview".to_owned();
                    Told::Failed { file, why }
                }
            };
            // A loop that has ended has nobody to tell.
            tell.send(told).await.ok();
        });
    }
}

/// The folder a file is to land in. The usual one is made where it is absent, and no other: one
/// that somebody named and that is not there may be a disk that is not.
fn landing(folder: &str, usual: Option<&Path>) -> Result<String, String> {
    let elsewhere = "say where with `hubbub file accept --to DIR`, or for all files with `hubbub \
                     file rules --folder DIR`";
    if !folder.is_empty() {
        let absolute = Path::new(folder).is_absolute();
        let refused = || format!("the folder for files is no whole path; {elsewhere}");
        return absolute.then(|| folder.to_owned()).ok_or_else(refused);
    }
    let absent = || format!("this system names no folder for downloads; {elsewhere}");
    let usual = usual.and_then(Path::to_str).ok_or_else(absent)?;
    let refused = |error| format!("the folder {usual} cannot be made ({error}); {elsewhere}");
    std::fs::create_dir_all(usual).map_err(refused)?;
    Ok(usual.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn files_are_looked_at_beside_the_loop_and_every_look_is_answered() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notes.txt");
        std::fs::write(&path, "hello").unwrap();
        let mut files = Files::new(dir.path().join("sent"), None);
        let look = |file, path: &std::path::Path| {
            let path = path.to_str().unwrap().to_owned();
            let name = "notes.txt".to_owned();
            Order::Look(Look { file, path, name, preview: true, strip: false })
        };
        files.carry_out(look(1, &path));
        files.carry_out(look(2, &dir.path().join("absent")));
        let mut told = Vec::new();
        for _ in 0..2 {
            match files.next().await.unwrap() {
                FromMovers::Told(Told::Looked { file, size: 5, path: None, media, preview }) => {
                    assert!(media == "text/plain" && preview.is_none());
                    told.push((file, true));
                }
                FromMovers::Told(Told::Failed { file, .. }) => told.push((file, false)),
                _ => panic!("neither looked at nor failed"),
            }
        }
        told.sort_unstable();
        assert_eq!(told, [(1, true), (2, false)]);
        assert!(files.waiting().is_none());
    }

    #[tokio::test]
    async fn only_what_was_written_down_to_be_sent_is_discarded() {
        let dir = tempfile::tempdir().unwrap();
        let sent = dir.path().join("sent");
        std::fs::create_dir_all(sent.join("deeper")).unwrap();
        let mut files = Files::new(sent.clone(), None);
        let kept = [dir.path().join("mine"), sent.join("deeper").join("x"), sent.join("../mine2")];
        let gone = sent.join("1");
        for path in kept.iter().chain([&gone]) {
            std::fs::write(path, "x").unwrap();
            let path = path.to_str().unwrap().to_owned();
            files.carry_out(Order::Discard { file: 1, path });
        }
        while gone.exists() {
            tokio::task::yield_now().await;
        }
        assert!(kept.iter().all(|path| path.exists()));
    }

    #[test]
    fn the_usual_folder_is_made_and_no_other_and_nothing_lands_where_the_node_was_started() {
        let dir = tempfile::tempdir().unwrap();
        let usual = dir.path().join("Downloads").join("Hubbub");
        let named = dir.path().join("disk");
        assert_eq!(landing("", Some(&usual)).unwrap(), usual.to_str().unwrap());
        assert!(usual.is_dir());
        assert_eq!(landing("", Some(&usual)).unwrap(), usual.to_str().unwrap(), "as before");
        assert_eq!(landing(named.to_str().unwrap(), None).unwrap(), named.to_str().unwrap());
        assert!(!named.exists());
        assert!(landing("", None).unwrap_err().contains("--to"));
        assert!(landing("files", Some(&usual)).unwrap_err().contains("no whole path"));
        std::fs::write(&named, "in the way").unwrap();
        let refused = landing("", Some(&named.join("Hubbub"))).unwrap_err();
        assert!(refused.contains("cannot be made"), "{refused}");
    }

    #[tokio::test]
    async fn a_file_that_can_land_nowhere_says_so() {
        let mut files = Files::new(PathBuf::from("/sent"), None);
        files.usual = None;
        let address = hubbub_shared::id::BlobId([1; 32]);
        let shape = hubbub_shared::blob::Shape::of(5).unwrap();
        let secret = hubbub_shared::crypto::Secret32::from_bytes([2; 32]);
        let fetch = crate::engine::file::order::Fetch {
            file: 7,
            blob: hubbub_shared::blob::Blob { address, shape },
            key: hubbub_shared::crypto::stream::FileKey::from_parts(secret, [3; 16]),
            size: 5,
            name: hubbub_shared::content::FileName::clean("notes.txt"),
            manifest: None,
            folder: String::new(),
            sources: Vec::new(),
            hub: true,
        };
        files.carry_out(Order::Fetch(Box::new(fetch)));
        let Some(FromMovers::Told(Told::Failed { file: 7, why })) = files.waiting() else {
            panic!("not told")
        };
        assert!(why.contains("--to"), "{why}");
    }
}
