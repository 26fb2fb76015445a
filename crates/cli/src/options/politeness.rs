//! How gently servers are asked: connections, requests at once, and the time between two, by host, domain
//! and address.
//!
//! Knows the words, and what they come to together.

use std::str::FromStr;
use std::time::Duration;

use clap::Args as Group;
use ringdove::{Allowance, Config, Politeness};

use super::speed::Rate;
use super::values::at_least_one;

#[derive(Debug, Clone, Default, Group)]
#[command(next_help_heading = "Politeness")]
pub(crate) struct PolitenessArgs {
    /// Connections at once to one host, whatever the scheme and port (default: no limit)
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) max_host_connections: Option<usize>,

    /// Connections at once to one IP address, whatever the names that lead there (default: no limit)
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) max_address_connections: Option<usize>,

    /// Begin at most this many requests per second to one scheme, host and port, evenly; with /m, /h or /d
    /// per minute, hour or day
    #[arg(long, value_name = "N[/UNIT]")]
    pub(crate) rate_per_host: Option<Rate>,

    /// Least time between the beginnings of two requests to one host: seconds, or with a unit, as 100ms,
    /// 2s, 1m or 1h
    #[arg(long, value_name = "TIME")]
    pub(crate) delay_per_host: Option<Delay>,

    /// The same to all hosts of one registrable domain
    #[arg(long, value_name = "TIME")]
    pub(crate) delay_per_domain: Option<Delay>,

    /// The same to one IP address
    #[arg(long, value_name = "TIME")]
    pub(crate) delay_per_address: Option<Delay>,

    /// Requests at once to one host
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) concurrency_per_host: Option<usize>,

    /// Requests at once to all hosts of one registrable domain
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) concurrency_per_domain: Option<usize>,

    /// Requests at once to one IP address
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) concurrency_per_address: Option<usize>,
}

/// A time between two requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delay(pub(crate) Duration);

impl FromStr for Delay {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = match &text[digits.len()..] {
            "ms" => 1e-3,
            "" | "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err("the unit must be one of ms, s, m and h"),
        };
        let number: f64 = digits.parse().map_err(|_| "not a time, as 2, 0.5, 100ms or 1m")?;
        match Duration::try_from_secs_f64(number * unit) {
            Ok(delay) if !delay.is_zero() => Ok(Delay(delay)),
            Err(_) if number > 0.0 => Err("too long"),
            Ok(_) | Err(_) => Err("must be more than 0"),
        }
    }
}

impl PolitenessArgs {
    /// Whether hosts may hold up their own requests, so that others have to be at hand.
    pub(crate) fn holds_up(&self) -> bool {
        let config = self.apply(Config::default());
        let rules = (config.max_per_host, config.max_per_address, config.politeness);
        rules != (None, None, Politeness::default())
    }

    pub(crate) fn apply(&self, config: Config) -> Config {
        let allowance = |interval: Option<Delay>, concurrency| {
            let interval = interval.map(|delay| delay.0);
            Allowance { interval, concurrency }
        };
        let politeness = Politeness {
            per_origin: allowance(self.rate_per_host.map(|rate| Delay(rate.every)), None),
            per_host: allowance(self.delay_per_host, self.concurrency_per_host),
            per_domain: allowance(self.delay_per_domain, self.concurrency_per_domain),
            per_address: allowance(self.delay_per_address, self.concurrency_per_address),
        };
        Config {
            max_per_host: self.max_host_connections,
            max_per_address: self.max_address_connections,
            politeness,
            ..config
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays() {
        let good = [
            ("1", 1_000),
            ("0.25", 250),
            ("100ms", 100),
            ("2s", 2_000),
            ("1.5m", 90_000),
            ("1h", 3_600_000),
        ];
        for (text, millis) in good {
            assert_eq!(text.parse(), Ok(Delay(Duration::from_millis(millis))), "{text}");
        }
        for text in ["", "0", "0ms", "-1", "ms", "1d", "1 s", "x", "1e400", "nan", "inf", "1sm"] {
            assert!(text.parse::<Delay>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_not_asked_for_is_not_set() {
        assert!(!PolitenessArgs::default().holds_up());
        let args = PolitenessArgs { concurrency_per_domain: Some(2), ..Default::default() };
        assert!(args.holds_up());
        let config = args.apply(Config::default());
        assert_eq!(config.politeness.per_domain.concurrency, Some(2));
        assert_eq!((config.max_per_host, config.politeness.per_host.interval), (None, None));
    }
}
