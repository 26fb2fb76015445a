//! One way to write each URL: the URL standard first, then named rules.
//!
//! Knows URLs as text. Must not know what is fetched. Invariants: a rule that is on by default never makes one of two
//! resources that differ by any standard; what is canonical stays what it is when it is made so again.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use url::Url;

/// A rule that makes two ways to write a URL one. (That schemes and hosts are in small letters, that the port of a scheme and dot segments
/// go, and that what no URL has is encoded, is the URL standard's, which comes before.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Fragments go: they are never sent.
    Fragment,
    /// User information goes.
    Login,
    /// What is unreserved is not encoded, and what is encoded is so in capitals (RFC 3986, 6.2.2).
    Percent,
    /// A `?` or `&` with nothing behind it goes from the end.
    EmptyQuery,
    /// The dot goes from the end of a host. Some servers tell the two apart.
    HostDot,
    /// Session ids go: `;jsessionid=…` from the path; `PHPSESSID`, `JSESSIONID`, `ASPSESSIONID…`, `sid`, `sessionid` and `cfid`
    /// with `cftoken` from the query.
    Session,
    /// What tells campaigns and clicks apart goes from the query: `utm_…`, `gclid`, `fbclid`, `msclkid`.
    Tracking,
    /// The parameters of the query are sorted by name, and by value within.
    SortQuery,
}

impl Rule {
    /// All of them, in the order in which they are applied.
    pub const ALL: [Rule; 8] = [
        Rule::Fragment,
        Rule::Login,
        Rule::Percent,
        Rule::HostDot,
        Rule::Session,
        Rule::Tracking,
        Rule::SortQuery,
        Rule::EmptyQuery,
    ];

    /// The name, as on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Rule::Fragment => "fragment",
            Rule::Login => "login",
            Rule::Percent => "percent",
            Rule::EmptyQuery => "empty-query",
            Rule::HostDot => "host-dot",
            Rule::Session => "session",
            Rule::Tracking => "tracking",
            Rule::SortQuery => "sort-query",
        }
    }

    /// Whether it is on unless something else is said: those that can be wrong are not.
    fn is_default(self) -> bool {
        matches!(self, Rule::Fragment | Rule::Login | Rule::Percent | Rule::EmptyQuery)
    }

    fn apply(self, url: &mut Url) {
        match self {
            Rule::Fragment => url.set_fragment(None),
            Rule::Login => {
                // neither fails for http and https, which have hosts
                let _ = url.set_username("");
                let _ = url.set_password(None);
            }
            Rule::Percent => percent(url),
            Rule::EmptyQuery => {
                let query = url.query().map(|query| query.trim_end_matches('&').to_owned());
                url.set_query(query.as_deref().filter(|query| !query.is_empty()));
            }
            Rule::HostDot => {
                let bare =
                    url.host_str().and_then(|host| host.strip_suffix('.')).map(str::to_owned);
                if let Some(bare) = bare {
                    let _ = url.set_host(Some(&bare));
                }
            }
            Rule::Session => {
                path_without_session(url);
                keep_parameters(url, |name| !is_session(name));
            }
            Rule::Tracking => keep_parameters(url, |name| !is_tracking(name)),
            Rule::SortQuery => sort(url),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(name: &str) -> Result<Rule, String> {
        let names = || Rule::ALL.map(Rule::name).join(", ");
        let found = Rule::ALL.into_iter().find(|rule| rule.name() == name);
        found.ok_or_else(|| format!("no rule of URLs; the rules are {}", names()))
    }
}

/// The rules that are on.
///
/// ```
/// use ringdove_crawl::canonical::{Rule, Rules};
///
/// let url = "HTTP://A.example:80/x/../%7ey?b=2&a=1&#top".parse()?;
/// assert_eq!(Rules::default().canonical(&url).as_str(), "http://a.example/~y?b=2&a=1");
/// let rules = Rules::default().with(Rule::SortQuery);
/// assert_eq!(rules.canonical(&url).as_str(), "http://a.example/~y?a=1&b=2");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules(BTreeSet<Rule>);

impl Default for Rules {
    fn default() -> Rules {
        Rules(Rule::ALL.into_iter().filter(|rule| rule.is_default()).collect())
    }
}

impl Rules {
    /// With one more.
    #[must_use]
    pub fn with(mut self, rule: Rule) -> Rules {
        self.0.insert(rule);
        self
    }

    /// Without one.
    #[must_use]
    pub fn without(mut self, rule: Rule) -> Rules {
        self.0.remove(&rule);
        self
    }

    /// The URL as it is always written.
    pub fn canonical(&self, url: &Url) -> Url {
        let mut url = url.clone();
        for rule in Rule::ALL.into_iter().filter(|rule| self.0.contains(rule)) {
            rule.apply(&mut url);
        }
        url
    }
}

fn percent(url: &mut Url) {
    let path = unencoded(url.path());
    if path != url.path() {
        url.set_path(&path);
    }
    if let Some(query) = url.query() {
        let same = unencoded(query);
        if same != query {
            url.set_query(Some(&same));
        }
    }
}

/// With what is unreserved as it is, and the digits of all else in capitals.
fn unencoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut parts = text.split('%');
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let octet = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let octet = octet.filter(|_| part.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit));
        match octet.map(char::from) {
            // a segment of dots means something else than one of encoded dots to some, though not to the URL standard
            Some(char) if char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '~') => {
                out.push(char);
                out.push_str(&part[2..]);
            }
            Some(_) => {
                out.push('%');
                out.push_str(&part[..2].to_ascii_uppercase());
                out.push_str(&part[2..]);
            }
            None => {
                out.push('%');
                out.push_str(part);
            }
        }
    }
    out
}

fn path_without_session(url: &mut Url) {
    let segment = |segment: &str| -> String {
        let mut parts = segment.split(';');
        let first = parts.next().unwrap_or_default().to_owned();
        parts.filter(|part| !is_session(part.split('=').next().unwrap_or_default())).fold(
            first,
            |mut whole, part| {
                whole.push(';');
                whole.push_str(part);
                whole
            },
        )
    };
    let path = url.path().split('/').map(segment).collect::<Vec<_>>().join("/");
    if path != url.path() {
        url.set_path(&path);
    }
}

fn keep_parameters(url: &mut Url, is_kept: impl Fn(&str) -> bool) {
    let Some(query) = url.query() else { return };
    let name = |parameter: &&str| is_kept(parameter.split('=').next().unwrap_or_default());
    let kept = query.split('&').filter(name).collect::<Vec<_>>().join("&");
    if kept != query {
        url.set_query(Some(&kept).filter(|kept| !kept.is_empty()).map(String::as_str));
    }
}

fn sort(url: &mut Url) {
    let Some(query) = url.query() else { return };
    let mut parameters: Vec<_> = query.split('&').collect();
    parameters.sort_by_key(|parameter| parameter.split_once('=').unwrap_or((parameter, "")));
    let sorted = parameters.join("&");
    let sorted = sorted.trim_start_matches('&');
    if sorted != query {
        url.set_query(Some(sorted));
    }
}

fn is_session(name: &str) -> bool {
    const NAMES: [&str; 7] =
        ["jsessionid", "phpsessid", "sid", "sessionid", "session_id", "cfid", "cftoken"];
    let name = name.to_ascii_lowercase();
    NAMES.contains(&name.as_str()) || name.starts_with("aspsessionid")
}

fn is_tracking(name: &str) -> bool {
    name.starts_with("utm_") || matches!(name, "gclid" | "fbclid" | "msclkid")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules() {
        let table: [(&[Rule], &str, &str); 16] = [
            (&[], "http://a/#f", "http://a/"),
            (&[], "http://u:p@a/", "http://a/"),
            (&[], "HTTPS://A.B:443/./x/../y", "https://a.b/y"),
            (&[], "http://a/%41%2f%e4?%7e=%2b", "http://a/A%2F%E4?~=%2B"),
            (&[], "http://a/%zz%4", "http://a/%zz%4"),
            (&[], "http://a/%+1", "http://a/%+1"),
            (&[], "http://a/?", "http://a/"),
            (&[], "http://a/?x&", "http://a/?x"),
            (&[], "http://a/?b&a&&c", "http://a/?b&a&&c"),
            (&[], "http://a./", "http://a./"),
            (&[Rule::HostDot], "http://a./", "http://a/"),
            (
                &[Rule::Session],
                "http://a/x;jsessionid=1;v=2/y?PHPSESSID=2&q=3",
                "http://a/x;v=2/y?q=3",
            ),
            (&[Rule::Session], "http://a/x?sid=1", "http://a/x"),
            (&[Rule::Tracking], "http://a/x?utm_source=1&q=3&gclid=9", "http://a/x?q=3"),
            (&[Rule::SortQuery], "http://a/x?b=2&a=2&a=1", "http://a/x?a=1&a=2&b=2"),
            (&[Rule::SortQuery], "http://a/x?b&", "http://a/x?b"),
        ];
        for (more, url, expected) in table {
            let rules = more.iter().fold(Rules::default(), |rules, rule| rules.with(*rule));
            let canonical = rules.canonical(&url.parse().unwrap());
            assert_eq!(canonical.as_str(), expected, "{url}");
            assert_eq!(rules.canonical(&canonical), canonical, "{url}");
        }
        let rules = Rules::default().without(Rule::Fragment);
        assert_eq!(rules.canonical(&"http://a/#f".parse().unwrap()).as_str(), "http://a/#f");
    }

    #[test]
    fn names_are_read_back() {
        for rule in Rule::ALL {
            assert_eq!(rule.name().parse(), Ok(rule));
        }
        assert!("sort".parse::<Rule>().unwrap_err().contains("sort-query"));
    }
}
