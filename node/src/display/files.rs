//! Files in words: what one is, how it is with it, how far it got.

use super::clean::{block, line};
use super::words::path;
use crate::api::file::{FileBody, FileProgress, FileSource, FileState, FileStatus};

/// Characters of the bar that shows how far a file got.
const BAR: usize = 20;
const STEPS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];

/// So many bytes, as people read them.
#[must_use]
pub fn bytes(n: u64) -> String {
    if n < 1_024 {
        return format!("{n} B");
    }
    let (mut tenths, mut unit) = (u128::from(n) * 10 / 1_024, 0);
    while tenths >= 10_240 && unit + 1 < STEPS.len() {
        tenths /= 1_024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, STEPS.get(unit).copied().unwrap_or_default())
}

/// A file as a message offers it: one line, and below it the words that go with it.
#[must_use]
pub fn file(file: &FileBody) -> String {
    let mut parts = vec![line(&file.name).into_owned(), bytes(file.size)];
    if file.folder {
        parts.push("a folder".to_owned());
    } else if !file.media.is_empty() {
        parts.push(line(&file.media).into_owned());
    }
    if let Some(status) = &file.status {
        parts.push(state_of(status, file.size));
    }
    let number = file.status.as_ref().map_or_else(String::new, |s| format!(" {}", s.file));
    let head = format!("[file{number}] {}", parts.join(", "));
    match file.caption.as_str() {
        "" => head,
        caption => format!("{head}\n{}", block(caption)),
    }
}

/// How it is with it, and how far it got while it moves.
fn state_of(status: &FileStatus, size: u64) -> String {
    let state = file_state(status.state);
    match (&status.progress, &status.why, &status.path) {
        (Some(moving), ..) => format!("{state} {}", progress(moving, size)),
        (None, Some(why), _) => format!("{state}: {}", line(why)),
        (None, None, Some(at)) if status.state == FileState::Whole => {
            format!("{state}: {}", line(at))
        }
        _ => state.to_owned(),
    }
}

/// How it is with a file, in a word or two.
#[must_use]
pub fn file_state(state: FileState) -> &'static str {
    match state {
        FileState::Sealing => "being prepared",
        FileState::Serving => "offered by you",
        FileState::Offered => "offered",
        FileState::Queued => "waits its turn",
        FileState::Fetching => "fetching",
        FileState::Paused => "paused",
        FileState::Whole => "here",
        FileState::Declined => "declined",
        FileState::Withdrawn => "withdrawn",
        FileState::Failed => "failed",
        FileState::Gone => "gone",
        FileState::Changed => "changed",
    }
}

/// How far a file of this size got, at which rate, for how long still, from where.
#[must_use]
pub fn progress(progress: &FileProgress, size: u64) -> String {
    let done = u128::from(progress.bytes.min(size));
    let of = |whole: usize| {
        let whole = u128::try_from(whole).unwrap_or(0);
        let part = (done * whole).checked_div(u128::from(size)).unwrap_or(whole);
        usize::try_from(part).unwrap_or(0)
    };
    let full = of(BAR);
    let bar = format!("{}{}", "#".repeat(full), ".".repeat(BAR.saturating_sub(full)));
    let mut parts = vec![format!("[{bar}] {} %", of(100))];
    if progress.rate > 0 {
        parts.push(format!("{}/s", bytes(progress.rate)));
    }
    parts.extend(progress.eta_ms.map(left));
    let head = parts.join(", ");
    let sources = progress.sources.iter().map(source).collect::<Vec<_>>();
    match &progress.waits {
        Some(waits) => format!("{head}, {}", line(waits)),
        None if sources.is_empty() => head,
        None => format!("{head}, from {}", sources.join(" and ")),
    }
}

fn source(source: &FileSource) -> String {
    match &source.person {
        Some(person) => format!("{} ({})", line(&person.name), path(source.path)),
        None => "the hub".to_owned(),
    }
}

/// How long something takes still.
fn left(ms: u64) -> String {
    let seconds = ms.div_ceil(1_000);
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s left"),
        (0, m, s) => format!("{m} min {s} s left"),
        (h, m, _) if h < 100 => format!("{h} h {m} min left"),
        _ => "days left".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use hubbub_shared::id::NodeId;

    use super::*;
    use crate::api::view::{NodeText, Path, PersonView};

    fn body(status: Option<FileStatus>) -> FileBody {
        FileBody {
            name: "notes.pdf".to_owned(),
            size: 2 * 1024 * 1024,
            media: "application/pdf".to_owned(),
            caption: String::new(),
            folder: false,
            preview: false,
            status,
        }
    }

    fn status(state: FileState) -> FileStatus {
        FileStatus { file: 7, state, why: None, path: None, progress: None, kept_until: None }
    }

    #[test]
    fn sizes_are_said_in_the_largest_unit_that_fits() {
        let table = [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1.0 KiB"),
            (1_536, "1.5 KiB"),
            (1_048_575, "1023.9 KiB"),
            (1_048_576, "1.0 MiB"),
            (100 << 30, "100.0 GiB"),
            (u64::MAX, "16383.9 PiB"),
        ];
        for (n, said) in table {
            assert_eq!(bytes(n), said);
        }
    }

    #[test]
    fn a_file_says_what_it_is_how_it_is_with_it_and_how_far_it_got() {
        let plain = "[file] notes.pdf, 2.0 MiB, application/pdf";
        assert_eq!(file(&body(None)), plain);
        let offered = file(&body(Some(status(FileState::Offered))));
        assert_eq!(offered, "[file 7] notes.pdf, 2.0 MiB, application/pdf, offered");
        let bob =
            PersonView { node: NodeText(NodeId([2; 32])), name: "bob".to_owned(), verified: false };
        let sources = vec![
            FileSource { person: Some(bob), path: Path::Direct },
            FileSource { person: None, path: Path::Stored },
        ];
        let moving = FileProgress {
            bytes: 1 << 20,
            rate: 512 << 10,
            eta_ms: Some(62_001),
            sources,
            waits: None,
        };
        let fetching = FileStatus { progress: Some(moving), ..status(FileState::Fetching) };
        let said = file(&body(Some(fetching)));
        let end = "fetching [##########..........] 50 %, 512.0 KiB/s, 1 min 3 s left, from bob \
                   (direct) and the hub";
        assert!(said.ends_with(end), "{said}");
    }

    #[test]
    fn what_others_wrote_is_cleaned() {
        let hostile = FileBody {
            name: "a\x1b[2Jb".to_owned(),
            media: "x/\x07y".to_owned(),
            caption: "c\x1b]0;d".to_owned(),
            ..body(None)
        };
        assert!(file(&hostile).chars().all(|c| c == '\n' || !c.is_control()));
    }

    #[test]
    fn an_empty_file_is_all_there() {
        let said = progress(&FileProgress::default(), 0);
        assert_eq!(said, "[####################] 100 %");
    }
}
