//! What is typed about files, and what becomes of it on the screen.

use super::super::app::{Did, Effect, Msg};
use super::scene::*;
use crate::api::file::FileTaker;
use crate::api::view::Path;
use crate::api::{Command, Event, FileDeed, FileState};

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

#[test]
fn a_file_is_offered_by_its_whole_path_in_the_conversation_shown() {
    let mut scene = here();
    scene.write("/file some where.txt");
    let effects = scene.enter();
    let Some(Effect::Command(Command::SendFile(send), _)) = effects.first() else {
        panic!("{effects:?}")
    };
    assert_eq!(send.to, BOB.to_string());
    assert!(send.path.starts_with('/') && send.path.ends_with("/some where.txt"));
    let mut nowhere = Scene::of(Vec::new());
    nowhere.write("/file x");
    assert_eq!(nowhere.enter(), []);
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
