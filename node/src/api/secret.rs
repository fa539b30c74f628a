//! Secrets a person types: they travel to the node and nowhere else.

use core::fmt;

use hubbub_shared::crypto::SecretBytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A passphrase as typed. In JSON it is a string; nothing that shows or logs a command shows it.
pub struct SecretText(SecretBytes);

impl SecretText {
    /// Takes over what was typed.
    #[must_use]
    pub fn new(typed: SecretBytes) -> Self {
        Self(typed)
    }

    /// The text; none when it is no text.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        core::str::from_utf8(self.0.expose()).ok()
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(..)")
    }
}

impl Clone for SecretText {
    fn clone(&self) -> Self {
        Self(self.0.duplicate())
    }
}

impl PartialEq for SecretText {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose() == other.0.expose()
    }
}

impl Eq for SecretText {}

impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str().unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = SecretText;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a passphrase")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<SecretText, E> {
                Ok(SecretText(SecretBytes::from_vec(text.as_bytes().to_vec())))
            }
            fn visit_string<E: de::Error>(self, text: String) -> Result<SecretText, E> {
                Ok(SecretText(SecretBytes::from_vec(text.into_bytes())))
            }
        }
        d.deserialize_string(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_a_string_to_programs_and_never_shown() {
        let secret: SecretText = serde_json::from_str("\"open sesame\"").unwrap();
        assert_eq!(secret.as_str(), Some("open sesame"));
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"open sesame\"");
        assert!(!format!("{secret:?}").contains("sesame"));
    }
}
