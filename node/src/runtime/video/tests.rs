//! Videos with the real program where it is installed, and always with one that a test wrote.

use std::io::Write;
use std::process::{Command, Stdio};

use hubbub_shared::content::picture;
use image::{DynamicImage, ImageFormat};

use super::*;
use crate::runtime::preview::{Wanted, look};

const CANARY: &str = "GPS 52.5200 N 13.4050 E";

fn goes_on() -> AtomicBool {
    AtomicBool::new(false)
}

fn kind(media: &str) -> Container {
    container(media).unwrap()
}

/// A program that does this. Written by another process: one that this process has open for
/// writing cannot be run.
fn stand_in(dir: &Path, script: &str) -> Ffmpeg {
    let path = dir.join("bin").join(PROGRAM);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let write = format!("cat > '{0}'; chmod +x '{0}'", path.display());
    let mut shell = Command::new("/bin/sh");
    let mut child = shell.args(["-c", &write]).stdin(Stdio::piped()).spawn().unwrap();
    write!(child.stdin.take().unwrap(), "#!/bin/sh\n{script}\n").unwrap();
    assert!(child.wait().unwrap().success());
    Ffmpeg::find_in(path.parent().unwrap().as_os_str()).unwrap()
}

/// What is left in a folder.
fn names(dir: &Path) -> Vec<OsString> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect()
}

#[test]
fn it_is_found_where_programs_are_and_nowhere_else() {
    let dir = tempfile::tempdir().unwrap();
    let found = stand_in(dir.path(), "exit 0");
    assert_eq!(found.path(), dir.path().join("bin/ffmpeg"));
    assert!(Ffmpeg::find_in(dir.path().as_os_str()).is_none());
    // A folder, a file that is no program, a place that depends on where one stands.
    let other = dir.path().join("other");
    fs::create_dir_all(other.join("a").join(PROGRAM)).unwrap();
    fs::create_dir_all(other.join("b")).unwrap();
    fs::write(other.join("b").join(PROGRAM), "words").unwrap();
    let path = std::env::join_paths([other.join("a"), other.join("b"), PathBuf::from(".")]);
    assert!(Ffmpeg::find_in(&path.unwrap()).is_none());
}

#[test]
fn a_name_is_no_option_and_no_address_and_no_other_file_is_opened() {
    let hostile = Path::new("/v/-i concat:a|http:b %d.mp4");
    let frame = frame_args(hostile, kind("video/mp4"), "1");
    let frame: Vec<_> = frame.iter().map(|arg| arg.to_str().unwrap()).collect();
    assert_eq!(
        frame.join(" "),
        "-nostdin -loglevel quiet -y -max_alloc 268435456 -protocol_whitelist file,pipe -f mov \
         -enable_drefs 0 -use_absolute_path 0 -threads 1 -max_pixels 60000000 -ss 1 -i \
         file:/v/-i concat:a|http:b %d.mp4 -map 0:V:0 -frames:v 1 -vf \
         scale=w='min(640,iw)':h='min(640,ih)':force_original_aspect_ratio=decrease \
         -map_metadata -1 -c:v png -pix_fmt rgb24 -f image2pipe pipe:1"
    );
    assert!(frame.contains(&"file:/v/-i concat:a|http:b %d.mp4"), "as one argument");
    let strip = strip_args(hostile, kind("video/webm"), Path::new("/p/bare-1.part"));
    let strip: Vec<_> = strip.iter().map(|arg| arg.to_str().unwrap()).collect();
    assert_eq!(
        strip.join(" "),
        "-nostdin -loglevel quiet -y -max_alloc 268435456 -protocol_whitelist file,pipe -f matroska \
         -xerror -i file:/v/-i concat:a|http:b %d.mp4 -map 0:V -map 0:a? -sn -dn -map_metadata -1 \
         -map_metadata:s -1 -map_chapters -1 -c copy -fflags +bitexact -f webm file:/p/bare-1.part"
    );
    for media in ["video/x-msvideo", "application/x-mpegurl", "image/png", ""] {
        assert_eq!(container(media), None, "{media}");
    }
}

#[test]
fn the_first_frame_that_comes_is_taken_and_none_where_none_does() {
    let dir = tempfile::tempdir().unwrap();
    let (film, mp4, stop) = (dir.path().join("a.mp4"), kind("video/mp4"), goes_on());
    let at_once = stand_in(dir.path(), "case \"$*\" in *'-ss 1 '*) exit 0;; esac; echo frame");
    assert_eq!(at_once.frame(&film, mp4, &stop).unwrap(), b"frame\n");
    for script in ["exit 1", "echo half; exit 1", "exec yes", "exit 0"] {
        assert_eq!(stand_in(dir.path(), script).frame(&film, mp4, &stop), None, "{script}");
    }
}

#[test]
fn a_frame_becomes_a_small_picture_like_any_other_and_what_is_none_becomes_nothing() {
    let (dir, stop) = (tempfile::tempdir().unwrap(), goes_on());
    let (frame, film) = (dir.path().join("frame.png"), dir.path().join("film.mkv"));
    DynamicImage::new_rgb8(640, 360).save_with_format(&frame, ImageFormat::Png).unwrap();
    fs::write(&film, "film").unwrap();
    let looked = |script: &str| {
        let ffmpeg = stand_in(dir.path(), script);
        let wanted = Wanted { preview: true, bare: None, ffmpeg: Some(&ffmpeg), stop: &stop };
        look(&film, "film.mkv", wanted).ok().unwrap().preview
    };
    let made = looked(&format!("cat '{}'", frame.display())).unwrap();
    let facts = picture::look(&made).unwrap();
    assert_eq!((facts.width, facts.height), (320, 180));
    assert_eq!(looked("echo no picture at all"), None);
    assert_eq!(looked("exit 1"), None);
}

#[test]
fn a_copy_takes_its_name_when_it_is_whole_and_nothing_is_left_of_one_that_failed() {
    let dir = tempfile::tempdir().unwrap();
    let film = dir.path().join("a.mp4");
    fs::write(&film, "film").unwrap();
    let (sent, mp4, stop) = (dir.path().join("sent"), kind("video/mp4"), goes_on());
    let to = sent.join("bare-7");
    let last = "for last; do :; done; to=${last#file:}";
    let copies = stand_in(dir.path(), &format!("{last}; echo bare > \"$to\""));
    assert_eq!(copies.strip(&film, mp4, &to, &stop).unwrap(), 5);
    assert_eq!(fs::read(&to).unwrap(), b"bare\n");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&to).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    fs::remove_file(&to).unwrap();
    let grows = format!("{last}; exec yes > \"$to\"");
    let meddles = format!("{last}; echo bare > \"$to\"; echo more >> '{}'", film.display());
    for (script, said) in [
        ("exit 1", "says that it failed"),
        ("exit 0", "nothing in it"),
        (grows.as_str(), "made more than it should"),
        (meddles.as_str(), "changed while it was copied"),
    ] {
        let failed = stand_in(dir.path(), script).strip(&film, mp4, &to, &stop).unwrap_err();
        assert!(failed.contains(said), "{script}: {failed}");
        assert_eq!(names(&sent), [""; 0], "{script}");
    }
    let unwanted = stand_in(dir.path(), "exec sleep 600");
    let failed = unwanted.strip(&film, mp4, &to, &AtomicBool::new(true)).unwrap_err();
    assert!(failed.contains("not wanted") && names(&sent).is_empty(), "{failed}");
}

/// A short video with words in all the places there are; none where no program makes one.
fn film(ffmpeg: &Ffmpeg, path: &Path) {
    let words = path.with_extension("srt");
    fs::write(&words, format!("1\n00:00:00,000 --> 00:00:01,000\n{CANARY}\n")).unwrap();
    let chapters = path.with_extension("txt");
    let chapter = "[CHAPTER]\nTIMEBASE=1/1\nSTART=0\nEND=1\ntitle=";
    fs::write(&chapters, format!(";FFMETADATA1\ntitle={CANARY}\n{chapter}{CANARY}\n")).unwrap();
    let mut make = Command::new(ffmpeg.path());
    make.args(["-v", "error", "-f", "lavfi", "-i", "testsrc=d=2:s=800x450:r=10"]);
    make.args(["-f", "lavfi", "-i", "sine=d=2", "-i"]).arg(&words).arg("-i").arg(&chapters);
    make.args(["-map", "0", "-map", "1", "-map", "2", "-map_metadata", "3", "-map_chapters", "3"]);
    make.args(["-metadata", &format!("comment={CANARY}")]);
    make.args(["-metadata:s:v", &format!("handler_name={CANARY}")]);
    make.args(["-metadata:s:v", &format!("title={CANARY}")]);
    make.args(["-c:v", "mpeg4", "-c:a", "aac"]);
    let subtitles = if path.extension() == Some(OsStr::new("mp4")) { "mov_text" } else { "srt" };
    assert!(make.args(["-c:s", subtitles]).arg(path).status().unwrap().success());
}

fn tells(path: &Path) -> bool {
    let bytes = fs::read(path).unwrap();
    bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes())
}

#[test]
fn the_real_program_gives_a_frame_and_a_copy_that_tells_nothing() {
    let Some(ffmpeg) = Ffmpeg::find() else {
        eprintln!("SKIPPED: ffmpeg is not installed; nothing was tried with the real one");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let stop = goes_on();
    for (name, media) in [("-i a.mp4", "video/mp4"), ("b:c.mkv", "video/x-matroska")] {
        let path = dir.path().join(name);
        film(&ffmpeg, &path);
        assert!(tells(&path));
        let frame = ffmpeg.frame(&path, kind(media), &stop).unwrap();
        let frame = image::load_from_memory_with_format(&frame, ImageFormat::Png).unwrap();
        assert_eq!((frame.width(), frame.height()), (640, 360));
        let bare = dir.path().join("sent").join("bare-1");
        let size = ffmpeg.strip(&path, kind(media), &bare, &stop).unwrap();
        assert_eq!(fs::metadata(&bare).unwrap().len(), size);
        assert!(!tells(&bare), "{name}");
        assert!(ffmpeg.frame(&bare, kind(media), &stop).is_some(), "it can still be seen");
    }
    // A list that leads to another file is no video, whatever it is called.
    let list = dir.path().join("list.mp4");
    let other = dir.path().join("-i a.mp4");
    fs::write(&list, format!("ffconcat version 1.0\nfile 'file:{}'\n", other.display())).unwrap();
    for media in ["video/mp4", "video/webm"] {
        assert_eq!(ffmpeg.frame(&list, kind(media), &stop), None);
        assert!(ffmpeg.strip(&list, kind(media), &dir.path().join("x"), &stop).is_err());
    }
}
