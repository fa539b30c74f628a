//! The closed list of domain-separation labels.
//!
//! Invariant: one label, one use. A signature, hash or key made under one label means nothing under
//! another, so no part of the protocol can be replayed into another part. A label never changes
//! within version 1.

macro_rules! labels {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What a signature, hash or derived key is for (PROTOCOL.md, Keys and names).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Label {
            $($(#[$doc])* $name,)*
        }

        impl Label {
            /// Every label there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The label as it enters hashes and signatures.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => concat!("hubbub/v1/", $text),)*
                }
            }
        }
    };
}

labels! {
    /// Signature: an identity's key-agreement key.
    IdentityDh = "identity/dh",
    /// Signature: a medium-term prekey.
    PrekeySigned = "prekey/signed",
    /// Signature: a one-time prekey.
    PrekeyOnetime = "prekey/onetime",
    /// Hash: everything public in a session handshake.
    PqxdhTranscript = "pqxdh/transcript",
    /// Key: the session's first root.
    PqxdhSk = "pqxdh/sk",
    /// Key: a double-ratchet root step.
    DrRoot = "dr/root",
    /// Associated data: one pairwise message.
    DrAd = "dr/ad",
    /// Key: a session's signals.
    SignalKey = "signal/key",
    /// Key: a session's signals in one direction.
    SignalSide = "signal/side",
    /// Associated data: one signal.
    SignalAd = "signal/ad",
    /// Hash: what a sender chain starts from.
    SkRoot = "sk/root",
    /// Hash: a sender chain's identifier.
    SkChainId = "sk/chain-id",
    /// Hash: one group message.
    SkMsg = "sk/msg",
    /// Associated data: one group message.
    SkAd = "sk/ad",
    /// Signature: one group message, by its chain's key.
    SkSig = "sk/sig",
    /// Hash: a group's first control entry.
    LogGenesis = "log/genesis",
    /// Signature: a control entry.
    LogEntry = "log/entry",
    /// Hash: the head of a control log.
    LogHead = "log/head",
    /// Hash: two heads joined after a fork.
    LogFork = "log/fork",
    /// Key: an invite's signing key.
    InviteKey = "invite/key",
    /// Signature: an invite used by a joiner.
    InviteUse = "invite/use",
    /// Signature: a nickname claimed by an identity.
    NickClaim = "nick/claim",
    /// Signature: an identity proven on one TLS connection.
    HubAuth = "hub-auth",
    /// Signature: an identity proven to another node on one TLS session.
    PeerAuth = "peer-auth",
    /// Key: the file that wraps the store's master key.
    Keyfile = "keyfile",
    /// Key: one stored record.
    StoreRec = "store/rec",
    /// Key: a group's name and picture.
    Meta = "meta",
    /// Hash: a safety number.
    Fingerprint = "fp",
    /// Hash: what a node announces on its local network.
    Lan = "lan",
    /// Signature: what a node announces on its local network.
    LanSig = "lan/sig",
    /// Signature: a node's state generation.
    Beacon = "beacon",
    /// AEAD: pairwise messages.
    Cae1Dr = "cae1/dr",
    /// AEAD: group messages.
    Cae1Group = "cae1/group",
    /// AEAD: group name and picture.
    Cae1Meta = "cae1/meta",
    /// AEAD: the key file.
    Cae1Keyfile = "cae1/keyfile",
    /// AEAD: what an invite carries.
    Cae1Invite = "cae1/invite",
    /// AEAD: stored records.
    Cae1Store = "cae1/store",
    /// AEAD: a backup's pieces.
    Cae1Backup = "cae1/backup",
    /// Key: a file's pieces, and the commitment to it.
    File = "file",
    /// Hash: a sealed file's identifier.
    FileId = "file/id",
    /// Hash and associated data: the channel a passphrase exchange runs in.
    CpaceCi = "cpace/ci",
    /// Key and message: confirmation of a passphrase exchange.
    CpaceConfirm = "cpace/confirm",
    /// Hash: a step of the nickname directory.
    DirNode = "dir/node",
    /// Signature: the head of the nickname directory.
    DirHead = "dir/head",
}

/// The TLS exporter both ends of a link derive their proof from (PROTOCOL.md, Link handshake).
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-hubbub-v1-node-auth";

/// The TLS exporter both ends of a session between two nodes derive their proofs from (PROTOCOL.md,
/// Peer streams).
pub const PEER_EXPORTER_LABEL: &[u8] = b"EXPORTER-hubbub-v1-peer-auth";

impl Label {
    /// The label's bytes followed by `suffix`: the `info` of a key derivation. Callers use suffixes
    /// of one fixed length per label.
    #[must_use]
    pub fn info(self, suffix: &[u8]) -> Vec<u8> {
        [self.as_str().as_bytes(), suffix].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_terminated_label_begins_another() {
        for (i, a) in Label::ALL.iter().enumerate() {
            for (j, b) in Label::ALL.iter().enumerate() {
                let (a, b) = (format!("{}\0", a.as_str()), format!("{}\0", b.as_str()));
                assert!(i == j || !b.starts_with(&a), "{a} begins {b}");
            }
        }
    }

    #[test]
    fn every_label_is_printable_and_carries_the_version() {
        for label in Label::ALL {
            assert!(label.as_str().starts_with("hubbub/v1/"));
            assert!(label.as_str().bytes().all(|b| b.is_ascii_graphic()));
        }
    }
}
