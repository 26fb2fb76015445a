//! How a request is written: its version, its target, and which URLs there may be one for.
//!
//! Knows `-0`, `--http1.1`, `--http2`, `--http2-prior-knowledge`, `--path-as-is`, `--request-target`, `--proto`, `--proto-default`. Must not know the other URLs of a run.

use std::borrow::Cow;
use std::str::FromStr;

use clap::Args as Group;
use ringdove::protocol::{Scheme, Version};
use ringdove::{HttpVersions, Request, RequestError};

use crate::text::guess::default_scheme;
use crate::text::percent::encoded;

#[derive(Debug, Clone, Group)]
#[command(next_help_heading = "How requests are written")]
pub(crate) struct TargetArgs {
    /// Use HTTP/1.0
    #[arg(short = '0', long = "http1.0", overrides_with_all = VERSIONS)]
    pub(crate) http1_0: bool,

    /// Use HTTP/1.1
    #[arg(long = "http1.1", overrides_with_all = VERSIONS)]
    pub(crate) http1_1: bool,

    /// Use HTTP/2 with https where the server agrees to it (the default); http:// URLs get HTTP/1.1
    #[arg(long = "http2", overrides_with_all = VERSIONS)]
    pub(crate) http2: bool,

    /// Use HTTP/2 without asking, with http too: the server is known to speak it
    #[arg(long = "http2-prior-knowledge", overrides_with_all = VERSIONS)]
    pub(crate) http2_prior_knowledge: bool,

    /// Take URLs as they are, with their braces and brackets: otherwise {a,b}, [1-100], [001-100:5] and
    /// [a-z] in URLs of the command line stand for several, and #1 in -o for what the first stands for
    #[arg(short = 'g', long)]
    pub(crate) globoff: bool,

    /// Send . and .. segments of a URL's path as they are
    #[arg(long)]
    pub(crate) path_as_is: bool,

    /// Ask for TARGET instead of the URL's path and query
    #[arg(long, value_name = "TARGET", conflicts_with = "path_as_is")]
    pub(crate) request_target: Option<String>,

    /// Schemes that URLs and redirects may have: all, http, https, by commas, each after + to allow it,
    /// - to forbid it, or = to allow only it
    #[arg(
        long,
        value_name = "SCHEMES",
        default_value = "=http,https",
        hide_default_value = true,
        allow_hyphen_values = true
    )]
    pub(crate) proto: Schemes,

    /// The scheme of URLs that have none: http or https (default: http)
    #[arg(long, value_name = "SCHEME", value_parser = default_scheme)]
    pub(crate) proto_default: Option<Scheme>,

    /// Accepted for curl's sake: nothing is configured but by options
    #[arg(long, hide = true)]
    pub(crate) disable: bool,
}

/// Of these the last one counts.
const VERSIONS: [&str; 4] = ["http1_0", "http1_1", "http2", "http2_prior_knowledge"];

/// The schemes that may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Schemes {
    http: bool,
    https: bool,
}

impl TargetArgs {
    /// Which versions of HTTP are spoken.
    pub(crate) fn versions(&self) -> HttpVersions {
        if self.http2_prior_knowledge {
            HttpVersions::Http2
        } else if self.http1_0 || self.http1_1 {
            HttpVersions::Http1
        } else {
            HttpVersions::Negotiated
        }
    }

    /// Has `request`, which is one for `url` as it was given, be written as asked.
    pub(crate) fn apply(&self, mut request: Request, given: &str) -> Result<Request, RequestError> {
        if self.http1_0 {
            request = request.version(Version::Http10);
        }
        let target = match &self.request_target {
            Some(target) => Some(Cow::Borrowed(target.as_str())),
            None if self.path_as_is => raw_target(given, request.head().target()).map(Cow::Owned),
            None => None,
        };
        match target {
            Some(target) => request.target(&target),
            None => Ok(request),
        }
    }
}

impl Schemes {
    /// What is wrong with a scheme.
    pub(crate) fn refuse(self, scheme: Scheme) -> Option<String> {
        let (name, allowed) = match scheme {
            Scheme::Http => ("http", self.http),
            Scheme::Https => ("https", self.https),
        };
        (!allowed).then(|| format!("--proto does not allow {name}"))
    }
}

impl FromStr for Schemes {
    type Err = String;

    /// curl's syntax, from left to right, beginning with all. Schemes that curl knows and that are not
    /// fetched here change nothing.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut schemes = Schemes { http: true, https: true };
        for word in text.split(',').filter(|word| !word.is_empty()) {
            let (sign, name) = match word.split_at_checked(1) {
                Some((sign @ ("+" | "-" | "="), name)) => (sign, name),
                _ => ("+", word),
            };
            if !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) || name.is_empty() {
                return Err(format!("{word:?} is no scheme"));
            }
            if sign == "=" {
                schemes = Schemes { http: false, https: false };
            }
            let allowed = sign != "-";
            let named =
                |scheme| name.eq_ignore_ascii_case("all") || name.eq_ignore_ascii_case(scheme);
            if named("http") {
                schemes.http = allowed;
            }
            if named("https") {
                schemes.https = allowed;
            }
        }
        match schemes {
            Schemes { http: false, https: false } => {
                Err("that leaves neither http nor https".into())
            }
            schemes => Ok(schemes),
        }
    }
}

/// The path of a URL as it was given, with the query that its target has; `None` where that path is
/// the target's already.
fn raw_target(given: &str, target: &str) -> Option<String> {
    let (_, after_scheme) = given.split_once("://")?;
    let path = &after_scheme[after_scheme.find(['/', '?', '#'])?..];
    let path = &path[..path.find(['?', '#']).unwrap_or(path.len())];
    if !path.starts_with('/') {
        return None;
    }
    let path = encoded(path.as_bytes(), |byte| byte.is_ascii_graphic());
    let query = target.find('?').map_or("", |at| &target[at..]);
    Some(path + query)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes() {
        let table = [
            ("=https", (false, true)),
            ("-all,https", (false, true)),
            ("-http", (false, true)),
            ("=http,ftp", (true, false)),
            ("all", (true, true)),
            ("=ftp,+http", (true, false)),
            ("=http,=HTTPS", (false, true)),
        ];
        for (text, (http, https)) in table {
            assert_eq!(text.parse(), Ok(Schemes { http, https }), "{text}");
        }
        for text in ["-all", "=ftp", "+", "h ttp", "=-http"] {
            assert!(text.parse::<Schemes>().is_err(), "{text}");
        }
    }

    #[test]
    fn raw_targets() {
        let table = [
            ("http://a/b/../c?d#e", "/c?d", Some("/b/../c?d")),
            ("http://a/./ é", "/%20%C3%A9", Some("/./%20%C3%A9")),
            ("http://a", "/", None),
            ("http://a?q", "/?q", None),
            ("http://a#/../", "/", None),
            ("http:a/../b", "/b", None),
        ];
        for (given, target, want) in table {
            assert_eq!(raw_target(given, target).as_deref(), want, "{given}");
        }
    }
}
