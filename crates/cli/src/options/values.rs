//! Values of options: from their text to what they say, or why they cannot.
//!
//! Knows each value by itself. The message of each error completes "invalid value 'x' for --y: …".

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ringdove::driver::{Kind, UnknownKind};
use ringdove::limits::REDIRECTS;
use ringdove::protocol::{Host, Origin, take_zone};
use ringdove::{Request, RequestError};
use url::Url;

use crate::text::zones;

/// A time in seconds, more than none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Seconds(pub(crate) Duration);

/// A bound in seconds; none where it is 0, as to curl.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Limit(pub(crate) Option<Duration>);

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

/// How many redirects may be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MaxRedirects(pub(crate) u32);

/// A request method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Method(pub(crate) http::Method);

/// A field line, or the wish to leave one out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: String,
    /// `None`: not to be sent.
    pub(crate) value: Option<String>,
}

/// Which driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DriverChoice {
    /// The best there is.
    Auto,
    /// This one.
    Only(Kind),
}

/// What -c was given: ringdove's own option and curl's have the same letter, and never the same value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CountOrJar {
    /// So many connections.
    Count(usize),
    /// A file for cookies.
    Jar(PathBuf),
}

impl FromStr for CountOrJar {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(0) => Err("must be at least 1"),
            Ok(count) => Ok(CountOrJar::Count(count)),
            Err(_) => Ok(CountOrJar::Jar(text.into())),
        }
    }
}

impl FromStr for Seconds {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let seconds: f64 = text.parse().map_err(|_| "not a number of seconds")?;
        match Duration::try_from_secs_f64(seconds) {
            Ok(duration) if !duration.is_zero() => Ok(Seconds(duration)),
            Err(_) if seconds > 0.0 => Err("too long"),
            Ok(_) | Err(_) => Err("must be more than 0"),
        }
    }
}

impl FromStr for Limit {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse::<f64>() {
            Ok(0.0) => Ok(Limit(None)),
            _ => text.parse().map(|Seconds(duration)| Limit(Some(duration))),
        }
    }
}

impl FromStr for Size {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (digits, unit) = match text.char_indices().last() {
            Some((at, 'k' | 'K')) => (&text[..at], 1 << 10),
            Some((at, 'M')) => (&text[..at], 1 << 20),
            Some((at, 'G')) => (&text[..at], 1 << 30),
            _ => (text, 1),
        };
        let number: u64 = digits.parse().map_err(|_| "not a number of bytes, as 500, 64k or 2M")?;
        number.checked_mul(unit).map(Size).ok_or("too large")
    }
}

impl FromStr for MaxRedirects {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(-1) => Ok(MaxRedirects(REDIRECTS)),
            Ok(number @ 0..) => {
                Ok(MaxRedirects(u32::try_from(number).map_or(REDIRECTS, |n| n.min(REDIRECTS))))
            }
            Ok(i64::MIN..=-2) | Err(_) => Err("not a number of redirects, nor -1"),
        }
    }
}

impl FromStr for Method {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match http::Method::from_bytes(text.as_bytes()) {
            Ok(http::Method::CONNECT) => Err("CONNECT opens a tunnel, and nothing can be fetched"),
            Ok(method) => Ok(Method(method)),
            Err(_) => Err("not a method (RFC 9110, 9.1)"),
        }
    }
}

impl FromStr for Field {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let field = match (text.split_once(':'), text.strip_suffix(';')) {
            (Some((name, value)), _) => {
                let value = Some(value.trim()).filter(|value| !value.is_empty());
                Field { name: name.to_owned(), value: value.map(str::to_owned) }
            }
            (None, Some(name)) => Field::new(name, ""),
            (None, None) => return Err("not of the form `Name: value`".to_owned()),
        };
        field.check().map_err(|error| error.to_string())?;
        Ok(field)
    }
}

impl Field {
    pub(crate) fn new(name: &str, value: &str) -> Field {
        Field { name: name.to_owned(), value: Some(value.to_owned()) }
    }

    /// One that says this, or that nothing is to be said of it.
    pub(crate) fn unless_empty(name: &str, value: &str) -> Field {
        Field {
            name: name.to_owned(),
            value: Some(value.to_owned()).filter(|value| !value.is_empty()),
        }
    }

    /// Whether it is the one of this name.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// Whether a request takes it.
    pub(crate) fn check(&self) -> Result<(), RequestError> {
        let value = self.value.as_deref().unwrap_or("a");
        Request::get("http://localhost/")?.field(&self.name, value).map(drop)
    }
}

/// A host, and what follows on the colon after it. The colons of an IPv6 literal are its own.
pub(crate) fn host_and_port(text: &str) -> Option<(&str, &str)> {
    let host_end = if text.starts_with('[') { text.find(']')? } else { 0 };
    let colon = host_end + text[host_end..].find(':')?;
    Some((&text[..colon], &text[colon + 1..]))
}

/// A host as in a URL.
pub(crate) fn parse_host(text: &str) -> Result<Host, String> {
    let bad = |why: &dyn fmt::Display| format!("{text:?} is not a host: {why}");
    if text.contains(|char: char| "@/?#\\*".contains(char) || char.is_whitespace()) {
        return Err(bad(&"a character that no host has"));
    }
    let text = zones::numbered(text).map_err(|why| bad(&why))?;
    let (bare, scope) = take_zone(&text).map_err(|why| bad(&why))?;
    let url = Url::parse(&format!("http://{bare}/")).map_err(|why| bad(&why))?;
    let origin = Origin::from_url(&url).map_err(|why| bad(&why))?.with_scope(scope);
    Ok(origin.host().clone())
}

impl FromStr for DriverChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "auto" {
            return Ok(DriverChoice::Auto);
        }
        match text.parse() {
            Ok(kind) => Ok(DriverChoice::Only(kind)),
            Err(UnknownKind) => Err(format!("no driver '{text}' here: {UnknownKind}; or auto")),
        }
    }
}

impl fmt::Display for DriverChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DriverChoice::Auto => f.write_str("auto"),
            DriverChoice::Only(kind) => f.write_str(kind.name()),
        }
    }
}

pub(crate) fn whole_number(text: &str) -> Result<u32, &'static str> {
    text.parse().map_err(|_| "not a whole number")
}

pub(crate) fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("not a whole number from 1 on".to_owned()),
        Ok(number) => Ok(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds() {
        let good = [("1", 1000), ("0.25", 250), ("120", 120_000)];
        for (text, millis) in good {
            assert_eq!(text.parse(), Ok(Seconds(Duration::from_millis(millis))), "{text}");
        }
        for text in ["", "x", "0", "-1", "NaN", "inf", "1e300", "1s"] {
            assert!(text.parse::<Seconds>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_bound_of_nothing_is_none() {
        assert_eq!("0".parse(), Ok(Limit(None)));
        assert_eq!("0.0".parse(), Ok(Limit(None)));
        assert_eq!("0.5".parse(), Ok(Limit(Some(Duration::from_millis(500)))));
        for text in ["", "x", "-1", "NaN"] {
            assert!(text.parse::<Limit>().is_err(), "{text}");
        }
    }

    #[test]
    fn sizes() {
        let good = [("0", 0), ("500", 500), ("64k", 65_536), ("2M", 2 << 20), ("1G", 1 << 30)];
        for (text, bytes) in good {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        for text in ["", "k", "-1", "1.5", "3T", "99999999999999G", "1é"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_of_redirects() {
        let good = [("0", 0), ("50", 50), ("1000", 1000), ("-1", 1000), ("9999999999", 1000)];
        for (text, number) in good {
            assert_eq!(text.parse(), Ok(MaxRedirects(number)), "{text}");
        }
        for text in ["", "-2", "1.5", "many", "99999999999999999999"] {
            assert!(text.parse::<MaxRedirects>().is_err(), "{text}");
        }
    }

    #[test]
    fn fields() {
        assert_eq!("Accept: text/html".parse(), Ok(Field::new("Accept", "text/html")));
        assert_eq!("A:b:c".parse(), Ok(Field::new("A", "b:c")));
        assert_eq!("Accept:".parse(), Ok(Field { name: "Accept".into(), value: None }));
        let bad = ["", "Accept", ": x", "A B: x", "A: x\r\nB: y", "Content-Length: 3", "Host: a b"];
        for text in bad {
            assert!(text.parse::<Field>().is_err(), "{text}");
        }
    }

    #[test]
    fn drivers() {
        for kind in Kind::ALL {
            assert_eq!(kind.name().parse(), Ok(DriverChoice::Only(kind)));
        }
        assert_eq!("auto".parse(), Ok(DriverChoice::Auto));
        let error = "kqueue".parse::<DriverChoice>().expect_err("not here");
        assert!(
            error == "no driver 'kqueue' here: the drivers are ring, poll and epoll; or auto",
            "{error}"
        );
    }
}
