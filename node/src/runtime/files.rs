//! Between the engine and those who read and move files: its orders there, what they say back.
//!
//! What a file looks like is found out here, beside the loop and one file at a time. Everything
//! else goes to the [`Movers`]. A node whose streams are somebody else's has none: its engine is
//! told so, and refuses to send or fetch anything.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf, absolute};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hubbub_shared::id::NodeId;
use tokio::sync::{Mutex, mpsc};
use tokio::task::{JoinError, JoinSet};

use super::latest::Latest;
use super::movers::{FromMovers, Movers};
use super::preview::{self, Looked, Wanted};
use super::sent;
use super::video::Ffmpeg;
use crate::engine::Engine;
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
    /// And beside it one that a copy is made of: a long video keeps no other file waiting.
    copying: Arc<Mutex<()>>,
    looks: Looks,
    sent: PathBuf,
    /// What stood there when this began, until it is known what offers name.
    stood: Vec<PathBuf>,
    /// Where files land when nothing else is said, if this system has such a place.
    usual: Option<PathBuf>,
    /// The usual folder being made; at most one.
    making: JoinSet<Result<(), String>>,
    /// Orders that wait for it, which replace one another as they do at the movers.
    held: Latest<Order>,
    /// Fetches that cannot begin; at most one for each file that is fetched.
    unable: VecDeque<Told>,
    /// At most one look for each file that waits to be sent, and what is being removed.
    tasks: JoinSet<()>,
}

impl Files {
    /// `sent` is the folder of what is written down only to be sent.
    pub(super) fn new(sent: PathBuf, movers: Option<Movers>) -> Self {
        let (tell, told) = mpsc::channel(TELLS);
        // Wherever this node or another program stands, it is the same folder.
        let sent = absolute(&sent).unwrap_or(sent);
        let stood = sent::all(&sent);
        Self {
            told,
            tell,
            movers,
            looking: Arc::default(),
            copying: Arc::default(),
            looks: Looks::default(),
            sent,
            stood,
            usual: paths::downloads(),
            making: JoinSet::new(),
            held: Latest::default(),
            unable: VecDeque::new(),
            tasks: JoinSet::new(),
        }
    }

    /// Where files land when nothing else is said; empty where this system has no such place.
    pub(super) fn usual(&self) -> String {
        self.usual.as_deref().and_then(Path::to_str).unwrap_or_default().to_owned()
    }

    /// Whether anybody moves files.
    pub(super) fn connected(&self) -> bool {
        self.movers.is_some()
    }

    /// What happens to files. May be given up. Never ends: this end holds a sender.
    pub(super) async fn next(&mut self) -> Option<FromMovers> {
        loop {
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
                told = self.told.recv() => return told.map(FromMovers::Told),
                moved = moved => return Some(moved),
                Some(made) = self.making.join_next() => self.made(made),
            }
        }
    }

    pub(super) fn waiting(&mut self) -> Option<FromMovers> {
        while let Some(made) = self.making.try_join_next() {
            self.made(made);
        }
        let told = self.unable.pop_front().or_else(|| self.told.try_recv().ok());
        let told = told.map(FromMovers::Told);
        told.or_else(|| self.movers.as_mut().and_then(Movers::waiting))
    }

    /// Removes what was written down before this began and is named by none of these: own files
    /// that may still be offered, and where each is.
    pub(super) fn sweep<'a>(&mut self, own: impl Iterator<Item = (u64, &'a str)>) {
        let stood = std::mem::take(&mut self.stood);
        if stood.is_empty() {
            return;
        }
        let copies = |file| sent::bare_names(&self.sent, file);
        let of = |(file, path)| copies(file).into_iter().chain([PathBuf::from(path)]);
        let named = own.flat_map(of).collect();
        self.tasks.spawn_blocking(move || sent::sweep(stood, &named));
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
            Order::Fetch(fetch) => match landing(&fetch.folder) {
                Ok(()) => {
                    if self.is_usual(&fetch.folder) {
                        self.make(fetch.folder.clone());
                    }
                    self.hand_over(Order::Fetch(fetch));
                }
                Err(why) => self.unable.push_back(Told::Failed { file: fetch.file, why }),
            },
            Order::Drop(dropped) => {
                self.looks.stop(dropped.file);
                self.hand_over(Order::Drop(dropped));
            }
            other => self.hand_over(other),
        }
    }

    /// Gives an order to the movers, behind those that wait.
    fn hand_over(&mut self, order: Order) {
        match &mut self.movers {
            Some(_) if !self.making.is_empty() => self.held.push(order),
            Some(movers) => movers.carry_out(order),
            None => {}
        }
    }

    /// Takes away what crashes left of files that nobody knows any more. Only before anything is
    /// done with others: what is sealed stands there before its number is known.
    pub(super) fn sweep_shelf(&self, engine: &Engine) {
        if !engine.knows_all_files() {
            let words = "what is known of a file cannot be read: nothing is taken away that may \
                         belong to it";
            return tracing::warn!("{words}");
        }
        let known = engine.files_known();
        let swept = self.movers.as_ref().map_or(Ok(()), |movers| movers.shelf().sweep(known));
        if let Err(error) = swept {
            tracing::debug!("what is left of files cannot be taken away: {}", error.reason());
        }
    }

    /// Makes the usual folder beside the loop: its disk may be slow, or not answer.
    fn make(&mut self, folder: String) {
        if self.making.is_empty() {
            self.making.spawn_blocking(move || {
                let refused = |error| cannot_make(&folder, &error);
                std::fs::create_dir_all(&folder).map_err(refused)
            });
        }
    }

    /// The folder is made, or cannot be: what waited for that goes on.
    fn made(&mut self, made: Result<Result<(), String>, JoinError>) {
        let failed = made.ok().and_then(Result::err);
        let mut held = std::mem::take(&mut self.held);
        while let Some(order) = held.pop() {
            match (order, &failed) {
                (Order::Fetch(fetch), Some(why)) if self.is_usual(&fetch.folder) => {
                    let told = Told::Failed { file: fetch.file, why: why.clone() };
                    self.unable.push_back(told);
                }
                (order, _) => self.hand_over(order),
            }
        }
    }

    fn is_usual(&self, folder: &str) -> bool {
        self.usual.as_deref() == Some(Path::new(folder))
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
        let Look { file, path, name, preview, strip } = order;
        let (tell, turn) = (self.tell.clone(), if strip { &self.copying } else { &self.looking });
        let (turn, stop) = (Arc::clone(turn), self.looks.begin(file));
        let bare = strip.then(|| sent::bare(&self.sent, file));
        // Where the copy goes has to be said in a record: else the original would go instead.
        let unnamed = bare.as_ref().is_some_and(|path| path.to_str().is_none());
        self.tasks.spawn(async move {
            if unnamed {
                // A loop that has ended has nobody to tell.
                tell.send(Told::Failed { file, why: unnameable() }).await.ok();
                return;
            }
            let turn = turn.lock().await;
            let look = move || {
                let ffmpeg = Ffmpeg::find();
                let (bare, ffmpeg, stop) = (bare.as_deref(), ffmpeg.as_ref(), &*stop);
                let wanted = Wanted { preview, bare, ffmpeg, stop };
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

/// Looks that go on, by file, and what stops each. When dropped, all stop: a node that ends waits
/// for no video.
#[derive(Default)]
struct Looks(BTreeMap<u64, Arc<AtomicBool>>);

impl Looks {
    fn begin(&mut self, file: u64) -> Arc<AtomicBool> {
        // Those that are through have nobody else who holds theirs.
        self.0.retain(|_, stop| Arc::strong_count(stop) > 1);
        let stop = Arc::<AtomicBool>::default();
        self.0.insert(file, Arc::clone(&stop));
        stop
    }

    fn stop(&mut self, file: u64) {
        if let Some(stop) = self.0.remove(&file) {
            stop.store(true, Ordering::Relaxed);
        }
    }
}

impl Drop for Looks {
    fn drop(&mut self) {
        self.0.values().for_each(|stop| stop.store(true, Ordering::Relaxed));
    }
}

/// Looks whether a folder is one that a file may land in. The usual one is made where it is absent,
/// and no other: one that somebody named and that is not there may be a disk that is not.
fn landing(folder: &str) -> Result<(), String> {
    let refused = |why: &str| {
        format!(
            "{why}; say where with `hubbub file accept --to DIR`, or for all files with `hubbub \
             file rules --folder DIR`"
        )
    };
    if folder.is_empty() {
        return Err(refused("this system names no folder for downloads"));
    }
    let whole = Path::new(folder).is_absolute().then_some(());
    whole.ok_or_else(|| refused("the folder for files is no whole path"))
}

fn unnameable() -> String {
    "no copy can be made, since the path of this profile is no text; use a profile in a folder whose \
     name is, or send it as it is"
        .to_owned()
}

fn cannot_make(folder: &str, error: &std::io::Error) -> String {
    format!(
        "the folder {folder} cannot be made ({error}); see to it and resume, or cancel the file \
         and accept it into another one"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::file::order::Fetch;

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

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn where_no_copy_can_be_named_the_original_is_not_sent_in_its_place() {
        use std::os::unix::ffi::OsStrExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cat.png");
        image::RgbImage::new(4, 4).save(&path).unwrap();
        let odd = dir.path().join(std::ffi::OsStr::from_bytes(b"profile\xff"));
        let mut files = Files::new(odd.join("sent"), None);
        let (path, name) = (path.to_str().unwrap().to_owned(), "cat.png".to_owned());
        files.carry_out(Order::Look(Look { file: 1, path, name, preview: false, strip: true }));
        match files.next().await.unwrap() {
            FromMovers::Told(Told::Failed { file: 1, why }) => assert!(why.contains("profile")),
            FromMovers::Told(Told::Looked { path, .. }) => panic!("{path:?} is sent"),
            _ => panic!("neither looked at nor failed"),
        }
    }

    #[tokio::test]
    async fn what_is_written_down_to_be_sent_has_a_whole_path_wherever_the_profile_was_named() {
        let files = Files::new(PathBuf::from("profile/sent"), None);
        assert_eq!(files.sent, std::env::current_dir().unwrap().join("profile/sent"));
    }

    #[test]
    fn a_look_that_nobody_wants_is_stopped_and_so_are_all_at_the_end() {
        let mut looks = Looks::default();
        let stops: Vec<_> = (1..=3).map(|file| looks.begin(file)).collect();
        let stopped = || stops.iter().map(|stop| stop.load(Ordering::Relaxed)).collect::<Vec<_>>();
        looks.stop(2);
        looks.stop(9);
        assert_eq!(stopped(), [false, true, false]);
        drop(looks.begin(4));
        looks.begin(5);
        assert_eq!(looks.0.keys().copied().collect::<Vec<_>>(), [1, 3, 5]);
        drop(looks);
        assert_eq!(stopped(), [true; 3]);
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

    #[tokio::test]
    async fn the_usual_folder_is_made_and_no_other_and_nothing_lands_where_the_node_was_started() {
        let dir = tempfile::tempdir().unwrap();
        let usual = dir.path().join("Downloads").join("Hubbub");
        let named = dir.path().join("disk");
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let mut files = Files::new(dir.path().join("sent"), None);
        files.usual = Some(usual.clone());
        let fetch = |folder: String| Order::Fetch(Box::new(Fetch { folder, ..any_fetch() }));
        for _ in 0..2 {
            files.carry_out(fetch(text(&usual)));
            let made = files.making.join_next().await.unwrap();
            assert!(made.unwrap().is_ok() && usual.is_dir(), "also where it is there");
        }
        files.carry_out(fetch(text(&named)));
        assert!(files.making.is_empty() && files.waiting().is_none());
        assert!(!named.exists());
        assert!(landing("").unwrap_err().contains("--to"));
        assert!(landing("files").unwrap_err().contains("no whole path"));
        std::fs::write(&named, "in the way").unwrap();
        let below = named.join("Hubbub");
        files.usual = Some(below.clone());
        files.carry_out(fetch(text(&below)));
        let made = files.making.join_next().await.unwrap();
        let refused = made.unwrap().unwrap_err();
        assert!(refused.contains("cannot be made") && refused.contains("resume"), "{refused}");
    }

    #[tokio::test]
    async fn what_waits_for_a_folder_that_cannot_be_made_says_so_and_nothing_else_does() {
        let dir = tempfile::tempdir().unwrap();
        let mut files = Files::new(dir.path().join("sent"), None);
        let usual = dir.path().join("Hubbub");
        std::fs::write(&usual, "in the way").unwrap();
        files.usual = Some(usual.clone());
        files.make(usual.to_str().unwrap().to_owned());
        let fetch = |file, folder: &Path| {
            let folder = folder.to_str().unwrap().to_owned();
            Order::Fetch(Box::new(Fetch { file, folder, ..any_fetch() }))
        };
        for order in [fetch(7, &usual), fetch(8, dir.path()), Order::Hold(9)] {
            files.held.push(order);
        }
        let Some(FromMovers::Told(Told::Failed { file: 7, why })) = files.next().await else {
            panic!("not told")
        };
        assert!(why.contains("cannot be made"), "{why}");
        assert!(files.waiting().is_none() && files.held.is_empty());
    }

    #[tokio::test]
    async fn what_was_written_down_before_and_no_offer_names_is_swept_away() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str| std::fs::write(dir.path().join(name), "x").unwrap();
        ["named", "orphan", "bare-7", "bare-7.part", "bare-7.new", "bare-8", "bare-8.part"]
            .into_iter()
            .for_each(write);
        std::fs::create_dir(dir.path().join("deeper")).unwrap();
        let mut files = Files::new(dir.path().to_owned(), None);
        write("since");
        let named = dir.path().join("named");
        files.sweep([(3, named.to_str().unwrap()), (7, "/home/a/cat.png")].into_iter());
        while files.tasks.join_next().await.is_some() {}
        let mut left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap()).collect();
        left.sort_by_key(std::fs::DirEntry::file_name);
        let left: Vec<_> = left.iter().map(|e| e.file_name().into_string().unwrap()).collect();
        assert_eq!(left, ["bare-7", "bare-7.new", "bare-7.part", "deeper", "named", "since"]);
        write("orphan");
        files.sweep(core::iter::empty());
        assert!(files.tasks.is_empty(), "once is enough: what came since is being written");
    }

    #[tokio::test]
    async fn a_file_that_can_land_nowhere_says_so() {
        let mut files = Files::new(PathBuf::from("/sent"), None);
        files.usual = None;
        files.carry_out(Order::Fetch(Box::new(any_fetch())));
        let Some(FromMovers::Told(Told::Failed { file: 7, why })) = files.waiting() else {
            panic!("not told")
        };
        assert!(why.contains("--to"), "{why}");
    }

    fn any_fetch() -> Fetch {
        let address = hubbub_shared::id::BlobId([1; 32]);
        let shape = hubbub_shared::blob::Shape::of(5).unwrap();
        let secret = hubbub_shared::crypto::Secret32::from_bytes([2; 32]);
        Fetch {
            file: 7,
            blob: hubbub_shared::blob::Blob { address, shape },
            key: hubbub_shared::crypto::stream::FileKey::from_parts(secret, [3; 16]),
            size: 5,
            name: hubbub_shared::content::FileName::clean("notes.txt"),
            manifest: None,
            folder: String::new(),
            sources: Vec::new(),
            hub: true,
            first: false,
        }
    }
}
