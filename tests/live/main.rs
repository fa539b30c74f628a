//! Real nodes and a real hub in one process, over loopback: sockets, TLS, disks and all.

mod refusals;
mod stage;
mod two_nodes;
