//! Content codings and sizes on the command line.
//!
//! Knows the words, and what they mean together. Must not know codings.

use clap::Args as Group;
use ringdove::{DecodePolicy, Options, limits};

use super::values::whole_number;
use super::values::{Field, Size};

#[derive(Debug, Clone, Copy, Group)]
#[command(next_help_heading = "Content codings and sizes")]
pub(crate) struct CodingArgs {
    /// Ask for a body coded by gzip, deflate, br or zstd, and decode it. A field of -H
    /// 'Accept-Encoding: …' says otherwise what to ask for
    #[arg(long)]
    pub(crate) compressed: bool,

    /// Neither content codings nor chunks are undone: bodies are written as they are sent
    #[arg(long, conflicts_with = "compressed")]
    pub(crate) raw: bool,

    /// Fail a transfer whose body is larger, as it is sent or decoded: bytes, or with k, M, G for
    /// units of 1024; 0 for any
    #[arg(long, value_name = "SIZE", conflicts_with = "max_body")]
    pub(crate) max_filesize: Option<Size>,

    /// With --compressed: decoded bytes that may come of each one received, once there are more than
    /// 1 MiB; 0 for any number
    #[arg(long, value_name = "N", default_value_t = limits::DECODED_RATIO, requires = "compressed", value_parser = whole_number)]
    pub(crate) max_ratio: u32,

    /// Memory that servers can make all transfers together hold, for decoding and for long heads:
    /// bytes, or with k, M, G; 128M unless given. Transfers that need more wait until others have ended
    #[arg(long, value_name = "SIZE")]
    pub(crate) max_memory: Option<Size>,
}

impl CodingArgs {
    /// In bytes.
    pub(crate) fn memory(&self) -> usize {
        let bytes = |size: Size| usize::try_from(size.0).unwrap_or(usize::MAX);
        self.max_memory.map_or(limits::MEMORY, bytes)
    }

    /// What these say of each transfer.
    pub(crate) fn apply(&self, options: &mut Options) {
        let size = self.max_filesize.map(|size| size.0).filter(|size| *size > 0);
        options.max_body = options.max_body.or(size);
        options.raw = self.raw;
        options.decode = self.compressed.then_some(DecodePolicy {
            max_decoded: size,
            max_ratio: (self.max_ratio > 0).then_some(self.max_ratio),
            ..DecodePolicy::default()
        });
    }
}

/// The default field that asks for coded bodies, beside those that were given: in sight of -v, as all
/// that is sent.
pub(crate) fn accept(given: &[Field]) -> Field {
    let has_range = given.iter().any(|field| field.name.eq_ignore_ascii_case("range"));
    Field::new("Accept-Encoding", if has_range { "identity" } else { DecodePolicy::ACCEPT })
}
