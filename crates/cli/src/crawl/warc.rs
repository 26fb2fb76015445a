//! `ringdove warc`: WARC files, broken ones told from good ones; an index of them; all in one file.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::{Args as Group, Subcommand};
use ringdove::sys::clock;
use ringdove_crawl::warc::{Packed, WaczConfig, check, index, pack};

use crate::status::{Status, print};

/// Look into WARC files.
#[derive(Debug, Group)]
pub(crate) struct WarcArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Tell broken files from good ones: records, gzip members, digests, heads that are not true of their bodies
    Check {
        /// The files
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },
    /// Write an index (CDXJ, sorted), by which a replay finds what there is
    Index {
        /// Write it here, and not to standard output
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,

        /// The files
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },
    /// Pack files, an index of them and a list of their pages into one file (WACZ)
    Wacz {
        /// What is made, and is not there yet
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,

        /// What is in it
        #[arg(long, value_name = "TEXT")]
        title: Option<String>,

        /// The files
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },
}

pub(crate) fn run(args: &WarcArgs) -> Status {
    match &args.action {
        Action::Check { files } => run_check(files),
        Action::Index { output, files } => {
            ended("index", write_index(output.as_deref(), files).map(|()| Status::Done))
        }
        Action::Wacz { output, title, files } => {
            ended("wacz", write_package(output, title.clone(), files))
        }
    }
}

fn ended(what: &str, result: io::Result<Status>) -> Status {
    result.unwrap_or_else(|error| {
        eprintln!("ringdove warc {what}: {error}");
        Status::SomeFailed
    })
}

fn write_index(output: Option<&Path>, files: &[PathBuf]) -> io::Result<()> {
    let mut out: Box<dyn io::Write> = match output {
        Some(path) => Box::new(File::create(path).map_err(|error| named(path, &error))?),
        None => Box::new(io::stdout()),
    };
    let mut out = BufWriter::new(&mut out);
    index(files, &mut out)?;
    out.flush()
}

fn write_package(output: &Path, title: Option<String>, files: &[PathBuf]) -> io::Result<Status> {
    let micros = u64::try_from(clock::unix_micros()).unwrap_or(0);
    let config = WaczConfig {
        title,
        software: format!("ringdove/{}", env!("CARGO_PKG_VERSION")),
        created: SystemTime::UNIX_EPOCH + Duration::from_micros(micros),
    };
    let packed = pack(files, output, &config).map_err(|error| named(output, &error))?;
    let Packed { records, pages } = packed;
    let text = format!("{}: {records} records, {pages} pages\n", output.display());
    Ok(print(text.as_bytes()))
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn run_check(files: &[PathBuf]) -> Status {
    let (mut text, mut all_good) = (String::new(), true);
    for path in files {
        let name = path.display();
        match check(path) {
            Ok(checked) => {
                all_good &= checked.is_good();
                for fault in &checked.faults {
                    text.push_str(&format!("{name}: {fault}\n"));
                }
                let verdict = if checked.is_good() { "good" } else { "BROKEN" };
                text.push_str(&format!("{name}: {} records: {verdict}", checked.records));
                if checked.uncompared > 0 {
                    text.push_str(&format!(
                        " ({} digests of other algorithms were not compared)",
                        checked.uncompared
                    ));
                }
                text.push('\n');
            }
            Err(error) => {
                all_good = false;
                text.push_str(&format!("{name}: cannot be read: {error}\n"));
            }
        }
    }
    match print(text.as_bytes()) {
        Status::Done if !all_good => Status::SomeFailed,
        status => status,
    }
}
