//! Completions for shells, of what is parsed, so that no option is missing.
//!
//! Knows the command line as a whole. Must not know what any option means.

use clap::{Args as Group, ValueEnum};

use crate::status::{Status, print};

/// Write what completes this command's words in a shell to standard output.
///
/// In bash: source <(ringdove completions bash). In fish: ringdove completions fish | source. For zsh: a file of the name
/// _ringdove in a directory of fpath.
#[derive(Debug, Group)]
pub(crate) struct CompletionArgs {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Those in which it was tried.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Fish,
    Zsh,
}

pub(crate) fn run(args: &CompletionArgs, mut command: clap::Command) -> Status {
    let shell = match args.shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Fish => clap_complete::Shell::Fish,
        Shell::Zsh => clap_complete::Shell::Zsh,
    };
    // into memory, since it takes no failure to write for an answer
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "ringdove", &mut script);
    print(&script)
}
