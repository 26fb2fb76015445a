//! What HTTP/2 alone has: many requests on a connection, and how urgent each is.
//!
//! Must not know which version a server speaks: by HTTP/1.1 these options change nothing.

use std::str::FromStr;

use clap::Args as Group;
use ringdove::{Config, Options, Priority};

use super::values::at_least_one;

#[derive(Debug, Clone, Group)]
#[command(next_help_heading = "Connections")]
pub(crate) struct Http2Args {
    /// HTTP/2 connections at once to one scheme, host and port, on which requests wait for room, also where that costs time
    /// (default: as many as the other limits allow)
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) http2_connections: Option<usize>,

    /// Say how urgent responses are, to servers of HTTP/2 (RFC 9218): from 0, the most urgent, to 7, with ,i where a response is of
    /// use piece by piece
    #[arg(long, value_name = "URGENCY[,i]")]
    pub(crate) priority: Option<Urgency>,
}

/// How urgent a response is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Urgency(Priority);

impl FromStr for Urgency {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, incremental) = match text.strip_suffix(",i") {
            Some(number) => (number, true),
            None => (text, false),
        };
        let urgency = match number.as_bytes() {
            [digit @ b'0'..=b'7'] => digit - b'0',
            _ => return Err("not an urgency from 0 to 7, as 0 or 5,i"),
        };
        Ok(Urgency(Priority { urgency, incremental }))
    }
}

impl Http2Args {
    /// What is about the whole run.
    pub(crate) fn apply_to_all(&self, config: Config) -> Config {
        Config { http2_connections: self.http2_connections, ..config }
    }

    /// What is about each transfer.
    pub(crate) fn apply(&self, options: &mut Options) {
        options.priority = self.priority.map(|urgency| urgency.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urgencies() {
        for (text, urgency, incremental) in [("0", 0, false), ("7", 7, false), ("3,i", 3, true)] {
            let want = Urgency(Priority { urgency, incremental });
            assert_eq!(text.parse(), Ok(want), "{text}");
        }
        for text in ["", "8", "-1", "10", "i", "1,", "1,x", "1i"] {
            assert!(text.parse::<Urgency>().is_err(), "{text}");
        }
    }
}
