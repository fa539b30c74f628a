//! What is typed about files in the chat. The options are those of the command line.

use clap::{Args, Parser};

use super::files::FileCall;
use crate::api::FileDeed;
use crate::typed::{Landing, Offered, Word, word};

/// What comes after `--`, in front of any other words, is taken as it is.
const ENDS_OPTIONS: &str = "--";

/// `/file accept`.
#[derive(Parser)]
#[command(no_binary_name = true, disable_help_flag = true)]
struct Accept {
    number: Option<u64>,
    #[command(flatten)]
    landing: Landing,
}

/// `/file send`, without its path and the words that go with it.
#[derive(Parser)]
#[command(no_binary_name = true, disable_help_flag = true)]
struct Send {
    #[command(flatten)]
    how: Offered,
}

/// Understands the commands about files: what they ask for, or why that cannot be; none for what
/// is none of them. Two of them are about people, too, and then name one.
pub(super) fn parse(verb: &str, rest: &str) -> Option<Result<FileCall, String>> {
    if verb == "file" {
        return about_file(rest);
    }
    let first = rest.split_whitespace().next().unwrap_or_default();
    let about_people = !first.is_empty() && first.parse::<u64>().is_err();
    match verb {
        "accept" if first.starts_with(ENDS_OPTIONS) || !about_people => Some(accept(rest)),
        _ if about_people => None,
        _ => deed(verb).map(|deed| Ok(FileCall::Deed(deed, first.parse().ok()))),
    }
}

/// `/file` with a verb of its own, or with nothing but a path.
fn about_file(rest: &str) -> Option<Result<FileCall, String>> {
    let (verb, behind) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    match verb {
        "" => None,
        "send" => send(behind).transpose(),
        verb if verb == "accept" || deed(verb).is_some() => parse(verb, behind.trim()),
        _ => {
            // Whoever writes no more than a path need not think of its spaces.
            let only =
                word(rest).filter(|(word, behind)| word.open.is_none() && behind.trim().is_empty());
            let path = only.map_or_else(|| rest.to_owned(), |(word, _)| word.text);
            Some(Ok(FileCall::Send(path, Offered::default())))
        }
    }
}

fn deed(verb: &str) -> Option<FileDeed> {
    Some(match verb {
        "decline" => FileDeed::Decline,
        "pause" => FileDeed::Pause,
        "resume" => FileDeed::Resume,
        "first" => FileDeed::First,
        "cancel" => FileDeed::Cancel,
        _ => return None,
    })
}

fn accept(rest: &str) -> Result<FileCall, String> {
    let mut words = Vec::new();
    let mut rest = rest;
    while let Some((word, behind)) = word(rest) {
        words.push(closed(word)?.text);
        rest = behind;
    }
    let Accept { number, landing } = Accept::try_parse_from(words).map_err(|error| said(&error))?;
    let to = landing.to.and_then(|to| to.to_str().map(str::to_owned));
    Ok(FileCall::Accept(number, to))
}

/// What follows `/file send`; nothing where no path does. The words that go with a file are no
/// shell's: an apostrophe in them is one, and line breaks stay.
fn send(rest: &str) -> Result<Option<FileCall>, String> {
    let (mut path, mut options, mut caption) = (None, Vec::new(), String::new());
    let (mut rest, mut ended) = (rest, false);
    while let Some(next) = rest.split_whitespace().next() {
        let left = rest.trim_start();
        let gap = rest.strip_suffix(left).unwrap_or_default();
        let known = option(next).is_some();
        if !ended && caption.is_empty() && next == ENDS_OPTIONS {
            (ended, rest) = (true, left.strip_prefix(next).unwrap_or_default());
        } else if !ended && next.starts_with(ENDS_OPTIONS) && (known || caption.is_empty()) {
            rest = take_option(left, &mut options)?;
        } else if path.is_none() {
            let Some((found, behind)) = word(left) else { break };
            (path, rest) = (Some(closed(found)?.text), behind);
        } else {
            caption.push_str(if caption.is_empty() { "" } else { gap });
            caption.push_str(next);
            rest = left.strip_prefix(next).unwrap_or_default();
        }
    }
    let Send { mut how } = Send::try_parse_from(options).map_err(|error| said(&error))?;
    match (caption.is_empty(), how.caption.is_empty()) {
        (false, false) => return Err("say the words that go with it once".to_owned()),
        (false, true) => how.caption = unquoted(caption),
        (true, _) => {}
    }
    Ok(path.map(|path| FileCall::Send(path, how)))
}

/// Moves an option, with its value if it takes one, to the others; gives what is behind it.
fn take_option<'a>(text: &'a str, options: &mut Vec<String>) -> Result<&'a str, String> {
    let Some((name, behind)) = word(text) else { return Ok("") };
    let takes_value = option(&name.text).unwrap_or(false) && !name.text.contains('=');
    options.push(closed(name)?.text);
    let value = word(behind).filter(|_| takes_value);
    let Some((value, behind)) = value else { return Ok(behind) };
    options.push(closed(value)?.text);
    Ok(behind)
}

/// Whether an option takes a value; none for one that there is not.
fn option(typed: &str) -> Option<bool> {
    let name = typed.strip_prefix(ENDS_OPTIONS)?.split('=').next()?;
    let all = Offered::augment_args(clap::Command::new(""));
    let found = all.get_arguments().find(|known| known.get_long() == Some(name))?;
    Some(found.get_action().takes_values())
}

/// Words that stand in quotes as a whole are those between them, as a shell's user expects.
fn unquoted(caption: String) -> String {
    match word(&caption) {
        Some((all, "")) if all.open.is_none() && caption.starts_with(['\'', '"']) => all.text,
        _ => caption,
    }
}

fn closed(word: Word<'_>) -> Result<Word<'_>, String> {
    match word.open {
        None => Ok(word),
        Some(quote) => {
            Err(format!("there is a {quote} that nothing closes; write \\{quote} for one"))
        }
    }
}

/// What is wrong, without how the command line is called.
fn said(error: &clap::Error) -> String {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    first.strip_prefix("error: ").unwrap_or(first).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(typed: &str) -> (String, Offered) {
        match parse("file", typed) {
            Some(Ok(FileCall::Send(path, how))) => (path, how),
            other => panic!("{typed}: {other:?}"),
        }
    }

    fn refused(typed: &str) -> String {
        match parse("file", typed) {
            Some(Err(why)) => why,
            other => panic!("{typed}: {other:?}"),
        }
    }

    fn with(caption: &str) -> Offered {
        Offered { caption: caption.to_owned(), ..Offered::default() }
    }

    #[test]
    fn a_file_is_sent_with_its_words_and_options_wherever_these_stand() {
        let bare = |caption| Offered { strip: true, ..with(caption) };
        let named = |caption| Offered { name: Some("a cat.png".to_owned()), ..with(caption) };
        for (typed, path, how) in [
            ("send /tmp/cat.png", "/tmp/cat.png", with("")),
            ("send  '/tmp/my cat.png' ", "/tmp/my cat.png", with("")),
            (r"send /tmp/my\ cat.png it's my cat", "/tmp/my cat.png", with("it's my cat")),
            ("send cat.png one\n two", "cat.png", with("one\n two")),
            ("send cat.png \"my cat\"", "cat.png", with("my cat")),
            ("send cat.png \"my\" cat", "cat.png", with("\"my\" cat")),
            ("send --strip cat.png look", "cat.png", bare("look")),
            ("send cat.png --strip look", "cat.png", bare("look")),
            ("send cat.png look there --strip", "cat.png", bare("look there")),
            ("send --name 'a cat.png' cat.png look", "cat.png", named("look")),
            ("send cat.png look --name=a\\ cat.png", "cat.png", named("look")),
            ("send cat.png --caption 'my cat'", "cat.png", with("my cat")),
            ("send cat.png -- --strip it", "cat.png", with("--strip it")),
            ("send cat.png either -- or", "cat.png", with("either -- or")),
            ("send -- --strip --strip", "--strip", with("--strip")),
            ("send cat.png see --help", "cat.png", with("see --help")),
        ] {
            assert_eq!(sent(typed), (path.to_owned(), how), "{typed}");
        }
    }

    #[test]
    fn what_cannot_be_is_said_before_anything_is_sent() {
        assert!(refused("send it's.png").contains("nothing closes"));
        assert!(refused("send --strp cat.png").contains("'--strp'"));
        assert!(refused("send cat.png --name").contains("--name"));
        assert!(refused("send cat.png --caption a b").contains("once"));
        assert!(parse("file", "").is_none() && parse("file", "send").is_none());
        assert!(parse("file", "send --strip").is_none());
    }

    #[test]
    fn a_path_alone_is_a_file_to_send_as_it_stands() {
        for (typed, path) in [
            ("/tmp/my cat.png", "/tmp/my cat.png"),
            ("'/tmp/my cat.png'", "/tmp/my cat.png"),
            ("it's.png", "it's.png"),
        ] {
            assert_eq!(sent(typed), (path.to_owned(), Offered::default()));
        }
    }

    #[test]
    fn a_file_is_accepted_into_the_folder_that_is_named() {
        let to = |to: &str| Some(to.to_owned());
        for (verb, typed, number, folder) in [
            ("accept", "", None, None),
            ("accept", "7", Some(7), None),
            ("accept", "7 --to /tmp/x", Some(7), to("/tmp/x")),
            ("accept", "--to '/tmp/my x'", None, to("/tmp/my x")),
            ("file", "accept", None, None),
            ("file", "accept --to=~/x 7", Some(7), to("~/x")),
        ] {
            let accept = FileCall::Accept(number, folder);
            assert_eq!(parse(verb, typed), Some(Ok(accept)), "{verb} {typed}");
        }
        assert!(matches!(parse("accept", "7 --into x"), Some(Err(_))));
        assert!(matches!(parse("accept", "7 8"), Some(Err(_))));
        assert!(parse("accept", "bob").is_none() && parse("pause", "bob").is_none());
        let pause = FileCall::Deed(FileDeed::Pause, Some(3));
        assert_eq!(parse("file", "pause 3"), Some(Ok(pause)));
    }
}
