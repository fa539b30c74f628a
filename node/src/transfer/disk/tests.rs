//! Files on their way, and what crashes, full disks and other people's files do to them.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use data_encoding::HEXLOWER;
use hubbub_shared::content::file_name::FileName;
use hubbub_shared::wire::codec::HEADER;
use hubbub_shared::wire::pieces::PieceGiven;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use tempfile::TempDir;

use super::have::HaveFile;
use super::held::Question;
use super::seal::seal;
use super::*;

/// What alice sealed, and where bob fetches it.
struct Desk {
    dir: TempDir,
    shelf: Shelf,
    reference: Reference,
    held: Held,
    target: Target,
}

/// The number of the file at bob's.
const FILE: u64 = 1;
const SIZE: usize = 1 << 20;

fn bytes(size: usize) -> Vec<u8> {
    (0..size).map(|n| n.wrapping_mul(0x9e37_79b9).to_be_bytes()[5]).collect()
}

impl Desk {
    /// Of a file.
    fn new() -> Self {
        Self::with(|path| fs::write(path, bytes(SIZE)).unwrap(), "film", Form::File)
    }

    /// Of a folder with two files.
    fn folder() -> Self {
        let make = |path: PathBuf| {
            fs::create_dir(&path).unwrap();
            fs::write(path.join("a"), bytes(SIZE)).unwrap();
            fs::write(path.join("b"), "b").unwrap();
        };
        Self::with(make, "photos", Form::Folder { manifest: None })
    }

    fn with(make: impl FnOnce(PathBuf), name: &str, form: Form) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let hers = dir.path().join("hers");
        make(hers.clone());
        let (sealed, served) = (Shelf::open(dir.path().join("sealed")).unwrap(), &hers);
        let (content, mut rng) = (Content::open(&hers).unwrap(), ChaCha20Rng::seed_from_u64(1));
        let done = seal(&content, (&sealed, 9), &mut rng, &Course::default()).ok().unwrap();
        let reference = Reference { blob: done.blob, key: done.key, size: content.size() };
        let held = Held::whole(&sealed, &reference, (served, None)).unwrap().unwrap();
        let folder = dir.path().join("downloads");
        fs::create_dir(&folder).unwrap();
        let target = Target { folder, name: FileName::clean(name), form };
        let shelf = Shelf::open(dir.path().join("files")).unwrap();
        Self { dir, shelf, reference, held, target }
    }

    fn found(&self) -> Result<Found, DiskError> {
        let place = (&self.shelf, FILE);
        let found = Landing::open(place, &self.reference, &self.target, &Course::default());
        found.map(|found| found.expect("it fits"))
    }

    fn open(&self) -> Landing {
        match self.found().unwrap() {
            Found::Part(landing) => *landing,
            Found::Whole(..) => panic!("it has its name already"),
        }
    }

    /// Fetches pieces up to one.
    fn fetch(&self, landing: &Landing, until: u32) {
        let (mut room, mut out) = (Vec::new(), Vec::new());
        for index in 0..until {
            out.clear();
            let piece = (index, landing.known(index).unwrap());
            self.held.give(&Question { req: 1, piece }, &mut room, &mut out).unwrap();
            let given = PieceGiven::parse(&out[HEADER..]).unwrap();
            landing.take(index, given.parents, given.piece, &mut Vec::new()).unwrap();
        }
    }

    fn pieces(&self) -> u32 {
        u32::try_from(self.reference.blob.shape.pieces()).unwrap()
    }

    fn at(&self, name: &str) -> PathBuf {
        self.target.folder.join(name)
    }

    fn names(&self) -> Vec<String> {
        let all = fs::read_dir(&self.target.folder).unwrap();
        let mut names: Vec<_> =
            all.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// As if the disk were mounted anew, and gave it another number.
    fn number_anew(&self, name: &str) {
        let (copy, before) = (self.dir.path().join("copy"), self.dir.path().join("before"));
        fs::copy(self.at(name), &copy).unwrap();
        // So that nothing gets the number it had.
        fs::remove_file(&before).ok();
        fs::hard_link(self.at(name), before).unwrap();
        fs::rename(copy, self.at(name)).unwrap();
    }

    fn discard(&self) {
        landing::discard((&self.shelf, FILE), &self.reference, &self.target, false).unwrap();
    }

    /// What is made of a folder on its way.
    fn making(&self) -> PathBuf {
        let mark = HEXLOWER.encode(&self.reference.blob.address.0[..8]);
        self.at("photos.unpacking").join(mark)
    }
}

#[test]
fn a_file_on_its_way_is_known_by_what_is_in_it_when_its_disk_numbers_files_anew() {
    let desk = Desk::new();
    let landing = desk.open();
    desk.fetch(&landing, 10);
    landing.sync().unwrap();
    desk.fetch(&landing, 12);
    landing.write_out().unwrap();
    drop(landing);
    desk.number_anew("film.part");
    let landing = desk.open();
    assert_eq!(landing.have().count(), 12);
    desk.fetch(&landing, desk.pieces());
    assert_eq!(landing.finish().unwrap().0, desk.at("film"));
    assert_eq!(
        (desk.names(), fs::read(desk.at("film")).unwrap()),
        (vec!["film".into()], bytes(SIZE))
    );
}

/// Free where a disk has room for half as much again as the file, and reserves nothing by holes.
#[cfg(unix)]
fn room_for_one(dir: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().metadata().unwrap());
    let used: u64 = entries.map(|meta| meta.blocks() * 512).sum();
    Some((64 << 20) + SIZE as u64 * 3 / 2 - used)
}

#[cfg(unix)]
#[test]
fn on_a_disk_without_holes_a_file_needs_its_room_once() {
    let mut desk = Desk::new();
    desk.shelf = desk.shelf.clone().with_free(room_for_one);
    let landing = desk.open();
    // What such a disk does when a file is made as long as it is to be.
    let mut part = File::options().write(true).open(desk.at("film.part")).unwrap();
    part.write_all(&[0; SIZE]).unwrap();
    part.sync_all().unwrap();
    desk.fetch(&landing, 2);
    landing.sync().unwrap();
    landing.close(true).unwrap();
    let landing = desk.open();
    desk.fetch(&landing, 4);
    landing.sync().unwrap();
    // Nor is its room kept from others twice.
    let other = desk.shelf.needs().claim(&desk.target.folder, desk.shelf.path());
    other.check(SIZE as u64 / 4, 0).unwrap();
    desk.fetch(&landing, desk.pieces());
    assert_eq!(landing.finish().unwrap().0, desk.at("film"));
}

#[test]
fn of_a_file_with_another_number_nothing_that_was_noted_is_believed() {
    let desk = Desk::new();
    let landing = desk.open();
    desk.fetch(&landing, desk.pieces());
    landing.sync().unwrap();
    drop(landing);
    let mut content = fs::read(desk.at("film.part")).unwrap();
    content[..70_000].fill(7);
    fs::write(desk.at("film.part"), content).unwrap();
    desk.number_anew("film.part");
    assert_eq!(desk.open().have().count(), u64::from(desk.pieces()) - 2);
}

#[test]
fn a_file_that_landed_is_known_by_what_is_in_it_when_its_disk_numbers_files_anew() {
    let desk = Desk::new();
    let landing = desk.open();
    desk.fetch(&landing, desk.pieces());
    landing.finish().unwrap();
    drop(landing);
    desk.number_anew("film");
    let Found::Whole(path, _) = desk.found().unwrap() else { panic!("it is fetched again") };
    assert_eq!((path, desk.names()), (desk.at("film"), vec!["film".to_owned()]));
    // Another file of that name and length is not.
    fs::write(desk.at("film"), vec![7; SIZE]).unwrap();
    desk.number_anew("film");
    assert_eq!(desk.open().have().count(), 0);
    assert_eq!(fs::read(desk.at("film")).unwrap(), vec![7; SIZE]);
}

#[test]
fn anothers_file_that_has_the_name_of_the_part_stays() {
    let desk = Desk::new();
    let landing = desk.open();
    desk.fetch(&landing, 10);
    landing.sync().unwrap();
    drop(landing);
    let theirs = || {
        fs::write(desk.at("theirs"), vec![7; SIZE]).unwrap();
        fs::rename(desk.at("theirs"), desk.at("film.part")).unwrap();
    };
    theirs();
    desk.discard();
    assert_eq!(fs::read(desk.at("film.part")).unwrap(), vec![7; SIZE]);
    fs::remove_file(desk.at("film.part")).unwrap();
    drop(desk.open());
    theirs();
    let landing = desk.open();
    desk.fetch(&landing, desk.pieces());
    landing.finish().unwrap();
    assert_eq!(desk.names(), ["film (2)", "film.part"]);
    assert_eq!(fs::read(desk.at("film.part")).unwrap(), vec![7; SIZE]);
}

#[test]
fn what_is_not_wanted_any_more_goes_also_from_a_disk_that_numbered_it_anew() {
    let desk = Desk::new();
    let landing = desk.open();
    desk.fetch(&landing, 10);
    landing.sync().unwrap();
    drop(landing);
    desk.number_anew("film.part");
    desk.discard();
    assert_eq!(desk.names(), Vec::<String>::new());
    assert_eq!(fs::read_dir(desk.shelf.path()).unwrap().count(), 0);
}

#[test]
fn a_folder_that_a_crash_left_half_made_is_made_anew() {
    let desk = Desk::folder();
    let landing = desk.open();
    desk.fetch(&landing, desk.pieces());
    landing.sync().unwrap();
    drop(landing);
    // Made, and neither noted nor given its name; and made in part.
    for half in [false, true] {
        fs::create_dir_all(desk.making()).unwrap();
        if half {
            fs::write(desk.making().join("a"), "half").unwrap();
        }
        let landing = desk.open();
        assert_eq!(landing.finish().unwrap().0, desk.at("photos"));
        assert_eq!(desk.names(), ["photos"]);
        assert_eq!(fs::read(desk.at("photos/a")).unwrap(), bytes(SIZE));
        landing.discard(false).unwrap();
        let landing = desk.open();
        desk.fetch(&landing, desk.pieces());
        landing.sync().unwrap();
    }
    // And whoever does not want it any more finds nothing of it.
    fs::create_dir_all(desk.making()).unwrap();
    desk.discard();
    assert_eq!(desk.names(), Vec::<String>::new());
}

#[test]
fn a_folder_that_only_looks_like_what_is_there_gets_a_number() {
    let desk = Desk::folder();
    fs::create_dir(desk.at("Photos")).unwrap();
    let landing = desk.open();
    desk.fetch(&landing, desk.pieces());
    assert_eq!(landing.finish().unwrap().0, desk.at("photos (2)"));
    assert_eq!(desk.names(), ["Photos", "photos (2)"]);
}

#[test]
fn what_somebody_keeps_where_a_folder_is_made_stays() {
    let desk = Desk::folder();
    fs::create_dir(desk.at("photos.unpacking")).unwrap();
    fs::write(desk.at("photos.unpacking/mine"), "mine").unwrap();
    let landing = desk.open();
    desk.fetch(&landing, desk.pieces());
    landing.finish().unwrap();
    assert_eq!(desk.names(), ["photos", "photos.unpacking"]);
    landing.discard(false).unwrap();
    assert_eq!(fs::read(desk.at("photos.unpacking/mine")).unwrap(), b"mine");
}

#[test]
fn anothers_folder_is_not_taken_for_the_one_that_was_to_have_its_name() {
    let desk = Desk::folder();
    let landing = desk.open();
    desk.fetch(&landing, desk.pieces());
    landing.sync().unwrap();
    drop(landing);
    // It was to be called so when this node was killed; meanwhile another offer landed there.
    let path = desk.shelf.have(&desk.reference.blob.address, FILE);
    let noted = HaveFile::read(&path, u64::from(desk.pieces())).unwrap().unwrap();
    HaveFile { landed: 1, ..noted }.write(&path).unwrap();
    fs::create_dir(desk.at("photos")).unwrap();
    fs::write(desk.at("photos/hers"), "hers").unwrap();
    let (path, _) = desk.open().finish().unwrap();
    assert_eq!(
        (path, desk.names()),
        (desk.at("photos (2)"), vec!["photos".into(), "photos (2)".into()])
    );
    assert_eq!(fs::read(desk.at("photos/hers")).unwrap(), b"hers");
    // The one that has all of it is known, before anybody was told of it.
    let Found::Whole(path, _) = desk.found().unwrap() else { panic!("it is fetched again") };
    assert_eq!(path, desk.at("photos (2)"));
}

#[test]
fn what_was_not_made_durable_is_not_noted_later_either() {
    let desk = Desk::new();
    let landing = desk.open();
    desk.fetch(&landing, 4);
    landing.sync().unwrap();
    desk.fetch(&landing, 10);
    // The map cannot be replaced.
    let way = desk.shelf.have(&desk.reference.blob.address, FILE).with_extension("new");
    fs::create_dir(&way).unwrap();
    assert!(landing.sync().is_err());
    fs::remove_dir(&way).unwrap();
    assert!(landing.sync().is_err(), "the disk says that all is well, and may have lost it");
    desk.fetch(&landing, desk.pieces());
    assert!(landing.finish().is_err());
    drop(landing);
    // As if it had.
    let mut content = fs::read(desk.at("film.part")).unwrap();
    content[5 << 16..].fill(0);
    fs::write(desk.at("film.part"), content).unwrap();
    let landing = desk.open();
    assert!((4..=5).contains(&landing.have().count()), "{}", landing.have().count());
    desk.fetch(&landing, desk.pieces());
    assert_eq!(fs::read(landing.finish().unwrap().0).unwrap(), bytes(SIZE));
}

#[test]
fn what_is_found_beyond_what_was_noted_is_written_once_more_before_it_is_noted() {
    let desk = Desk::new();
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    let written = || {
        let file = File::options().write(true).open(desk.at("film.part")).unwrap();
        file.set_modified(long_ago).unwrap();
        drop(desk.open());
        fs::metadata(desk.at("film.part")).unwrap().modified().unwrap() != long_ago
    };
    let landing = desk.open();
    desk.fetch(&landing, 10);
    landing.sync().unwrap();
    assert!(!written(), "what was noted is on the disk");
    desk.fetch(&landing, 12);
    landing.write_out().unwrap();
    assert!(written(), "what was not may be in memory alone");
    assert!(!written(), "and has been noted since");
}

#[test]
fn of_a_file_that_was_closed_nothing_more_is_written() {
    let desk = Desk::new();
    let landing = desk.open();
    desk.fetch(&landing, 3);
    landing.close(true).unwrap();
    desk.fetch(&landing, 10);
    assert_eq!(landing.have().count(), 3);
    assert_eq!(desk.open().have().count(), 3);
}
