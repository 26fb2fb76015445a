//! Heads that are written: before bodies (`--include`), and by themselves (`-D`).
//!
//! Knows the options. Must not know what a head says.

use std::path::PathBuf;

use clap::Args as Group;

use crate::files::stream::{SharedStream, Stream};

#[derive(Debug, Clone, Group)]
#[command(next_help_heading = "Output")]
pub(crate) struct HeadArgs {
    /// Write heads where the bodies go, each before its body (curl's -i)
    #[arg(long, conflicts_with = "jsonl")]
    pub(crate) include: bool,

    /// Write heads to FILE (- for standard output), those of redirects and challenges included
    #[arg(short = 'D', long, value_name = "FILE")]
    pub(crate) dump_header: Option<PathBuf>,
}

impl HeadArgs {
    /// Where `-D` has heads go.
    pub(crate) fn dump(&self, create_dirs: bool) -> Result<Option<SharedStream>, String> {
        self.dump_header.as_deref().map(|path| Stream::create(path, create_dirs)).transpose()
    }
}
