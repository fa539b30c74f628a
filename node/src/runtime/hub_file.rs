//! `hub.toml`: which hub this profile belongs to, where it is, and what admits to it until it has.
//!
//! Invariant: the invite's token is forgotten once the hub has admitted this identity.

use std::io;
use std::path::{Path, PathBuf};

use data_encoding::BASE32_NOPAD;
use hubbub_shared::crypto::SecretBytes;
use hubbub_shared::id::HubId;
use hubbub_shared::invite::Invite;
use zeroize::Zeroizing;

use crate::api::{ApiError, Code};
use crate::paths;

const NOTE: &str = "# Written by `hubbub join`. The admission is a secret.\n";

/// The file as it is, and where.
pub(super) struct HubFile {
    path: PathBuf,
    hub: HubId,
    addresses: Vec<String>,
    admission: Option<SecretBytes>,
    nickname: Option<String>,
}

impl HubFile {
    /// What an invite says, for the file at `path`.
    pub(super) fn from_invite(path: PathBuf, invite: &Invite, nickname: Option<&str>) -> Self {
        Self {
            path,
            hub: invite.hub(),
            addresses: invite.addresses().to_vec(),
            admission: invite.token().map(|token| SecretBytes::from_vec(token.to_vec())),
            nickname: nickname.map(str::to_owned),
        }
    }

    /// Reads the file.
    pub(super) fn read(path: &Path) -> Result<Self, ApiError> {
        let text = std::fs::read_to_string(path).map(Zeroizing::new);
        let text = text.map_err(|error| wrong(path, &error.to_string()))?;
        let table: toml::Table = text.parse().map_err(|_| wrong(path, "it is not TOML"))?;
        let string = |key: &str| table.get(key).and_then(toml::Value::as_str);
        let hub = string("hub").and_then(HubId::from_text);
        let addresses = table.get("addresses").and_then(toml::Value::as_array);
        let addresses = addresses.map(|list| list.iter().filter_map(toml::Value::as_str));
        let admission = string("admission")
            .map(|text| BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()))
            .transpose()
            .map_err(|_| wrong(path, "`admission` is no token"))?;
        Ok(Self {
            path: path.to_path_buf(),
            hub: hub.ok_or_else(|| wrong(path, "`hub` is no hub's key"))?,
            addresses: addresses
                .ok_or_else(|| wrong(path, "`addresses` is no list"))?
                .map(str::to_owned)
                .collect(),
            admission: admission.map(SecretBytes::from_vec),
            nickname: string("nickname").map(str::to_owned),
        })
    }

    /// Writes the file.
    pub(super) fn write(&self) -> io::Result<()> {
        paths::replace_private(&self.path, self.to_text().as_bytes())
    }

    /// What is in the file.
    pub(super) fn to_text(&self) -> Zeroizing<String> {
        let mut table = toml::Table::new();
        table.insert("hub".to_owned(), self.hub.to_text().into());
        table.insert("addresses".to_owned(), self.addresses.clone().into());
        if let Some(token) = &self.admission {
            let text = BASE32_NOPAD.encode(token.expose()).to_lowercase();
            table.insert("admission".to_owned(), text.into());
        }
        if let Some(nickname) = &self.nickname {
            table.insert("nickname".to_owned(), nickname.clone().into());
        }
        Zeroizing::new(format!("{NOTE}{table}"))
    }

    pub(super) fn hub(&self) -> HubId {
        self.hub
    }

    pub(super) fn addresses(&self) -> &[String] {
        &self.addresses
    }

    pub(super) fn admission(&self) -> Option<SecretBytes> {
        self.admission.as_ref().map(SecretBytes::duplicate)
    }

    /// Whether the hub has let this identity in, as far as is known here.
    pub(super) fn is_admitted(&self) -> bool {
        self.admission.is_none()
    }

    /// The nickname to claim once connected.
    pub(super) fn wish(&self) -> Option<String> {
        self.nickname.clone()
    }

    /// Takes over what a newer invite to the same hub says.
    pub(super) fn renew(&mut self, invite: Self) {
        self.addresses = invite.addresses;
        self.admission = invite.admission;
        self.nickname = invite.nickname.or(self.nickname.take());
    }

    /// The hub knows this identity now.
    pub(super) fn admitted(&mut self) -> io::Result<()> {
        if self.admission.take().is_some() { self.write() } else { Ok(()) }
    }

    /// The wish came true.
    pub(super) fn granted(&mut self) -> io::Result<()> {
        if self.nickname.take().is_some() { self.write() } else { Ok(()) }
    }
}

fn wrong(path: &Path, why: &str) -> ApiError {
    let what = format!("cannot use {}: {why}", path.display());
    ApiError::new(Code::Profile, what, "`hubbub join <invite>` writes it anew")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_and_the_wish_are_forgotten_when_they_have_served() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hub.toml");
        let addresses = vec!["chat.example.org:4433".to_owned()];
        let invite = Invite::new(addresses.clone(), HubId([3; 32]), Some([9; 16])).ok().unwrap();
        HubFile::from_invite(path.clone(), &invite, Some("alice")).write().unwrap();
        let mut read = HubFile::read(&path).unwrap();
        assert_eq!((read.hub(), read.addresses()), (HubId([3; 32]), &addresses[..]));
        assert_eq!(read.admission().unwrap().expose(), [9; 16]);
        assert_eq!(read.wish().as_deref(), Some("alice"));
        read.admitted().unwrap();
        read.granted().unwrap();
        let read = HubFile::read(&path).unwrap();
        assert!(read.admission().is_none() && read.wish().is_none());
    }

    #[test]
    fn a_file_of_something_else_is_refused_with_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hub.toml");
        for text in ["x", "hub = \"abc\"\naddresses = []"] {
            std::fs::write(&path, text).unwrap();
            let error = HubFile::read(&path).err().unwrap();
            assert!(error.what.contains("hub.toml"));
        }
    }
}
