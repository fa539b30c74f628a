//! The invite of the hub we run ourselves, to hand out.

/// What somebody needs to come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InviteCard {
    /// The link.
    pub link: String,
    /// The hub's fingerprint, to read out.
    pub fingerprint: String,
}
