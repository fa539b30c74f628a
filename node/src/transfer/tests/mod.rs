//! Transfers between people in one process: real disks and a real runtime, pipes for streams.

mod copies;
mod dropping;
mod fetching;
#[cfg(unix)]
mod folders;
mod person;
mod resuming;
#[cfg(unix)]
mod rooms;
mod serving;
