//! Makes text of strangers harmless on a terminal.
//!
//! Invariant: what comes out holds no control character but `\n` (and that only from [`block`]),
//! nothing that reorders the line around it, and nothing that hides. What a terminal would obey is
//! shown as a picture of itself, so that the reader sees that somebody tried.

use std::borrow::Cow;

use unicode_width::UnicodeWidthChar;

/// Zero-width marks kept in a row: enough for every living script, too few to smear over lines.
const MARKS_IN_A_ROW: usize = 8;
/// Shown for what has no picture of its own.
const REPLACED: char = '\u{fffd}';

/// One line: line breaks are shown as `⏎`.
#[must_use]
pub fn line(text: &str) -> Cow<'_, str> {
    clean(text, false)
}

/// A text of several lines: `\n` stays, and `\r\n` counts as one.
#[must_use]
pub fn block(text: &str) -> Cow<'_, str> {
    clean(text, true)
}

fn clean(text: &str, breaks: bool) -> Cow<'_, str> {
    if text.chars().all(|c| c.is_ascii_graphic() || c == ' ') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut marks = 0;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c == '\r' && rest.peek() == Some(&'\n') {
            continue;
        }
        marks = if c.width() == Some(0) { marks + 1 } else { 0 };
        if marks <= MARKS_IN_A_ROW {
            push(&mut out, c, breaks);
        }
    }
    Cow::Owned(out)
}

fn push(out: &mut String, c: char, breaks: bool) {
    match c {
        '\n' | '\u{2028}' | '\u{2029}' => out.push(if breaks { '\n' } else { '⏎' }),
        '\t' => out.push_str("    "),
        '\u{7f}' => out.push('\u{2421}'),
        c if u32::from(c) < 0x20 => out.push(picture(c)),
        c if c.is_control() || reorders(c) || hides(c) => out.push(REPLACED),
        c => out.push(c),
    }
}

/// The picture of a C0 control character (`␛` for escape).
fn picture(c: char) -> char {
    char::from_u32(0x2400 + u32::from(c)).unwrap_or(REPLACED)
}

/// Overrides, embeddings, isolates and marks of direction.
fn reorders(c: char) -> bool {
    matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}'
    )
}

/// Characters without width that carry no script: spaces of nothing, fillers, tags.
fn hides(c: char) -> bool {
    let filler =
        matches!(c, '\u{ad}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{3164}' | '\u{ffa0}');
    let nothing = matches!(c, '\u{200b}' | '\u{2060}'..='\u{2065}' | '\u{feff}');
    filler || nothing || matches!(c, '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escape_sequence_is_shown_and_not_obeyed() {
        assert_eq!(line("\x1b[2J\x07boo"), "␛[2J␇boo");
        assert_eq!(line("\u{9b}31m"), "\u{fffd}31m");
        assert_eq!(line("a\x7f"), "a␡");
    }

    #[test]
    fn a_bidi_override_cannot_turn_the_line_around() {
        assert_eq!(line("exe.\u{202e}gpj"), "exe.\u{fffd}gpj");
    }

    #[test]
    fn one_line_stays_one_line() {
        assert_eq!(line("a\nb\r\nc\rd"), "a⏎b⏎c␍d");
        assert_eq!(block("a\nb\r\nc\td"), "a\nb\nc    d");
    }

    #[test]
    fn honest_scripts_and_joined_emoji_are_left_alone() {
        for text in ["naïve café", "e\u{301}", "日本語", "שלום", "👩\u{200d}🚀", "می\u{200c}خواهم"]
        {
            assert_eq!(line(text), text);
        }
    }

    #[test]
    fn a_tower_of_accents_is_cut_down() {
        let tower = format!("a{}", "\u{301}".repeat(500));
        assert_eq!(line(&tower).chars().count(), 1 + MARKS_IN_A_ROW);
    }
}
