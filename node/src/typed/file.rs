//! Options that go with a file, wherever they are typed.

use std::path::PathBuf;

use clap::Args;

use crate::api::SendFile;
use crate::api::command::Target;

/// How a file is offered.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct Offered {
    /// Words to go with it
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub caption: String,
    /// What to call it there
    #[arg(long)]
    pub name: Option<String>,
    /// No small picture of it
    #[arg(long)]
    pub no_preview: bool,
    /// Leave out what stands beside the pixels of a JPEG, a PNG or (with ffmpeg) a video: place,
    /// time, camera, words, subtitles
    #[arg(long)]
    pub strip: bool,
}

impl Offered {
    /// The file at `path`, offered there like this.
    #[must_use]
    pub fn send(self, to: Target, path: String) -> SendFile {
        let Self { caption, name, no_preview, strip } = self;
        SendFile { to, path, caption, name, no_preview, strip }
    }
}

/// Where a file lands.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct Landing {
    /// Into this folder
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
}
