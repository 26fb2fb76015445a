//! What is told of each transfer in words of the caller's own: the format of `-w`.

use clap::Args as Group;

use crate::text::file;

#[derive(Debug, Clone, Group)]
#[command(next_help_heading = "Output")]
pub(crate) struct WriteOutArgs {
    /// Write FORMAT to standard output after each transfer, with %{variables}; docs/cli.md has them.
    /// @FILE reads it from FILE, without its line ends
    #[arg(short, long, value_name = "FORMAT", allow_hyphen_values = true)]
    pub(crate) write_out: Option<String>,
}

impl WriteOutArgs {
    /// The format, of which `@` names the file.
    pub(crate) fn format(self) -> Result<Option<String>, String> {
        let Some(format) = self.write_out else { return Ok(None) };
        let Some(path) = format.strip_prefix('@') else { return Ok(Some(format)) };
        let text = file::read_to_string(path);
        // as curl has it: lines are for whoever edits the file, and \n ends one of the output
        text.map(|text| Some(text.replace(['\r', '\n'], "")))
            .map_err(|error| format!("cannot read -w {path}: {error}"))
    }
}
