//! How fast a transfer may be, and how slow.
//!
//! Knows curl's words for it.

use clap::Args as Group;
use ringdove::{LowSpeed, Options};

use super::values::{Seconds, Size};

/// Seconds over which -Y measures, unless -y says.
const OVER: std::time::Duration = std::time::Duration::from_secs(30);

#[derive(Debug, Group)]
#[command(next_help_heading = "Speed")]
pub(crate) struct SpeedArgs {
    /// Let each transfer move so many bytes per second at most, both directions together, with k, M, G
    /// for units of 1024
    #[arg(long, value_name = "SPEED")]
    pub(crate) limit_rate: Option<Size>,

    /// Fail a transfer that is slower than -Y for so long; 30 unless given
    #[arg(short = 'y', long, value_name = "SECONDS")]
    pub(crate) speed_time: Option<Seconds>,

    /// Fail a transfer that is slower than so many bytes per second, both directions together, for as
    /// long as -y says; 1 with -y alone
    #[arg(short = 'Y', long, value_name = "SPEED")]
    pub(crate) speed_limit: Option<Size>,
}

impl SpeedArgs {
    pub(crate) fn apply(&self, options: &mut Options) {
        options.max_rate = self.limit_rate.map(|rate| rate.0).filter(|rate| *rate > 0);
        options.low_speed = match (self.speed_limit, self.speed_time) {
            (None, None) => None,
            (limit, time) => Some(LowSpeed {
                bytes_per_second: limit.map_or(1, |limit| limit.0),
                over: time.map_or(OVER, |time| time.0),
            }),
        };
    }
}
