//! How things are shown to people, whichever face shows them: cleaned, marked, dated, in words.
//!
//! Invariant: text written by somebody else reaches a terminal only through `clean`. What is
//! absent: output. A face decides where the strings go.

mod charset;
mod clean;
mod clock;
mod files;
mod govern;
mod marks;
mod past;
mod picture;
mod qr;
mod words;

pub use charset::Charset;
pub use clean::{block, line};
pub use clock::Clock;
pub use files::{bytes, caution, facts as file_facts, file, file_state, how_it_is, progress};
pub use govern::doors;
pub use marks::{bar, delivery_mark, delivery_word, hue, kind_mark};
pub use past::{history_since, past_is_warning, past_mark};
pub use picture::{Bounds, Pixels, decode, on_white};
pub use qr::qr_lines;
pub use words::{
    LOBBY_LABEL, WAITS, body, excerpt, link, notice, notice_is_warning, past, path, presence, role,
    spread, wants, with_mark,
};
