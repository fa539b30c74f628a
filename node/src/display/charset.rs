//! Which characters a terminal can be trusted with.

/// What marks and frames are drawn with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// Ticks, boxes, half blocks.
    Unicode,
    /// Plain ASCII.
    Ascii,
}

impl Charset {
    /// Decides by the locale variables in their order of precedence (`LC_ALL`, `LC_CTYPE`, `LANG`):
    /// the first one set must name UTF-8. With none set we trust the terminal, as most do.
    #[must_use]
    pub fn of_locale<'a>(variables: impl IntoIterator<Item = Option<&'a str>>) -> Self {
        let set = variables.into_iter().flatten().find(|value| !value.is_empty());
        match set.map(str::to_ascii_lowercase) {
            Some(value) if !value.contains("utf-8") && !value.contains("utf8") => Self::Ascii,
            _ => Self::Unicode,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variable_that_is_set_decides() {
        assert_eq!(Charset::of_locale([None, Some("C"), Some("en_GB.UTF-8")]), Charset::Ascii);
        assert_eq!(Charset::of_locale([Some(""), Some("C.utf8"), None]), Charset::Unicode);
        assert_eq!(Charset::of_locale([None, None, None]), Charset::Unicode);
    }
}
