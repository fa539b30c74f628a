//! The node's mind, pure: contacts, sessions, groups, sender keys, outbox, receipts.

pub mod output;
