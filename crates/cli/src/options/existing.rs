//! What becomes of files that are there already: `--no-clobber`, `--skip-existing`, `--remove-on-error`.
//!
//! Knows the options. Must not know bytes.

use clap::Args as Group;

use crate::files::aside::Clobber;

#[derive(Debug, Clone, Copy, Group)]
#[command(next_help_heading = "Output")]
pub(crate) struct ExistingArgs {
    /// Replace no file that is there: the new one's name gets a dot and a number behind it, up to 100
    #[arg(long, overrides_with = "clobber", conflicts_with = "continue_at")]
    no_clobber: bool,

    /// Replace files that are there (the default), with -J as well
    #[arg(long, overrides_with = "no_clobber")]
    clobber: bool,

    /// Ask for nothing whose file is there already, whatever is in it
    #[arg(long, overrides_with = "no_skip_existing")]
    pub(crate) skip_existing: bool,

    #[arg(long, hide = true, overrides_with = "skip_existing")]
    no_skip_existing: bool,

    /// Keep no file of a transfer that failed: with --fail-with-body there is none either
    #[arg(long, overrides_with = "no_remove_on_error", conflicts_with = "continue_at")]
    pub(crate) remove_on_error: bool,

    #[arg(long, hide = true, overrides_with = "remove_on_error")]
    no_remove_on_error: bool,
}

impl ExistingArgs {
    pub(crate) fn clobber(self) -> Clobber {
        match (self.no_clobber, self.clobber) {
            (true, _) => Clobber::Never,
            (false, true) => Clobber::Always,
            (false, false) => Clobber::Given,
        }
    }
}
