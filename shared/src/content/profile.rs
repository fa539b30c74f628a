//! What somebody may say of themselves: the rules of a display name.

use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::limits::{DISPLAY_NAME_BYTES, DISPLAY_NAME_CHARS};

/// Whether a text may be a display name: composed (NFC), without control characters, without white
/// space around it, within [`DISPLAY_NAME_CHARS`] and [`DISPLAY_NAME_BYTES`]; or empty.
#[must_use]
pub fn is_display_name(text: &str) -> bool {
    text.len() <= DISPLAY_NAME_BYTES
        && text.chars().count() <= DISPLAY_NAME_CHARS
        && is_nfc(text)
        && text.trim() == text
        && !text.chars().any(char::is_control)
}

/// A text as it travels: composed (NFC), without white space around it.
#[must_use]
pub fn composed(typed: &str) -> String {
    typed.trim().nfc().collect()
}
