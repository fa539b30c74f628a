//! What is typed about files, and what becomes of it on the screen.

use crossterm::event::{KeyCode, KeyModifiers};

use super::super::app::{Did, Effect, Msg};
use super::super::folders::{Entry, entry};
use super::scene::*;
use crate::api::file::FileTaker;
use crate::api::view::Path;
use crate::api::{Command, Event, FileDeed, FileState, SendFile};

fn here() -> Scene {
    Scene::of(vec![conversation(BOB, "bob", 0)]).says(vec![
        file(1, "bob", FileState::Offered, None),
        file(2, "bob", FileState::Fetching, Some(1 << 20)),
        file(3, "bob", FileState::Offered, None),
        file(4, "alice", FileState::Serving, None),
    ])
}

fn asked(scene: &mut Scene, typed: &str) -> Option<(u64, FileDeed)> {
    scene.write(typed);
    scene.enter().into_iter().find_map(|effect| match effect {
        Effect::Command(Command::File { file, deed }, Did::Said(_)) => Some((file, deed)),
        _ => None,
    })
}

#[test]
fn a_command_without_a_number_means_the_newest_file_it_can_be_done_with() {
    let mut scene = here();
    let accept = || FileDeed::Accept { to: None };
    assert_eq!(asked(&mut scene, "/accept"), Some((3, accept())));
    assert_eq!(asked(&mut scene, "/accept 1"), Some((1, accept())));
    assert_eq!(asked(&mut scene, "/decline"), Some((3, FileDeed::Decline)));
    assert_eq!(asked(&mut scene, "/pause"), Some((4, FileDeed::Pause)));
    assert_eq!(asked(&mut scene, "/first"), Some((2, FileDeed::First)));
    assert_eq!(asked(&mut scene, "/cancel 2"), Some((2, FileDeed::Cancel)));
    assert_eq!(asked(&mut scene, "/resume"), None);
    assert!(scene.screen(90, 14).contains("there is no such file here"));
}

fn sent(scene: &mut Scene, typed: &str) -> SendFile {
    scene.write(typed);
    match scene.enter().pop() {
        Some(Effect::Command(Command::SendFile(send), Did::Said(_))) => send,
        other => panic!("{typed}: {other:?}"),
    }
}

#[test]
fn a_file_is_offered_by_its_whole_path_in_the_conversation_shown() {
    let mut scene = here();
    scene.app.home = Some("/home/alice".into());
    let send = sent(&mut scene, "/file some where.txt");
    assert_eq!(send.to, BOB.to_string());
    assert!(send.path.starts_with('/') && send.path.ends_with("/some where.txt"));
    let send = sent(&mut scene, "/file send --strip ~/my\\ cat.png --name cat.png it's my cat");
    assert_eq!(
        (send.path.as_str(), send.caption.as_str()),
        ("/home/alice/my cat.png", "it's my cat")
    );
    assert!(send.strip && send.name.as_deref() == Some("cat.png"));
    let mut nowhere = Scene::of(Vec::new());
    nowhere.write("/file send x");
    assert_eq!(nowhere.enter(), []);
    assert!(nowhere.screen(90, 14).contains("/msg <nickname> opens one"));
}

#[test]
fn a_path_that_was_dropped_on_the_terminal_is_the_file_that_is_sent() {
    for dropped in ["'/tmp/my cat.png' ", "/tmp/my\\ cat.png", "file:///tmp/my%20cat.png\r\n"] {
        for command in ["/file send ", "/file "] {
            let mut scene = here();
            scene.write(command);
            scene.app.update(Msg::Paste(dropped.to_owned()), NOON);
            assert_eq!(sent(&mut scene, "").path, "/tmp/my cat.png", "{command}{dropped}");
        }
    }
    let mut scene = here();
    scene.write("/file send file://elsewhere/cat.png");
    assert_eq!(scene.enter(), []);
    assert!(scene.screen(90, 14).contains("another machine"));
}

#[test]
fn a_wrong_option_sends_nothing_and_what_was_typed_stays() {
    let mut scene = here();
    scene.write("/file send --strp cat.png");
    assert_eq!(scene.enter(), []);
    assert_eq!(scene.app.composer().text(), "/file send --strp cat.png");
    assert!(scene.screen(90, 14).contains("unexpected argument '--strp'"));
}

#[test]
fn a_file_is_fetched_into_the_folder_that_is_named() {
    let mut scene = here();
    scene.app.home = Some("/home/alice".into());
    let to = |to: &str| FileDeed::Accept { to: Some(to.to_owned()) };
    assert_eq!(asked(&mut scene, "/accept --to /tmp/x"), Some((3, to("/tmp/x"))));
    assert_eq!(
        asked(&mut scene, "/file accept 1 --to '~/my x'"),
        Some((1, to("/home/alice/my x")))
    );
}

/// What Tab makes of what is written, with these in the folder it looks at.
fn tab(scene: &mut Scene, typed: &str, there: &[Entry]) -> (String, String) {
    scene.app.composer().set(typed);
    let effects = scene.press(KeyCode::Tab, KeyModifiers::NONE);
    let mut looked = String::new();
    if let Some(Effect::Look(search)) = effects.into_iter().next() {
        looked = search.folder().display().to_string();
        scene.app.update(Msg::Found(search, there.to_vec()), NOON);
    }
    (looked, scene.app.composer().text())
}

#[test]
fn tab_completes_paths_as_they_have_to_be_typed() {
    let mut scene = here();
    scene.app.home = Some("/home/alice".into());
    let (cat, cats) = (entry("my cat.png", false), entry("my cats", true));
    let mut made = |typed, there: &[Entry]| tab(&mut scene, typed, there);
    let of = |looked: &str, text: &str| (looked.to_owned(), text.to_owned());
    let [one, folder] = [&cat, &cats].map(core::slice::from_ref);
    assert_eq!(made("/file send m", one), of(".", "/file send my\\ cat.png "));
    assert_eq!(made("/file send '/tmp/m", one), of("/tmp/", "/file send '/tmp/my cat.png' "));
    assert_eq!(made("/file send ~", one), of("", "/file send ~/"));
    let below = "/file send --strip ~/my\\ cats/";
    assert_eq!(made("/file send --strip ~/", folder), of("/home/alice/", below));
    let both = [cat.clone(), cats.clone()];
    assert_eq!(made("/file send m", &both), of(".", "/file send my\\ cat"));
    assert_eq!(made("/accept --to m", folder), of(".", "/accept --to my\\ cats/"));
    assert!(scene.screen(90, 14).contains("my cat.png  my cats/"));
}

#[test]
fn what_is_found_too_late_changes_nothing() {
    let mut scene = here();
    scene.write("/file send m");
    let effects = scene.press(KeyCode::Tab, KeyModifiers::NONE);
    let Some(Effect::Look(search)) = effects.into_iter().next() else { panic!("no look") };
    scene.write("y own");
    scene.app.update(Msg::Found(search, vec![entry("my cat.png", false)]), NOON);
    assert_eq!(scene.app.composer().text(), "/file send my own");
}

#[test]
fn that_a_file_is_here_is_said_once_whoever_takes_it_from_here_then() {
    let mut scene = here();
    let whole = |taken: bool| {
        let Event::File(mut view) =
            told_of(&file(2, "bob", FileState::Whole, None), FileState::Whole)
        else {
            panic!("of a file")
        };
        let status = view.body.status.as_mut().unwrap();
        status.path = Some("/d/notes 2.pdf".to_owned());
        let (person, path) = (Some(person("carol")), Path::Direct);
        let taker = FileTaker { person, path, bytes: 1, rate: 1 };
        status.takers = taken.then_some(taker).into_iter().collect();
        Event::File(view)
    };
    let mut heard = |taken| {
        let before = scene.app.news.len();
        scene.app.update(Msg::Event(whole(taken)), NOON);
        scene.app.news.len() - before
    };
    assert_eq!([false, true, true, false].map(&mut heard), [1, 0, 0, 0]);
    let mut scene = here();
    let mut heard = |taken| {
        scene.app.update(Msg::Event(whole(taken)), NOON);
        scene.app.news.len()
    };
    assert_eq!([true, false].map(&mut heard), [0, 0], "it was here before");
}

#[test]
fn what_becomes_of_a_file_is_seen_where_it_was_offered() {
    let mut scene = here();
    assert!(scene.screen(150, 14).contains("[##........] 25 %, 1.0 MiB/s"));
    let told = told_of(&file(2, "bob", FileState::Fetching, None), FileState::Paused);
    scene.app.update(Msg::Event(told), NOON);
    let screen = scene.screen(150, 14);
    assert!(screen.contains("notes 2.pdf, 4.0 MiB, application/pdf, paused"), "{screen}");
    // Somebody else's message of the same id is another file.
    let told = told_of(&file(1, "carol", FileState::Offered, None), FileState::Whole);
    scene.app.update(Msg::Event(told), NOON);
    assert!(!scene.screen(150, 14).contains("here:"));
    assert!(scene.screen(150, 14).contains("notes 1.pdf, 4.0 MiB, application/pdf, offered"));
}
