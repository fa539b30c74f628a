//! Files in a pretend world: who moves them is the test, by hand.

use hubbub_node::api::file::FileBody;
use hubbub_node::api::view::Body;
use hubbub_node::api::{ApiError, Command, FileDeed, FileState, Reply, SendFile};
use hubbub_node::engine::backup;
use hubbub_node::engine::file::order::{Order, Stamp, Told};
use hubbub_node::engine::output::Table;
use hubbub_shared::blob::{Blob, Shape};
use hubbub_shared::crypto::Secret32;
use hubbub_shared::crypto::stream::FileKey;
use hubbub_shared::id::{BlobId, MessageId};

use crate::world::World;

impl World {
    /// Somebody moves files for a device from now on, also after a restart.
    pub fn move_files(&mut self, who: usize) {
        let now = self.local(who);
        let device = &mut self.devices[who];
        device.moves_files = true;
        if let Some(engine) = &mut device.engine {
            engine.handle_movers(true, now);
            self.settle(who);
        }
    }

    /// Whether a device has crashed and is not back.
    pub fn engine_is_gone(&self, who: usize) -> bool {
        self.devices[who].engine.is_none()
    }

    /// Tells a device something about a file.
    pub fn tell_file(&mut self, who: usize, told: Told) {
        let now = self.local(who);
        if let Some(engine) = &mut self.devices[who].engine {
            engine.handle_told(told, now);
            self.settle(who);
        }
    }

    /// A person decides about a file.
    ///
    /// # Errors
    /// What the node answered.
    pub fn decide(&mut self, who: usize, file: u64, deed: FileDeed) -> Result<Reply, ApiError> {
        self.ask(who, Command::File { file, deed })
    }

    /// A person wants a file.
    pub fn accept(&mut self, who: usize, file: u64) {
        self.decide(who, file, FileDeed::Accept { to: None }).unwrap();
    }

    /// Takes a file up that a person sends, without looking at it yet.
    ///
    /// # Errors
    /// What the node answered.
    pub fn send_file(&mut self, who: usize, to: &str, name: &str) -> Result<Reply, ApiError> {
        let (to, path, caption) = (to.to_owned(), format!("/home/{name}"), "look".to_owned());
        let send = SendFile { to, path, caption, name: None, no_preview: false, strip: false };
        self.ask(who, Command::SendFile(send))
    }

    /// Offers a file of this size and type: it is looked at, sealed, and said.
    pub fn offer(
        &mut self,
        who: usize,
        to: &str,
        (name, media): (&str, &str),
        size: u64,
    ) -> (u64, BlobId, MessageId) {
        let (file, message) = self.looked_at(who, to, (name, media), size);
        (file, self.seal(who, file, size), message)
    }

    /// Offers something under an address of the sender's choice; for a folder, with the length of
    /// its list. The file's number.
    pub fn offer_as(
        &mut self,
        who: usize,
        to: &str,
        (what, size): ((&str, &str), u64),
        sealed: (BlobId, Option<u32>),
    ) -> u64 {
        let (file, _) = self.looked_at(who, to, what, size);
        self.seal_as(who, file, size, sealed);
        file
    }

    fn looked_at(
        &mut self,
        who: usize,
        to: &str,
        (name, media): (&str, &str),
        size: u64,
    ) -> (u64, MessageId) {
        let reply = self.send_file(who, to, name).unwrap();
        let Reply::File { file, message, .. } = reply else { panic!("offered, got {reply:?}") };
        let (path, media, preview) = (None, media.to_owned(), None);
        self.tell_file(who, Told::Looked { file, size, path, media, preview });
        (file, message.0)
    }

    /// A file that was looked at has been read through.
    pub fn seal(&mut self, who: usize, file: u64, size: u64) -> BlobId {
        let mut address = [0; 32];
        address[..8].copy_from_slice(&file.to_be_bytes());
        address[8..16].copy_from_slice(&u64::try_from(who).unwrap().to_be_bytes());
        self.seal_as(who, file, size, (BlobId(address), None));
        BlobId(address)
    }

    /// The same, under an address of the test's choice; for a folder, with the length of its list.
    pub fn seal_as(
        &mut self,
        who: usize,
        file: u64,
        size: u64,
        (address, manifest): (BlobId, Option<u32>),
    ) {
        let [.., number] = file.to_be_bytes();
        let blob = Blob { address, shape: Shape::of(size).unwrap() };
        let key = FileKey::from_parts(Secret32::from_bytes([number; 32]), [number; 16]);
        let stamp = Stamp { size, modified: 5, inode: 7 };
        self.tell_file(who, Told::Sealed { file, blob, key, stamp, manifest });
    }

    /// Nobody gives anything of a file just now, or somebody does.
    pub fn somebody_gives(&mut self, who: usize, file: u64, gives: bool) {
        let waits = (!gives).then_some("nobody is there");
        let told = Told::Progress { file, bytes: 0, rate: 0, sources: Vec::new(), waits };
        self.tell_file(who, told);
    }

    /// The record of the first file a device has is nothing that can be read any more.
    pub fn spoil_a_file(&mut self, who: usize) {
        let records = &mut self.devices[who].disk.records;
        let record = records.iter_mut().find(|((table, _), _)| *table == Table::File);
        record.unwrap().1.clear();
    }

    /// A device's files become what a backup would hold of them.
    pub fn files_of_a_backup(&mut self, who: usize) {
        let records = &mut self.devices[who].disk.records;
        for ((table, key), value) in records.iter_mut().filter(|((t, _), _)| *t == Table::File) {
            *value = backup::kept(*table, key, value).unwrap().1.expose().to_vec();
        }
    }

    /// A file is there, whole.
    pub fn fetched(&mut self, who: usize, file: u64) {
        let path = format!("/downloads/{file}");
        self.tell_file(
            who,
            Told::Done { file, path, stamp: Stamp { size: 1, modified: 1, inode: 7 } },
        );
    }

    /// What those who move files were to do since it was asked last.
    pub fn ordered(&mut self, who: usize) -> Vec<Order> {
        core::mem::take(&mut self.devices[who].orders)
    }

    /// The same, as words.
    pub fn ordered_words(&mut self, who: usize) -> Vec<String> {
        self.ordered(who).iter().map(|order| format!("{order:?}")).collect()
    }

    /// How it is with each file here, by number.
    pub fn file_states(&self, who: usize) -> Vec<(u64, FileState)> {
        let views = self.engine(who).files();
        let mut states: Vec<_> =
            views.iter().filter_map(|view| view.body.status.as_ref()).collect::<Vec<_>>();
        states.reverse();
        states.into_iter().map(|status| (status.file, status.state)).collect()
    }

    /// The files in the history, in order, with the ids of their messages.
    pub fn offers(&self, who: usize) -> Vec<(MessageId, FileBody)> {
        let lines = self.devices[who].disk.history.iter();
        let files = lines.filter_map(|line| match &line.body {
            Body::File(file) => Some((line.id, (**file).clone())),
            _ => None,
        });
        files.collect()
    }
}
