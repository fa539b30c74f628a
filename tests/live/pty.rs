//! Two people at two terminals, from nothing to a chat.

use std::net::UdpSocket;

use hubbub_tests::process::Stage;
use hubbub_tests::terminal::Terminal;

const WIDE: (u16, u16) = (200, 50);
const USUAL: (u16, u16) = (80, 24);
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
