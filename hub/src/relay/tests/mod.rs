//! The relay from outside: given this input at this time, exactly these commands in this order.

mod abuse;
mod access;
mod appending;
mod beacons;
mod channels;
mod delivery;
mod nicknames;
mod prekeys;
mod probe;
mod streams;
mod world;
