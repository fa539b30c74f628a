//! Whole chats in a pretend world: the shipped relay and the shipped engines, no network, no clock.

// A claim that does not hold is a failed test.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod crash;
mod forgery;
mod groups;
mod receipts;
mod two;
