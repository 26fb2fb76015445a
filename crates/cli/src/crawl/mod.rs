//! `ringdove crawl` and `ringdove warc`: the crawler as a command.
//!
//! Knows words, folders and the terminal. Must not know how a crawl is made: that is `ringdove-crawl`'s.

mod options;
mod run;
mod warc;
mod watch;

pub(crate) use options::CrawlArgs;
pub(crate) use run::run;
pub(crate) use warc::{WarcArgs, run as run_warc};
