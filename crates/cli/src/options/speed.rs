//! How fast a transfer may be, and how slow.
//!
//! Knows curl's words for it.

use std::str::FromStr;
use std::time::Duration;

use clap::Args as Group;
use ringdove::{LowSpeed, Options};

use super::values::{Limit, Size};

/// Seconds over which -Y measures, unless -y says.
const OVER: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Group)]
#[command(next_help_heading = "Speed")]
pub(crate) struct SpeedArgs {
    /// Let each transfer move this many bytes per second at most, both directions together, with k, M, G
    /// for units of 1024
    #[arg(long, value_name = "SPEED")]
    pub(crate) limit_rate: Option<Size>,

    /// Fail a transfer that is slower than -Y for this long (default: 30; 0: never)
    #[arg(short = 'y', long, value_name = "SECONDS")]
    pub(crate) speed_time: Option<Limit>,

    /// Fail a transfer that is slower than this many bytes per second, both directions together, for as
    /// long as -y says (default with -y: 1)
    #[arg(short = 'Y', long, value_name = "SPEED")]
    pub(crate) speed_limit: Option<Size>,
}

/// How often something may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    /// Between two beginnings.
    pub(crate) every: Duration,
}

impl FromStr for Rate {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, unit) = text.split_once('/').unwrap_or((text, "s"));
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => return Err("the unit must be one of s, m, h and d"),
        };
        let number: u32 = number.parse().map_err(|_| "not a number, as 5, 5/s or 90/m")?;
        let every = Duration::from_secs(seconds).checked_div(number).ok_or("that is never")?;
        Ok(Rate { every })
    }
}

impl SpeedArgs {
    pub(crate) fn apply(&self, options: &mut Options) {
        options.max_rate = self.limit_rate.map(|rate| rate.0).filter(|rate| *rate > 0);
        options.low_speed = match (self.speed_limit, self.speed_time) {
            (None, None) | (_, Some(Limit(None))) => None,
            (limit, time) => Some(LowSpeed {
                bytes_per_second: limit.map_or(1, |limit| limit.0),
                over: time.and_then(|time| time.0).unwrap_or(OVER),
            }),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates() {
        let good = [("1", 1_000), ("4/s", 250), ("120/m", 500), ("3600/h", 1_000), ("1/m", 60_000)];
        for (text, millis) in good {
            assert_eq!(text.parse(), Ok(Rate { every: Duration::from_millis(millis) }), "{text}");
        }
        for text in ["", "0", "x", "1/", "1/w", "-1", "1.5", "/s"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }
}
