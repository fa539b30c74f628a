//! Moments and durations, as plain numbers that come in from outside.
//!
//! Nothing in a core reads a clock. A shell passes [`Timestamp`]s in; the simulation passes pretend
//! ones.

use core::fmt;
use core::ops::{Add, Sub};

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch, as the machine at hand believes. Advisory only: no rule about
/// who may read what depends on another machine's clock.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

/// A length of time in milliseconds.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// `n` seconds.
    #[must_use]
    pub const fn secs(n: u64) -> Self {
        Self(n * 1_000)
    }

    /// `n` minutes.
    #[must_use]
    pub const fn minutes(n: u64) -> Self {
        Self::secs(n * 60)
    }

    /// `n` hours.
    #[must_use]
    pub const fn hours(n: u64) -> Self {
        Self::minutes(n * 60)
    }

    /// `n` days.
    #[must_use]
    pub const fn days(n: u64) -> Self {
        Self::hours(n * 24)
    }
}

/// Not a length of time as [`Millis::parse`] reads them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LengthError {
    /// No number with a unit.
    #[error("`{0}` is no length of time; write 90m, 12h or 7d")]
    Unread(String),
    /// Longer than anybody means.
    #[error("`{0}` is more than ten years")]
    TooLong(String),
}

/// Units as people write them, as they read them, and how long they are.
const UNITS: [(char, &str, Millis); 4] = [
    ('d', "day", Millis::days(1)),
    ('h', "hour", Millis::hours(1)),
    ('m', "minute", Millis::minutes(1)),
    ('s', "second", Millis::secs(1)),
];

impl Millis {
    /// A length of time as typed: a number above zero and one of s, m, h, d.
    ///
    /// # Errors
    /// [`LengthError`].
    pub fn parse(text: &str) -> Result<Self, LengthError> {
        let read = || {
            let (_, _, each) = UNITS.iter().find(|(unit, ..)| text.ends_with(*unit))?;
            let digits = text.get(..text.len().checked_sub(1)?)?;
            let number = Some(digits).filter(|d| d.bytes().all(|b| b.is_ascii_digit()))?;
            Some((number.parse::<u64>().ok().filter(|n| *n > 0)?, each.0))
        };
        let (number, each) = read().ok_or_else(|| LengthError::Unread(text.to_owned()))?;
        let most = Self::days(3_650).0 / each;
        if number > most {
            return Err(LengthError::TooLong(text.to_owned()));
        }
        Ok(Self(number * each))
    }

    /// The same for people: `7 days`, `1 hour 30 minutes`. What is left of a second counts whole.
    #[must_use]
    pub fn in_words(self) -> String {
        let mut left = self.0.div_ceil(1_000).saturating_mul(1_000);
        let mut words = Vec::new();
        for (_, name, each) in UNITS {
            let number = left / each.0;
            left %= each.0;
            match number {
                0 => {}
                1 => words.push(format!("1 {name}")),
                n => words.push(format!("{n} {name}s")),
            }
        }
        if words.is_empty() { "no time".to_owned() } else { words.join(" ") }
    }
}

impl Timestamp {
    /// How long ago `earlier` was; zero when it lies in the future.
    #[must_use]
    pub fn since(self, earlier: Self) -> Millis {
        Millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Millis> for Timestamp {
    type Output = Self;
    fn add(self, by: Millis) -> Self {
        Self(self.0.saturating_add(by.0))
    }
}

impl Sub<Millis> for Timestamp {
    type Output = Self;
    fn sub(self, by: Millis) -> Self {
        Self(self.0.saturating_sub(by.0))
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_strictly() {
        assert_eq!(Millis::parse("90m"), Ok(Millis::minutes(90)));
        assert_eq!(Millis::parse("7d"), Ok(Millis::days(7)));
        for wrong in ["", "7", "d", "-1d", "+1d", "0d", "1.5h", "7 d", "7w", "99999999999d", "7ä"]
        {
            assert!(Millis::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_length_of_time_is_said_in_the_units_it_has() {
        let said = |millis: Millis| millis.in_words();
        assert_eq!(said(Millis::secs(1)), "1 second");
        assert_eq!(said(Millis::minutes(90)), "1 hour 30 minutes");
        assert_eq!(said(Millis::days(7)), "7 days");
        assert_eq!(said(Millis(Millis::days(1).0 - 1)), "1 day");
        assert_eq!(said(Millis(0)), "no time");
    }
}
