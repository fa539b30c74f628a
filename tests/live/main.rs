//! Real nodes and real hubs, over loopback, with sockets, TLS, disks and all. `stage` and what uses
//! it runs them in this process; the others run the programs themselves, and terminals.

// A claim that does not hold is a failed test.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
// The long runs report figures.
#![allow(clippy::print_stdout)]

mod backup;
mod canary;
mod catch_up;
mod chaos;
mod commands;
mod damage;
mod errors;
mod faults;
mod file_chaos;
mod files;
mod full_logs;
mod history;
mod hub_files;
mod local_socket;
mod newcomer;
mod operator;
mod people;
mod piped;
mod profiles;
mod pty;
mod refusals;
mod restart;
mod slow_reader;
mod stage;
mod stalled_streams;
mod ten;
mod two_nodes;
mod ways_in;
mod writers;
