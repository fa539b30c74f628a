//! Two people at two terminals, from nothing to a chat.

use std::net::UdpSocket;

use hubbub_tests::process::Stage;
use hubbub_tests::terminal::Terminal;

const WIDE: (u16, u16) = (200, 50);
const USUAL: (u16, u16) = (80, 24);
/// Where `hubbub up` listens unless told otherwise.
const PORT: u16 = 4433;
const CTRL_Q: &str = "\x11";

/// A picture of four by four pixels, red and blue, that says where it was taken.
const PICTURE: &[u8] =
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x04\0\0\0\x04\x08\x02\0\0\0&\x93\x09)\0\0\0\x14t\
    EXtComment\0at 52.5200 N\x1a\x09\xd6\xb4\0\0\0\x13IDATx\xdac\xf8\xcf\xc0\0D`\xe2?\
    \x03q\x1c\0\x9e\xa3\x0f\xf1\xcb\xe8Yn\0\0\0\0IEND\xaeB`\x82";
const PLACE: &[u8] = b"52.5200 N";

/// The whole invite, from a screen wide enough for it.
fn invite_on(screen: &str) -> Option<String> {
    let mut words = screen.split_whitespace().map(|word| word.trim_matches('\''));
    words.find(|word| word.starts_with("hubbub://")).map(str::to_owned)
}

/// A line of the screen that has all of these.
fn line_with<'a>(screen: &'a str, words: &[&str]) -> Option<&'a str> {
    screen.lines().find(|line| words.iter().all(|word| line.contains(word)))
}

/// Whether the message has reached the other one, who may have read it by now: somebody who looks
/// at the conversation reads it as it comes, and the first mark then stands for no time at all.
fn is_delivered(screen: &str, message: &str) -> bool {
    ["✓✓", "✔✔"].iter().any(|mark| line_with(screen, &[message, mark]).is_some())
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
    // Alice looks at the lobby: she sees that bob came in, and that he asks to be let in.
    alice.until("bob asks", |screen| line_with(screen, &[" ?bob#"]).is_some());
    alice.until_shows("bob came in");
    assert!(!is_delivered(&bob.screen(), "hello from bob"), "alice was not asked");
    alice.type_in("\x1bOR"); // F3
    alice.until_shows("wrote: hello from bob");
    alice.type_in("a");
    alice.until("alice looks at bob", |screen| {
        line_with(screen, &[">@bob"]).is_some()
            && line_with(screen, &["bob  ", "hello from bob"]).is_some()
    });
    bob.until("it is delivered", |screen| is_delivered(screen, "hello from bob"));
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
fn the_invite_can_be_shown_again_selected_whole_and_pasted_in_pieces() {
    let (alices, bobs) = (Stage::new(), Stage::new());
    let mut alice = Terminal::hubbub(&alices, &["up", "--listen", "127.0.0.1:0"], USUAL);
    alice.until_shows("Your nickname:");
    alice.enter("alice");
    alice.until_shows("E2EE");
    assert!(!alice.is_left_alone(), "the chat owns screen and mouse");
    alice.type_in("\x1bOQ"); // F2
    alice.until_shows("Any key: back to the chat.");
    assert!(alice.is_left_alone(), "what is shown cannot be selected");
    let Some(link) = invite_on(&alice.screen()) else { panic!("{}", alice.screen()) };
    assert!(link.len() > usize::from(USUAL.0), "it was meant to be too long for one row: {link}");
    let (front, back) = link.split_at(usize::from(USUAL.0));
    let pasted = format!("{front}\n{back}");
    let joined = bobs.run("hubbub", &["join", &pasted, "--nick", "bob", "--no-chat"]).fine();
    assert!(joined.stdout.contains("joined as bob"), "{joined:?}");
    alice.type_in("x");
    alice.until_shows("E2EE");
    // The key that brought the chat back was not written into it.
    alice.until("what happened meanwhile is there, and nothing is written", |screen| {
        screen.contains("bob came in") && screen.contains("write a message")
    });
    assert!(!alice.is_left_alone(), "the chat has screen and mouse back");
    alice.type_in("\x0c"); // Ctrl+L, on a terminal that answers no questions
    alice.enter("drawn again");
    alice.until("she still can talk", |screen| line_with(screen, &["drawn again", "✓"]).is_some());
}

#[test]
fn a_picture_is_sent_seen_and_fetched_into_another_folder_at_two_terminals() {
    let (alices, bobs) = (Stage::new(), Stage::new());
    let mut alice = Terminal::hubbub(&alices, &["up", "--listen", "127.0.0.1:0"], WIDE);
    alice.until_shows("Your nickname:");
    alice.enter("alice");
    alice.until("the chat opens with the invite", |screen| invite_on(screen).is_some());
    let invite = invite_on(&alice.screen()).unwrap_or_else(|| panic!("{}", alice.screen()));
    let mut bob = Terminal::hubbub(&bobs, &["join", &invite, "--nick", "bob"], USUAL);
    bob.until_shows("E2EE");
    bob.enter("/msg alice");
    bob.until_shows("@alice");
    bob.enter("hello from bob");
    alice.until("bob asks", |screen| line_with(screen, &[" ?bob#"]).is_some());
    alice.type_in("\x1bOR"); // F3
    alice.until_shows("wrote: hello from bob");
    alice.type_in("a");
    alice.until("alice looks at bob", |screen| line_with(screen, &[">@bob"]).is_some());
    bobs.run("hubbub", &["file", "rules", "--from", "nobody"]).fine();

    let pictures = alices.path("home").join("my pictures");
    std::fs::create_dir(&pictures).unwrap();
    std::fs::write(pictures.join("my cat.png"), PICTURE).unwrap();
    alice.type_in("/file send my\t");
    alice.until_shows("/file send my\\ pictures/");
    alice.type_in("my\t");
    alice.until_shows("/file send my\\ pictures/my\\ cat.png");
    alice.enter("--strip it's my cat");
    for screen in [&alice, &bob] {
        screen.until("the picture and the words that go with it are there", |screen| {
            screen.contains("my cat.png")
                && screen.contains("it's my cat")
                && screen.contains("▀▀▀▀")
        });
    }
    bob.type_in("\x1bp"); // Alt+p
    bob.until("the picture is hidden", |screen| !screen.contains('▀'));

    let place = bobs.path("home").join("new place");
    std::fs::create_dir(&place).unwrap();
    bob.enter("/file accept --to 'new place'");
    bob.until_shows("my cat.png is here");
    let fetched = std::fs::read(place.join("my cat.png")).unwrap();
    let tells = |bytes: &[u8]| bytes.windows(PLACE.len()).any(|window| window == PLACE);
    assert!(tells(PICTURE) && !tells(&fetched));
}
