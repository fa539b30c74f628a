//! Whole chats in a pretend world: the shipped relay and the shipped engines, no network, no clock.

mod crash;
mod forgery;
mod groups;
mod liars;
mod tampering;
mod two;
