//! Whole chats in a pretend world: the shipped relay and the shipped engines, no network, no clock.

// What does not work here is a failed test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod blocking;
mod copies;
mod crash;
mod direct;
mod doors;
mod false_doors;
mod files;
mod files_abused;
mod files_judged;
mod files_waiting;
mod forgery;
mod forks;
mod full;
mod gaps;
mod groups;
mod here;
mod history;
mod knocks;
mod large;
mod liars;
mod observed;
mod people;
mod put_back;
mod receipts;
mod requests;
mod storm;
mod tampering;
mod two;
mod typing;
mod unsure;
