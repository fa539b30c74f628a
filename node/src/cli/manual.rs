//! What the program says about itself: manual page, completions, exit codes.

use clap::CommandFactory;

use super::args::Typed;
use super::out::{Done, Out};
use crate::api::{ApiError, Code};

/// `hubbub completions`.
pub(super) fn completions(shell: clap_complete::Shell, out: &mut Out) -> Done {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Typed::command(), "hubbub", &mut script);
    text(script, out)
}

/// `hubbub man`.
pub(super) fn page(out: &mut Out) -> Done {
    let mut page = Vec::new();
    clap_mangen::Man::new(Typed::command()).render(&mut page)?;
    text(page, out)
}

/// `hubbub exit-codes`, the same as `hubbub help exit-codes`.
pub(super) fn exit_codes(out: &mut Out) -> Done {
    out.line(super::args::EXIT_CODES)
}

fn text(bytes: Vec<u8>, out: &mut Out) -> Done {
    let text = String::from_utf8(bytes)
        .map_err(|_| ApiError::new(Code::Internal, "the manual is no text", "report this"))?;
    out.line(text.trim_end())
}
