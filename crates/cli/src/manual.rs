//! Manual pages for man(1), of what is parsed, so that no option is missing: one of the command, and one of each
//! subcommand.
//!
//! Knows the command line as a whole. Must not know what any option means.

use clap::Args as Group;
use clap_mangen::Man;

use crate::status::{Status, print};

/// Write a manual page to standard output, in roff.
///
/// `ringdove man` has the command as a whole, `ringdove man fetch` that subcommand. `ringdove man fetch | man -l -` shows
/// it, and files of the names ringdove.1 and ringdove-fetch.1 in a directory `man1` of the search path of man(1) are found.
#[derive(Debug, Group)]
pub(crate) struct ManArgs {
    /// The subcommand whose page is wanted, instead of the page of the whole
    #[arg(value_name = "SUBCOMMAND")]
    subcommand: Option<String>,
}

pub(crate) fn run(args: &ManArgs, command: clap::Command) -> Status {
    match page(command, args.subcommand.as_deref()) {
        Ok(page) => print(&page),
        Err(reason) => {
            eprintln!("ringdove man: {reason}");
            Status::Usage
        }
    }
}

/// The page of this subcommand, or of the whole command.
fn page(command: clap::Command, subcommand: Option<&str>) -> Result<Vec<u8>, String> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let of = match subcommand {
        None => &command,
        Some(name) => command.find_subcommand(name).ok_or_else(|| {
            let names: Vec<_> = command.get_subcommands().map(clap::Command::get_name).collect();
            format!("there is no subcommand '{name}': {}", names.join(", "))
        })?,
    };
    let source = format!("ringdove {}", env!("CARGO_PKG_VERSION"));
    let mut page = Vec::new();
    Man::new(of.clone()).source(source).render(&mut page).expect("a vector takes all");
    Ok(page)
}
