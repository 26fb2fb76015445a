//! `ringdove warc check`: WARC files, broken ones told from good ones.

use std::path::PathBuf;

use clap::{Args as Group, Subcommand};
use ringdove_crawl::warc::check;

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
}

pub(crate) fn run(args: &WarcArgs) -> Status {
    let Action::Check { files } = &args.action;
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
