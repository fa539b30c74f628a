//! Videos by way of `ffmpeg`, where that is installed: a frame for the small picture, and a copy
//! without what stands beside pictures and sound.
//!
//! No decoder of videos is part of this program. The one that is found is told what kind of file to
//! expect, and reads that one file: none that leads on to other files or to the network, whatever
//! its name or its first bytes say. What it makes is as hostile as the video is. Invariant: the
//! name of a file is never an option nor an address, and nothing is sent that was not made whole.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::child::{self, Bounds, Fault};
use super::sent::MAKING;
use crate::paths;

/// The program.
const PROGRAM: &str = "ffmpeg";
/// How far into a video its picture is taken, tried in this order: many begin with black, and some
/// are shorter.
const SECONDS: [&str; 2] = ["1", "0"];
/// Longest a person waits for a frame before the file goes without a small picture, each time.
const FRAME_TIME: Duration = Duration::from_secs(10);
/// A frame as it comes, no side of it longer than 640: what a PNG of that has at worst, and more.
const FRAME_BYTES: usize = 4 * 1024 * 1024;
/// Smaller than the first frame, larger than the small picture that is made of it.
const SCALE: &str = "scale=w='min(640,iw)':h='min(640,ih)':force_original_aspect_ratio=decrease";
/// Pixels of a frame that is decoded, as of pictures.
const PIXELS: &str = "60000000";
/// Bytes the program may want at once, as decoding pictures may.
const ALLOC: &str = "268435456";
/// How long making a copy may take: so much, and for each so many bytes a second more. A slow disk
/// reads and writes that fast.
const COPY_TIME: Duration = Duration::from_secs(60);
const COPY_PACE: u64 = 4 * 1024 * 1024;
/// A copy has the same pictures and sound: it may be so many bytes longer, and an eighth.
const COPY_MORE: u64 = 16 * 1024 * 1024;

/// What kind of file a video is in: as what it is read, and as what it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Container {
    reads: &'static str,
    writes: &'static str,
}

/// That of a media type; none for what is not taken apart. These kinds hold what they show, and do
/// not name other files.
pub(super) fn container(media: &str) -> Option<Container> {
    let (reads, writes) = match media {
        "video/mp4" => ("mov", "mp4"),
        "video/quicktime" => ("mov", "mov"),
        "video/x-matroska" => ("matroska", "matroska"),
        "video/webm" => ("matroska", "webm"),
        _ => return None,
    };
    Some(Container { reads, writes })
}

/// The program, where it is installed.
#[derive(Clone, Debug)]
pub(super) struct Ffmpeg(PathBuf);

impl Ffmpeg {
    /// Looks for it in the folders that programs are started from.
    pub(super) fn find() -> Option<Self> {
        Self::find_in(&std::env::var_os("PATH")?)
    }

    fn find_in(path: &OsStr) -> Option<Self> {
        // A folder relative to wherever this node was started is nobody's choice.
        let folders = std::env::split_paths(path).filter(|folder| folder.is_absolute());
        folders.map(|folder| folder.join(PROGRAM)).find(|path| is_program(path)).map(Self)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// A frame near the start, as a PNG; none where none can be made in time.
    pub(super) fn frame(&self, of: &Path, kind: Container, stop: &AtomicBool) -> Option<Vec<u8>> {
        let bounds = Bounds { time: FRAME_TIME, says: FRAME_BYTES, writes: None, stop };
        SECONDS.into_iter().find_map(|second| {
            let made = child::run(&self.0, &frame_args(of, kind, second), &bounds);
            let made = made.inspect_err(|why| tracing::debug!("no frame of a video: {why}"));
            made.ok().filter(|bytes| !bytes.is_empty())
        })
    }

    /// Makes a copy without what stands beside pictures and sound; its size.
    ///
    /// # Errors
    /// What happened and what to try, in words for people. Nothing is left then.
    pub(super) fn strip(
        &self,
        from: &Path,
        kind: Container,
        to: &Path,
        stop: &AtomicBool,
    ) -> Result<u64, String> {
        let wrong = |error| format!("no copy can be made ({error}); look at the disk");
        let fresh = to.with_extension(MAKING);
        let before = fs::metadata(from).map_err(wrong)?;
        make_empty(&fresh).map_err(wrong)?;
        let most = before.len().saturating_add(before.len() / 8).saturating_add(COPY_MORE);
        let time = COPY_TIME + Duration::from_secs(before.len() / COPY_PACE);
        let bounds = Bounds { time, says: 0, writes: Some((&fresh, most)), stop };
        let made = child::run(&self.0, &strip_args(from, kind, &fresh), &bounds);
        let made = made.map_err(|why| in_words(&why)).and_then(|_| {
            let after = fs::metadata(from).map_err(wrong)?;
            let same =
                after.len() == before.len() && after.modified().ok() == before.modified().ok();
            let changed = || "it was changed while it was copied; send it again".to_owned();
            same.then_some(()).ok_or_else(changed)?;
            keep(&fresh, to).map_err(wrong)
        });
        if made.is_err() {
            paths::remove(&fresh).map_err(wrong)?;
        }
        made
    }
}

/// Said where somebody wants a video without it and nothing here can do that.
pub(super) fn not_installed() -> String {
    "what stands beside the pictures of a video is taken off by ffmpeg, which is not installed \
     here; install it, or send the video as it is"
        .to_owned()
}

fn in_words(why: &Fault) -> String {
    format!(
        "ffmpeg makes no copy without what stands beside the pictures ({why}); look at the free \
         space of the disk, or send the video as it is"
    )
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0)
}

/// A new file for its owner alone, whatever was there: an earlier program may still write to it.
fn make_empty(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), paths::private_dir)?;
    paths::remove(path)?;
    paths::private_file(path).map(drop)
}

/// Durable, and under its name.
fn keep(fresh: &Path, to: &Path) -> io::Result<u64> {
    let file = File::open(fresh)?;
    file.sync_all()?;
    let size = file.metadata()?.len();
    if size == 0 {
        return Err(io::Error::other("there is nothing in it"));
    }
    fs::rename(fresh, to)?;
    paths::sync_parent(to)?;
    Ok(size)
}

/// What comes before every input: nothing is asked, and nothing opened but this one file as what it
/// is said to be.
fn input(of: &Path, kind: Container, more: &[&str]) -> Vec<OsString> {
    let mut args = words(&["-nostdin", "-loglevel", "quiet", "-y", "-max_alloc", ALLOC]);
    args.extend(words(&["-protocol_whitelist", "file,pipe", "-f", kind.reads]));
    if kind.reads == "mov" {
        // Parts of such a file may stand in others, if one lets them.
        args.extend(words(&["-enable_drefs", "0", "-use_absolute_path", "0"]));
    }
    args.extend(words(more));
    args.extend([OsString::from("-i"), address(of)]);
    args
}

fn frame_args(of: &Path, kind: Container, second: &str) -> Vec<OsString> {
    let decode = ["-threads", "1", "-max_pixels", PIXELS, "-ss", second];
    let mut args = input(of, kind, &decode);
    args.extend(words(&["-map", "0:V:0", "-frames:v", "1", "-vf", SCALE, "-map_metadata", "-1"]));
    args.extend(words(&["-c:v", "png", "-pix_fmt", "rgb24", "-f", "image2pipe", "pipe:1"]));
    args
}

/// Only moving pictures and sound: subtitles and data are where cameras and drones note the place.
fn strip_args(from: &Path, kind: Container, to: &Path) -> Vec<OsString> {
    let mut args = input(from, kind, &["-xerror"]);
    args.extend(words(&["-map", "0:V", "-map", "0:a?", "-sn", "-dn"]));
    args.extend(words(&["-map_metadata", "-1", "-map_metadata:s", "-1", "-map_chapters", "-1"]));
    args.extend(words(&["-c", "copy", "-fflags", "+bitexact", "-f", kind.writes]));
    args.push(address(to));
    args
}

fn words(args: &[&str]) -> Vec<OsString> {
    args.iter().map(OsString::from).collect()
}

/// A path as the program takes it for nothing but a path.
fn address(path: &Path) -> OsString {
    let mut address = OsString::from("file:");
    address.push(path);
    address
}

#[cfg(test)]
mod tests;
