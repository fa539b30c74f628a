//! Files in words: what one is, how it is with it, how far it got.

use super::clean::{block, line};
use super::words::path;
use crate::api::file::{FileBody, FileProgress, FileState, FileStatus, FileTaker};
use crate::api::view::{Path, PersonView};

/// Characters of the bar that shows how far a file got. With what stands behind it, it fits beside
/// the names in a terminal of 80 columns.
const BAR: usize = 10;
/// People named in one line, or with a line each.
const NAMED: usize = 3;
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

/// A file as a message offers it: what it is, below that how far it is, and the words that go with
/// it.
#[must_use]
pub fn file(file: &FileBody) -> String {
    let mut parts = vec![line(&file.name).into_owned(), bytes(file.size)];
    if file.folder {
        parts.push("a folder".to_owned());
    } else if !file.media.is_empty() {
        parts.push(line(&file.media).into_owned());
    }
    let mut below = Vec::new();
    if let Some(status) = &file.status {
        parts.push(how_it_is(status));
        below = facts(status, file.size);
    }
    let number = file.status.as_ref().map_or_else(String::new, |s| format!(" {}", s.file));
    let head = format!("[file{number}] {}", parts.join(", "));
    let words = Some(block(&file.caption).into_owned()).filter(|words| !words.is_empty());
    let careful = file.status.as_ref().and_then(caution);
    let lines = core::iter::once(head).chain(careful).chain(below).chain(words);
    lines.collect::<Vec<_>>().join("\n")
}

/// What to look out for before it is fetched.
#[must_use]
pub fn caution(status: &FileStatus) -> Option<String> {
    status.caution.as_ref().map(|words| format!("! {}", line(words)))
}

/// How it is with a file, in a few words: what it waits for is said elsewhere.
#[must_use]
pub fn how_it_is(status: &FileStatus) -> String {
    let moving = status.progress.as_ref();
    let waits = moving.is_some_and(|moving| moving.waits.is_some());
    let kept = status.kept_until.filter(|_| status.state == FileState::Serving);
    match (status.state, kept) {
        (FileState::Fetching, _) if waits => "waits".to_owned(),
        (state, Some(_)) => format!("{}, kept at the hub", file_state(state)),
        (state, None) => file_state(state).to_owned(),
    }
}

/// What there is to say about it beyond that, a line each: how far it is and where from, why not,
/// where it is, to whom it goes.
#[must_use]
pub fn facts(status: &FileStatus, size: u64) -> Vec<String> {
    let mut lines = Vec::new();
    match (&status.progress, &status.why, &status.path) {
        (Some(moving), ..) => {
            lines.push(how_far(moving, size, status.state));
            lines.extend(rest(moving));
        }
        (None, Some(why), _) => lines.push(line(why).into_owned()),
        (None, None, Some(at)) if status.state == FileState::Whole => {
            lines.push(line(at).into_owned());
        }
        _ => {}
    }
    lines.extend(whither(&status.takers, size));
    lines
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

/// How far a file of this size got, at which rate, for how long still, from where; in one line.
#[must_use]
pub fn progress(progress: &FileProgress, size: u64) -> String {
    let head = how_far(progress, size, FileState::Fetching);
    core::iter::once(head).chain(rest(progress)).collect::<Vec<_>>().join(", ")
}

fn how_far(progress: &FileProgress, size: u64, state: FileState) -> String {
    let full = part_of(progress.bytes, size, BAR);
    let bar = format!("{}{}", "#".repeat(full), ".".repeat(BAR.saturating_sub(full)));
    let mut parts = vec![format!("[{bar}] {} %", part_of(progress.bytes, size, 100))];
    if progress.rate > 0 {
        parts.push(format!("{}/s", bytes(progress.rate)));
    }
    let stands = progress.rate == 0 && progress.sources.is_empty() && progress.waits.is_none();
    if stands && state == FileState::Fetching && progress.bytes < size {
        parts.push("nothing comes just now".to_owned());
    }
    parts.join(", ")
}

fn part_of(bytes: u64, size: u64, whole: usize) -> usize {
    let whole = u128::try_from(whole).unwrap_or(0);
    let part = u128::from(bytes.min(size)) * whole;
    usize::try_from(part.checked_div(u128::from(size)).unwrap_or(whole)).unwrap_or(0)
}

/// For how long still, and where it comes from; or why nothing comes, and who was asked.
fn rest(progress: &FileProgress) -> Vec<String> {
    if let Some(waits) = &progress.waits {
        let asked = progress.asked.iter().map(|person| line(&person.name).into_owned());
        let asked = first(asked.collect()).into_iter().chain(["the hub".to_owned()]);
        let asked = listed(asked.collect()).map(|names| format!("asked: {names}"));
        return core::iter::once(line(waits).into_owned()).chain(asked).collect();
    }
    let sources = progress.sources.iter().map(|from| peer(from.person.as_ref(), from.path));
    let sources = listed(first(sources.collect())).map(|names| format!("from {names}"));
    let parts: Vec<_> = progress.eta_ms.map(left).into_iter().chain(sources).collect();
    Some(parts.join(", ")).filter(|parts| !parts.is_empty()).into_iter().collect()
}

/// Of many names only the first, and how many more there are.
fn first(mut names: Vec<String>) -> Vec<String> {
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    names.extend((more > 0).then(|| format!("{more} more")));
    names
}

/// Names as people list them.
fn listed(mut names: Vec<String>) -> Option<String> {
    let last = names.pop()?;
    Some(if names.is_empty() { last } else { format!("{} and {last}", names.join(", ")) })
}

/// To whom it goes, a line each, of many only the fastest.
fn whither(takers: &[FileTaker], size: u64) -> Vec<String> {
    let mut takers: Vec<&FileTaker> = takers.iter().collect();
    takers.sort_by_key(|taker| core::cmp::Reverse(taker.rate));
    let (named, others) = takers.split_at_checked(NAMED).unwrap_or((&takers, &[]));
    let rate = |rate| if rate > 0 { format!(", {}/s", bytes(rate)) } else { String::new() };
    let named = named.iter().map(|taker| {
        let (who, part) =
            (peer(taker.person.as_ref(), taker.path), part_of(taker.bytes, size, 100));
        format!("to {who}: {part} %{}", rate(taker.rate))
    });
    let all = others.iter().fold(0u64, |all, taker| all.saturating_add(taker.rate));
    let others = (!others.is_empty()).then(|| format!("to {} more{}", others.len(), rate(all)));
    named.chain(others).collect()
}

fn peer(person: Option<&PersonView>, way: Path) -> String {
    match person {
        Some(person) => format!("{} ({})", line(&person.name), path(way)),
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
    use hubbub_shared::time::Timestamp;

    use super::*;
    use crate::api::file::FileSource;
    use crate::api::view::NodeText;

    const NOON: Timestamp = Timestamp(1_795_348_800_000);

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
        FileStatus {
            file: 7,
            state,
            why: None,
            caution: None,
            path: None,
            progress: None,
            takers: Vec::new(),
            kept_until: None,
        }
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

    fn person(name: &str) -> PersonView {
        PersonView { node: NodeText(NodeId([2; 32])), name: name.to_owned(), verified: false }
    }

    #[test]
    fn a_file_says_what_it_is_how_it_is_with_it_and_how_far_it_got() {
        let plain = "[file] notes.pdf, 2.0 MiB, application/pdf";
        assert_eq!(file(&body(None)), plain);
        let offered = file(&body(Some(status(FileState::Offered))));
        assert_eq!(offered, "[file 7] notes.pdf, 2.0 MiB, application/pdf, offered");
        let sources = vec![
            FileSource { person: Some(person("bob")), path: Path::Direct },
            FileSource { person: None, path: Path::Stored },
        ];
        let (bytes, rate) = (1 << 20, 512 << 10);
        let moving = FileProgress { bytes, rate, eta_ms: Some(62_001), sources, ..still() };
        let one = "[#####.....] 50 %, 512.0 KiB/s, 1 min 3 s left, from bob (direct) and the hub";
        assert_eq!(progress(&moving, 2 << 20), one);
        let fetching = FileStatus { progress: Some(moving), ..status(FileState::Fetching) };
        let said = file(&body(Some(fetching)));
        let end = "fetching\n[#####.....] 50 %, 512.0 KiB/s\n1 min 3 s left, from bob (direct) and \
                   the hub";
        assert!(said.ends_with(end), "{said}");
    }

    fn still() -> FileProgress {
        FileProgress::default()
    }

    #[test]
    fn what_waits_says_why_and_who_was_asked_and_what_stands_still_that_it_does() {
        let waits = Some("nobody who has it is connected".to_owned());
        let asked = ["bob", "carol", "dave", "erin", "frank"].map(person).to_vec();
        let waiting = FileProgress { bytes: 1 << 20, waits, asked, ..still() };
        let waiting = FileStatus { progress: Some(waiting), ..status(FileState::Fetching) };
        assert_eq!(how_it_is(&waiting), "waits");
        let said = [
            "[#####.....] 50 %",
            "nobody who has it is connected",
            "asked: bob, carol, dave, 2 more and the hub",
        ];
        assert_eq!(facts(&waiting, 2 << 20), said);
        for (state, said) in [
            (FileState::Fetching, "[..........] 0 %, nothing comes just now"),
            (FileState::Paused, "[..........] 0 %"),
        ] {
            let stands = FileStatus { progress: Some(still()), ..status(state) };
            assert_eq!(facts(&stands, 5), [said]);
        }
    }

    #[test]
    fn a_file_says_to_whom_it_goes_how_much_how_fast_and_by_which_way() {
        let taker = |name: &str, path, bytes, rate| {
            let person = (!name.is_empty()).then(|| person(name));
            FileTaker { person, path, bytes, rate }
        };
        let takers = vec![
            taker("", Path::Stored, 512 << 10, 0),
            taker("bob", Path::Direct, 1 << 20, 3 << 20),
            taker("carol", Path::Relay, 2 << 20, 1 << 20),
        ];
        let serving = FileStatus { takers, ..status(FileState::Serving) };
        let lines = [
            "to bob (direct): 50 %, 3.0 MiB/s",
            "to carol (relay): 100 %, 1.0 MiB/s",
            "to the hub: 25 %",
        ];
        assert_eq!(facts(&serving, 2 << 20), lines);
        let many = (1..=9).map(|n| taker("bob", Path::Direct, 0, n << 10)).collect();
        let many = FileStatus { takers: many, ..status(FileState::Serving) };
        let lines = facts(&many, 2 << 20);
        assert_eq!((lines.len(), lines[3].as_str()), (4, "to 6 more, 21.0 KiB/s"));
        let kept = FileStatus { kept_until: Some(NOON), ..status(FileState::Serving) };
        assert_eq!(how_it_is(&kept), "offered by you, kept at the hub");
    }

    #[test]
    fn what_to_look_out_for_stands_below_the_offer() {
        let caution = Some("a program\x1b[2J".to_owned());
        let said = file(&body(Some(FileStatus { caution, ..status(FileState::Offered) })));
        assert!(said.ends_with(", offered\n! a program\u{241b}[2J"), "{said:?}");
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
        assert_eq!(progress(&still(), 0), "[##########] 100 %");
    }
}
