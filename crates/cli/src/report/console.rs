//! What a person reads: standard error, or what stands for it, and the progress bar if that is a terminal.
//!
//! Knows the terminal. Must not know what is told. Invariants: nothing that a peer sent reaches the
//! terminal as a control character; standard error that is closed is no error.

use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressState, ProgressStyle};

use super::tally::Tally;
use crate::files::place::create;

/// Standard error, or what stands for it.
pub(crate) struct Console {
    place: Place,
    quiet: bool,
    bar: Option<ProgressBar>,
}

/// Where it is told.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    StandardError,
    StandardOutput,
    File(Arc<File>),
}

impl Place {
    /// What `--stderr` names.
    pub(crate) fn open(path: Option<&Path>) -> Result<Place, String> {
        match path {
            None => Ok(Place::StandardError),
            Some(path) if path == Path::new("-") => Ok(Place::StandardOutput),
            Some(path) => match create(path) {
                Ok(file) => Ok(Place::File(Arc::new(file))),
                Err(error) => Err(format!("cannot write --stderr {}: {error}", path.display())),
            },
        }
    }

    fn is_terminal(&self) -> bool {
        matches!(self, Place::StandardError) && io::stderr().is_terminal()
    }

    fn tell(&self, text: &str) {
        // there is nobody to tell that it could not be told
        _ = match self {
            Place::StandardError => io::stderr().write_all(text.as_bytes()),
            Place::StandardOutput => io::stdout().write_all(text.as_bytes()),
            Place::File(file) => (&**file).write_all(text.as_bytes()),
        };
    }
}

impl Console {
    /// `progress`: show it, if there is a terminal, towards a total that may be unknown.
    pub(crate) fn new(place: Place, quiet: bool, progress: Option<Option<u64>>) -> Console {
        let progress = progress.filter(|_| place.is_terminal());
        Console { place, quiet, bar: progress.map(progress_bar) }
    }

    pub(crate) fn progress(&self, tally: &Tally) {
        if let Some(bar) = &self.bar {
            let (done, failed) = (tally.done(), tally.failed());
            bar.set_position(done + failed + tally.skipped());
            let bytes = HumanBytes(tally.body_bytes());
            bar.set_message(format!("{} failed  {bytes}", HumanCount(failed)));
        }
    }

    pub(crate) fn end_progress(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Says something in any case, in a line.
    pub(crate) fn say(&self, text: &str) {
        self.write(&format!("{text}\n"));
    }

    /// Says something as it is.
    pub(crate) fn write(&self, text: &str) {
        if text.is_empty() {
            return;
        }
        let print = || self.place.tell(text);
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// Names what failed, in one line.
    pub(crate) fn fail(&self, text: &str) {
        self.say(&format!("ringdove: {}", printable(text.as_bytes())));
    }

    /// Says something that goes on regardless.
    pub(crate) fn warn(&self, text: &str) {
        if !self.quiet {
            self.say(&format!("ringdove: warning: {text}"));
        }
    }
}

fn progress_bar(total: Option<u64>) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => (ProgressBar::new(total), "{bar:30} {human_pos}/{human_len}"),
        None => (ProgressBar::new_spinner(), "{spinner} {human_pos}"),
    };
    let template = format!("{template}  {{msg}}  {{rate}}  {{elapsed}}");
    let style = ProgressStyle::with_template(&template).expect("a valid template");
    bar.set_style(style.with_key("rate", |state: &ProgressState, to: &mut dyn fmt::Write| {
        // a terminal that takes no more is not ours to mend
        _ = write!(to, "{:.0}/s", state.per_sec());
    }));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Bytes of a peer's, fit for a terminal.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for char in String::from_utf8_lossy(bytes).chars() {
        match char.is_control() {
            true => text.extend(char.escape_default()),
            false => text.push(char),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let text = printable("a\"é\u{1b}[2J\r\u{9b}\u{0}".as_bytes());
        assert_eq!(text, "a\"é\\u{1b}[2J\\r\\u{9b}\\u{0}");
    }
}
