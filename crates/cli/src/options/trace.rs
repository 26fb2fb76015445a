//! What goes over connections, dumped: `--trace`, `--trace-ascii`, `--trace-time`, `--trace-ids`.

use std::path::PathBuf;

use clap::Args as Group;

#[derive(Debug, Clone, Group)]
#[command(next_help_heading = "What is told")]
pub(crate) struct TraceArgs {
    /// Write to FILE what is sent and received, heads with all credentials and bodies, in hexadecimal and as text
    /// (- for standard output, % for standard error)
    #[arg(long, value_name = "FILE", overrides_with = "trace_ascii")]
    pub(crate) trace: Option<PathBuf>,

    /// The same as text alone
    #[arg(long, value_name = "FILE", overrides_with = "trace")]
    pub(crate) trace_ascii: Option<PathBuf>,

    /// With --trace and --trace-ascii: the time of each entry, in UTC
    #[arg(long)]
    pub(crate) trace_time: bool,

    /// With --trace and --trace-ascii: the number of the transfer of each entry
    #[arg(long)]
    pub(crate) trace_ids: bool,
}
