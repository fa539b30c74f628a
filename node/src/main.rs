//! The `hubbub` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    hubbub_node::cli::main()
}
