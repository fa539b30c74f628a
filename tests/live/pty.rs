//! Two people at two terminals, from nothing to a chat; and the README's commands as it has them.

use std::net::UdpSocket;

use hubbub_tests::process::{Stage, binary};
use hubbub_tests::terminal::Terminal;

const WIDE: (u16, u16) = (200, 50);
const USUAL: (u16, u16) = (80, 24);
const README: &str = include_str!("../../README.md");
/// Where `hubbub up` listens unless told otherwise.
const PORT: u16 = 4433;
const CTRL_Q: &str = "\x11";

/// The whole invite, from a screen wide enough for it.
fn invite_on(screen: &str) -> Option<String> {
    let mut words = screen.split_whitespace().map(|word| word.trim_matches('\''));
    words.find(|word| word.starts_with("hubbub://")).map(str::to_owned)
}

/// A line of the screen that has all of these.
fn line_with<'a>(screen: &'a str, words: &[&str]) -> Option<&'a str> {
    screen.lines().find(|line| words.iter().all(|word| line.contains(word)))
}

#[test]
fn two_people_talk_from_nothing_and_find_everything_again() {
    let (alices, bobs) = (Stage::new(), Stage::new());
    // As the README has it, unless somebody else on this machine does the same just now.
    let free = UdpSocket::bind(("0.0.0.0", PORT)).is_ok() && UdpSocket::bind(("::", PORT)).is_ok();
    let up: &[&str] = if free { &["up"] } else { &["up", "--listen", "127.0.0.1:0"] };
    let mut alice = Terminal::hubbub(&alices, up, WIDE);
    alice.until_shows("Your nickname:");
    let invite = invite_on(&alice.screen()).unwrap_or_else(|| panic!("{}", alice.screen()));
    alice.enter("alice");
    alice.until("the chat opens with the invite", |screen| {
        screen.contains("E2EE") && invite_on(screen) == Some(invite.clone())
    });

    let mut bob = Terminal::hubbub(&bobs, &["join", &invite], USUAL);
    bob.until_shows("Your nickname:");
    bob.enter("alice");
    bob.until_shows("taken");
    bob.enter("bob");
    bob.until_shows("E2EE");
    bob.enter("/msg alice");
    bob.until_shows("@alice");
    bob.enter("hello from bob");
    bob.until("it is delivered", |screen| line_with(screen, &["hello from bob", "✓✓"]).is_some());
    // Alice looks at the lobby: she sees that bob came in, and that he wrote to her.
    alice.until("bob wrote", |screen| line_with(screen, &[" @bob", " 1 "]).is_some());
    alice.until_shows("bob came in");
    alice.enter("/msg bob");
    alice.until("alice looks at bob", |screen| {
        line_with(screen, &[">@bob"]).is_some()
            && line_with(screen, &["bob  ", "hello from bob"]).is_some()
    });
    alice.enter("hello yourself");
    bob.until_shows("hello yourself");
    // Bob looks at it: alice, who is told, sees that, too.
    alice.until("it is read", |screen| line_with(screen, &["hello yourself", "✔✔"]).is_some());

    bob.type_in(CTRL_Q);
    assert_eq!(bob.until_ended(), 0);
    let mut bob = Terminal::hubbub(&bobs, &[], USUAL);
    bob.until("the history is there", |screen| {
        screen.contains("hello from bob") && screen.contains("hello yourself")
    });
    bob.type_in(CTRL_Q);
    assert_eq!(bob.until_ended(), 0);
    alice.type_in(CTRL_Q);
    assert_eq!(alice.until_ended(), 0);
    // The same profile again, and nothing asked.
    let mut alice = Terminal::hubbub(&alices, &[], WIDE);
    alice.until("the history is there", |screen| {
        screen.contains("hello from bob") && screen.contains("hello yourself")
    });
    alice.type_in(CTRL_Q);
    assert_eq!(alice.until_ended(), 0);
}

#[test]
fn the_invite_can_be_shown_again_and_pasted_in_pieces() {
    let (alices, bobs) = (Stage::new(), Stage::new());
    let mut alice = Terminal::hubbub(&alices, &["up", "--listen", "127.0.0.1:0"], USUAL);
    alice.until_shows("Your nickname:");
    alice.enter("alice");
    alice.until_shows("E2EE");
    alice.type_in("\x1bOQ"); // F2
    alice.until_shows("Send this to whoever should come in");
    let screen = alice.screen();
    let boxed: Vec<&str> = screen.lines().filter_map(in_box).collect();
    let first = boxed.iter().position(|line| line.starts_with("hubbub://"));
    let rest = boxed.get(first.unwrap_or(0)..).unwrap_or_default();
    let pieces = rest.iter().take_while(|line| !line.starts_with("They run"));
    let pasted = pieces.copied().collect::<Vec<_>>().join("\n");
    assert!(pasted.contains('\n'), "it was meant to be too long for one line: {pasted}");
    let joined = bobs.run("hubbub", &["join", &pasted, "--nick", "bob", "--no-chat"]).fine();
    assert!(joined.stdout.contains("joined as bob"), "{joined:?}");
}

/// What stands inside a panel on this line of the screen.
fn in_box(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once('│').filter(|(_, rest)| rest.contains('│'))?;
    rest.rsplit_once('│').map(|(inside, _)| inside.rsplit('│').next().unwrap_or(inside).trim())
}

/// Every command line in the README: the program, and what follows it.
fn readme_commands() -> Vec<(&'static str, Vec<&'static str>)> {
    let fenced = README.split("```").skip(1).step_by(2);
    let typed = fenced.filter_map(|block| block.strip_prefix("console\n")).flat_map(str::lines);
    let quoted = README.split('`').filter(|text| text.starts_with("cargo run"));
    let lines = typed.filter_map(|line| line.strip_prefix("$ ")).chain(quoted);
    lines.filter_map(understood).collect()
}

fn understood(line: &str) -> Option<(&str, Vec<&str>)> {
    let line = line.split(" #").next().unwrap_or_default();
    let program = |prefix: &str, program| Some((program, line.strip_prefix(prefix)?));
    let (program, rest) = program("cargo run --release -- ", "hubbub")
        .or_else(|| program("target/release/hubbub-hub ", "hubbub-hub"))
        .or_else(|| program("hubbub ", "hubbub"))?;
    Some((program, rest.split_whitespace().collect()))
}

#[test]
fn every_command_in_the_readme_exists_with_its_options() {
    let stage = Stage::new();
    let commands = readme_commands();
    for verb in ["up", "join", "send", "read"] {
        assert!(commands.iter().any(|(_, words)| words.first() == Some(&verb)), "{verb}");
    }
    for (program, words) in commands {
        let nested = ["group", "message"].contains(&words.first().copied().unwrap_or_default());
        let verbs = words.iter().take(if nested { 2 } else { 1 }).copied();
        let asked: Vec<&str> = verbs.filter(|w| !w.starts_with('-')).chain(["--help"]).collect();
        let help = stage.run(program, &asked).fine().stdout;
        for option in words.iter().filter(|word| word.starts_with("--")) {
            assert!(help.contains(option), "{program} {words:?}: there is no {option}\n{help}");
        }
    }
}

#[test]
fn up_and_join_stand_in_the_first_forty_lines_of_the_readme() {
    let top: Vec<&str> = README.lines().take(40).collect();
    assert!(top.iter().any(|line| line.trim() == "$ cargo run --release -- up"));
    assert!(top.iter().any(|line| line.contains("cargo run --release -- join <invite>")));
    // What `cargo run` starts is the node's program, the one these tests run.
    assert!(binary("hubbub").ends_with("hubbub"));
}
