//! Breaks text into lines as wide as the screen, measuring what people see as one character.

use ratatui::style::Style;
use ratatui::text::Span;
use unicode_width::UnicodeWidthStr;

/// `text` in lines no wider than `width` columns, broken at spaces where possible. Never empty.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(2);
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = Line::default();
        for word in paragraph.split_inclusive(' ') {
            line.word(word, width, &mut lines);
        }
        lines.push(line.text);
    }
    lines
}

#[derive(Default)]
struct Line {
    text: String,
    width: usize,
}

impl Line {
    fn word(&mut self, word: &str, width: usize, done: &mut Vec<String>) {
        let wide = word.trim_end().width();
        if self.width > 0 && self.width + wide > width {
            self.flush(done);
        }
        for grapheme in Span::raw(word).styled_graphemes(Style::default()) {
            let wide = grapheme.symbol.width();
            if self.width + wide > width {
                self.flush(done);
                if grapheme.symbol == " " {
                    continue;
                }
            }
            self.text.push_str(grapheme.symbol);
            self.width += wide;
        }
    }

    fn flush(&mut self, done: &mut Vec<String>) {
        let mut text = core::mem::take(&mut self.text);
        text.truncate(text.trim_end().len());
        self.width = 0;
        done.push(text);
    }
}

/// `text` cut to at most `width` columns, with `…` where something is missing.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut wide = 0;
    for grapheme in Span::raw(text).styled_graphemes(Style::default()) {
        wide += grapheme.symbol.width();
        if wide >= width {
            break;
        }
        out.push_str(grapheme.symbol);
    }
    if width > 0 {
        out.push('…');
    }
    out
}

/// `text` cut or filled up to exactly `width` columns.
pub(super) fn fit(text: &str, width: usize) -> String {
    let mut text = cut(text, width);
    let missing = width.saturating_sub(text.width());
    text.extend(core::iter::repeat_n(' ', missing));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn breaks_at_spaces_and_inside_words_that_are_too_long() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("a\n\nb", 10), ["a", "", "b"]);
    }

    #[test]
    fn wide_and_joined_characters_are_measured_as_seen() {
        assert_eq!(wrap("日本語", 4), ["日本", "語"]);
        assert_eq!(wrap("👩\u{200d}🚀👩\u{200d}🚀", 4), ["👩\u{200d}🚀👩\u{200d}🚀"]);
        assert_eq!(fit("日本語", 4), "日… ");
        assert_eq!(fit("ab", 4), "ab  ");
    }
}
