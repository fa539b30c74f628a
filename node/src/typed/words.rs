//! Words as a shell splits them: quotes hold together, a backslash takes what follows as it is.

/// Whether a backslash is a sign of its own here, and no part of a path.
const ESCAPES: bool = !cfg!(windows);

/// A word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word<'a> {
    /// What is meant.
    pub text: String,
    /// As it was typed.
    pub raw: &'a str,
    /// The quote that was not closed.
    pub open: Option<char>,
}

/// The first word of a text, and what stands behind it; none where there is none.
#[must_use]
pub fn word(text: &str) -> Option<(Word<'_>, &str)> {
    let text = text.trim_start();
    let (mut found, mut open) = (String::new(), None);
    let mut letters = text.char_indices();
    let mut end = text.len();
    while let Some((at, letter)) = letters.next() {
        match (open, letter) {
            (None, letter) if letter.is_whitespace() => {
                end = at;
                break;
            }
            (None, '\'' | '"') => open = Some(letter),
            (Some(quote), letter) if quote == letter => open = None,
            (None | Some('"'), '\\') if ESCAPES => {
                let next = letters.next().map(|(_, next)| next);
                // Between quotes it stands for itself, but in front of what they could not hold.
                let held = next.is_some_and(|next| matches!(next, '"' | '\\' | '$' | '`'));
                found.extend((next.is_none() || open.is_some() && !held).then_some('\\'));
                found.extend(next);
            }
            (_, letter) => found.push(letter),
        }
    }
    let (raw, rest) = text.split_at_checked(end)?;
    (!raw.is_empty()).then_some((Word { text: found, raw, open }, rest))
}

/// How a word is typed that means `text`. It goes on in the quote that is open, if one is, and
/// leaves it open unless the word is done.
#[must_use]
pub fn spelled(text: &str, open: Option<char>, done: bool) -> String {
    let special = |letter: char| letter.is_whitespace() || matches!(letter, '\'' | '"' | '\\');
    let open = open.or_else(|| (!ESCAPES && text.contains(special)).then_some('"'));
    let mut typed: String = open.into_iter().collect();
    for letter in text.chars() {
        match open {
            Some('\'') if letter == '\'' => typed.push_str(r"'\''"),
            Some('"') if ESCAPES && matches!(letter, '"' | '\\') => typed.extend(['\\', letter]),
            None if special(letter) => typed.extend(['\\', letter]),
            _ => typed.push(letter),
        }
    }
    typed.extend(open.filter(|_| done));
    typed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut text: &str) -> Vec<String> {
        let mut words = Vec::new();
        while let Some((word, rest)) = word(text) {
            words.push(word.text);
            text = rest;
        }
        words
    }

    #[test]
    fn words_are_split_where_a_shell_would() {
        for (typed, meant) in [
            ("  a  b\nc ", &["a", "b", "c"][..]),
            (r#"'my cat.png' "his dog.png""#, &["my cat.png", "his dog.png"]),
            (r"my\ cat.png it\'s", &["my cat.png", "it's"]),
            (r#"a'b c'"d e"f"#, &["ab cd ef"]),
            (r#"'a\b' "a\b" "a\"b""#, &["a\\b", "a\\b", "a\"b"]),
            ("'' x", &["", "x"]),
            (r"end\", &["end\\"]),
            ("", &[]),
            (" \t ", &[]),
        ] {
            assert_eq!(all(typed), meant, "{typed}");
        }
    }

    #[test]
    fn a_quote_that_is_not_closed_is_said_and_takes_all_there_is() {
        let (found, rest) = word("'my cat").unwrap();
        assert_eq!((found.text.as_str(), found.open, rest), ("my cat", Some('\''), ""));
        assert_eq!(word("it's").unwrap().0.open, Some('\''));
        assert_eq!(word("'it'").unwrap().0.open, None);
    }

    #[test]
    fn what_is_spelled_means_the_same_again() {
        let mut texts = vec![String::new()];
        for _ in 0..4 {
            let longer = texts.iter().flat_map(|text| {
                ['é', ' ', '\'', '"', '\\', '$'].map(|letter| format!("{text}{letter}"))
            });
            texts = longer.collect();
            for (text, open) in
                texts.iter().flat_map(|text| [None, Some('\''), Some('"')].map(|open| (text, open)))
            {
                for done in [false, true] {
                    let typed = spelled(text, open, done);
                    let (found, rest) = word(&typed).unwrap();
                    assert_eq!((&found.text, rest), (text, ""), "{typed}");
                    assert_eq!(found.open, open.filter(|_| !done), "{typed}");
                }
            }
        }
    }
}
