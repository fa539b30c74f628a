//! The bytes of version 1 between nodes and a real hub.

#[cfg(test)]
mod hub_link;
