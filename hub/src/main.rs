//! `hubbub-hub`: reads the command line and hands over to `cli`. Results go to stdout, everything
//! else to stderr.

mod args;
mod cli;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

#[tokio::main]
async fn main() -> ExitCode {
    match cli::run(args::Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // With stderr gone there is nowhere left to say it.
            writeln!(std::io::stderr(), "hubbub-hub: {failure}").ok();
            ExitCode::from(failure.exit_code())
        }
    }
}
