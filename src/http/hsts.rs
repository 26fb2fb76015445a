//! Hosts that are asked over TLS alone (HTTP Strict Transport Security, RFC 6797).
//!
//! Knows what a Strict-Transport-Security field says, which hosts it holds for, and curl's file of such
//! hosts. Must not know who makes the request, nor what date it is. Invariants: a host is the canonical
//! [`Host`], so that no other spelling of it escapes; IP addresses have no policy; only what came over
//! TLS is believed (that the server was verified, the caller sees to); the number of hosts is bounded.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use url::Url;

use super::date::Date;
use super::head::ResponseHead;
use super::host::{Host, Origin, Scheme};
use crate::limits;

/// The hosts that are known to want TLS. Clones are the same list: transfers of one or more engines may
/// share it.
#[derive(Clone, Default)]
pub struct Hsts(Arc<Mutex<HashMap<String, Policy>>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Policy {
    expires: Date,
    include_subdomains: bool,
}

impl Hsts {
    /// An empty list.
    pub fn new() -> Hsts {
        Hsts::default()
    }

    /// Whether a host is to be asked over TLS alone.
    pub fn covers(&self, host: &Host, now: Date) -> bool {
        let Some(name) = host.name() else { return false };
        let known = self.lock();
        let own = known.get(name).is_some_and(|policy| policy.expires > now);
        own || parents(name).any(|parent| {
            let policy = known.get(parent);
            policy.is_some_and(|policy| policy.include_subdomains && policy.expires > now)
        })
    }

    /// Takes the policy that a response has, if it has one and came over TLS; not to be called where the
    /// server was not verified (RFC 6797, 8.1).
    pub fn note(&self, origin: &Origin, head: &ResponseHead<'_>, now: Date) {
        let (Scheme::Https, Some(name)) = (origin.scheme(), origin.host().name()) else { return };
        // only the first counts
        let Some(value) = head.field("strict-transport-security") else { return };
        if let Some(policy) = policy(&value, now) {
            insert(&mut self.lock(), name, policy, now);
        }
    }

    /// Adds the hosts of a file in curl's format. Lines that are none are passed over. Returns how many
    /// hosts there were.
    pub fn read_file(&self, text: &str, now: Date) -> usize {
        let mut known = self.lock();
        let mut count = 0;
        for (name, policy) in text.lines().filter_map(entry) {
            insert(&mut known, &name, policy, now);
            count += 1;
        }
        count
    }

    /// The hosts as a file in curl's format, sorted.
    pub fn to_file(&self, now: Date) -> String {
        let known = self.lock();
        let mut alive: Vec<_> = known.iter().filter(|(_, policy)| policy.expires > now).collect();
        alive.sort_by_key(|(name, _)| *name);
        let mut text = "# HSTS hosts, in curl's format. Written by ringdove.\n".to_owned();
        for (name, Policy { expires, include_subdomains }) in alive {
            let dot = if *include_subdomains { "." } else { "" };
            let (year, month, day) = expires.day();
            let (hour, minute, second) = expires.time();
            text.push_str(&format!(
                "{dot}{name} \"{year:04}{month:02}{day:02} {hour:02}:{minute:02}:{second:02}\"\n"
            ));
        }
        text
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Policy>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The names above a name.
fn parents(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('.').map(|(at, _)| &name[at + 1..])
}

fn insert(known: &mut HashMap<String, Policy>, name: &str, policy: Policy, now: Date) {
    if policy.expires <= now {
        known.remove(name);
        return;
    }
    known.insert(name.to_owned(), policy);
    if known.len() > limits::HSTS_HOSTS {
        known.retain(|_, policy| policy.expires > now);
    }
    if known.len() > limits::HSTS_HOSTS {
        let mut ends: Vec<_> = known.values().map(|policy| policy.expires).collect();
        let (_, &mut soonest, _) = ends.select_nth_unstable(limits::HSTS_HOSTS / 10);
        // of many that end at once the newest stays in any case
        known.retain(|other, policy| policy.expires > soonest || other == name);
    }
}

/// What a field's value says (RFC 6797, 6.1); `None` if it is malformed.
fn policy(value: &[u8], now: Date) -> Option<Policy> {
    let text = std::str::from_utf8(value).ok()?;
    let (mut max_age, mut include_subdomains) = (None, false);
    for directive in text.split(';').map(str::trim).filter(|directive| !directive.is_empty()) {
        let (name, value) = match directive.split_once('=') {
            Some((name, value)) => (name.trim_end(), Some(value.trim_start())),
            None => (directive, None),
        };
        if name.eq_ignore_ascii_case("max-age") {
            if max_age.replace(seconds(value?)?).is_some() {
                return None;
            }
        } else if name.eq_ignore_ascii_case("includesubdomains") {
            let is_repeated = std::mem::replace(&mut include_subdomains, true);
            if is_repeated || value.is_some() {
                return None;
            }
        }
    }
    let expires = match max_age? {
        0 => Date::from_unix(i64::MIN),
        seconds => now.after(Duration::from_secs(seconds)).min(Date::LAST),
    };
    Some(Policy { expires, include_subdomains })
}

/// A number of seconds, quoted or not.
fn seconds(value: &str) -> Option<u64> {
    let bare = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    let is_number = !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| bare.parse().unwrap_or(u64::MAX))
}

/// A line of a file: `[.]host "YYYYMMDD hh:mm:ss"`, or `unlimited` in the place of the date.
fn entry(line: &str) -> Option<(String, Policy)> {
    let (host, date) = line.trim().split_once(char::is_whitespace)?;
    let date = date.trim().strip_prefix('"')?.strip_suffix('"')?;
    let expires = match date {
        "unlimited" => Date::LAST,
        date => file_date(date)?,
    };
    let name = host.strip_prefix('.').unwrap_or(host);
    if name.contains(['/', '@', '?', '#', '\\', ':']) {
        return None;
    }
    let origin = Origin::from_url(&Url::parse(&format!("http://{name}/")).ok()?).ok()?;
    let name = origin.host().name()?.to_owned();
    Some((name, Policy { expires, include_subdomains: host.starts_with('.') }))
}

fn file_date(text: &str) -> Option<Date> {
    let (day, time) = text.split_once(' ')?;
    if day.len() != 8 || !day.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let month = MONTHS.get(day[4..6].parse::<usize>().ok()?.checked_sub(1)?)?;
    Date::parse(format!("{} {month} {} {time}", &day[6..], &day[..4]).as_bytes())
}

impl fmt::Debug for Hsts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hsts({} hosts)", self.lock().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::auth::with_head;

    const NOW: Date = Date::from_unix(1_700_000_000);

    fn origin(url: &str) -> Origin {
        Origin::from_url(&Url::parse(url).unwrap()).unwrap()
    }

    fn note(hsts: &Hsts, url: &str, value: &str) {
        let fields = [("Strict-Transport-Security", value)];
        with_head(200, &fields, |head| hsts.note(&origin(url), head, NOW));
    }

    fn covers(hsts: &Hsts, url: &str) -> bool {
        hsts.covers(origin(url).host(), NOW)
    }

    /// Guard: the canonical host, on the way in and on the way out.
    #[test]
    fn no_spelling_escapes() {
        let spellings = [
            "http://bücher.example/",
            "http://xn--bcher-kva.example./",
            "http://BÜCHER.Example.:80",
        ];
        for noted in ["https://bücher.example/", "https://xn--bcher-kva.EXAMPLE.:8443/"] {
            let hsts = Hsts::new();
            note(&hsts, noted, "max-age=10");
            for asked in spellings {
                assert!(covers(&hsts, asked), "{noted} {asked}");
            }
        }
        let of_file = Hsts::new();
        assert_eq!(of_file.read_file("Bücher.example. \"unlimited\"", NOW), 1);
        assert!(spellings.iter().all(|asked| covers(&of_file, asked)));
    }

    #[test]
    fn subdomains() {
        for (value, sub) in [("max-age=10", false), ("max-age=10; includeSubDomains", true)] {
            let hsts = Hsts::new();
            note(&hsts, "https://a.example/", value);
            assert!(covers(&hsts, "http://a.example/"));
            assert_eq!(covers(&hsts, "http://b.a.example./"), sub);
            assert_eq!(covers(&hsts, "http://c.b.a.example/"), sub);
            assert!(!covers(&hsts, "http://example/") && !covers(&hsts, "http://xa.example/"));
        }
    }

    #[test]
    fn who_is_believed() {
        let hsts = Hsts::new();
        note(&hsts, "http://a.example/", "max-age=10");
        note(&hsts, "https://127.0.0.1/", "max-age=10");
        note(&hsts, "https://[::1]/", "max-age=10");
        assert_eq!(format!("{hsts:?}"), "Hsts(0 hosts)");
        let fields = [
            ("Strict-Transport-Security", "max-age=0"),
            ("Strict-Transport-Security", "max-age=9"),
        ];
        with_head(200, &fields, |head| hsts.note(&origin("https://a.example/"), head, NOW));
        assert!(!covers(&hsts, "http://a.example/"), "the first field counts");
    }

    #[test]
    fn values() {
        let after = |seconds| Some(NOW.after(Duration::from_secs(seconds)));
        let table = [
            ("max-age=10", after(10)),
            ("MAX-AGE = \"10\" ;; preload; x=\"y\"", after(10)),
            (" includeSubDomains ; max-age=10;", after(10)),
            ("max-age=0", Some(Date::from_unix(i64::MIN))),
            ("max-age=99999999999999999999999", Some(Date::LAST)),
            ("", None),
            ("includeSubDomains", None),
            ("max-age", None),
            ("max-age=", None),
            ("max-age=-1", None),
            ("max-age=1.5", None),
            ("max-age=\"10", None),
            ("max-age=10; max-age=10", None),
            ("max-age=10; includeSubDomains; includeSubDomains", None),
            ("max-age=10; includeSubDomains=x", None),
        ];
        for (value, want) in table {
            assert_eq!(policy(value.as_bytes(), NOW).map(|policy| policy.expires), want, "{value}");
        }
    }

    #[test]
    fn policies_end() {
        let hsts = Hsts::new();
        note(&hsts, "https://a.example/", "max-age=10");
        let host = origin("http://a.example/").host().clone();
        assert!(hsts.covers(&host, NOW.after(Duration::from_secs(9))));
        assert!(!hsts.covers(&host, NOW.after(Duration::from_secs(10))));
        note(&hsts, "https://a.example/", "max-age=junk");
        assert!(hsts.covers(&host, NOW));
        note(&hsts, "https://a.example/", "max-age=0; includeSubDomains");
        assert!(!hsts.covers(&host, NOW));
    }

    #[test]
    fn files_both_ways() {
        let text = "# HSTS hosts, in curl's format. Written by ringdove.\n\
                    .a.example \"20231114 22:13:30\"\n\
                    b.example \"99991231 23:59:59\"\n";
        let hsts = Hsts::new();
        note(&hsts, "https://b.example/", "max-age=999999999999999");
        note(&hsts, "https://a.example/", "max-age=10; includeSubDomains");
        assert_eq!(hsts.to_file(NOW), text);
        let other = Hsts::new();
        assert_eq!(other.read_file(text, NOW), 2);
        assert_eq!(other.to_file(NOW), text);
        let bad = "a.example\na.example 20300101\na.example \"2030\"\na/b \"unlimited\"\n\
                   127.0.0.1 \"unlimited\"\na..b \"unlimited\"\na.example \"20301301 00:00:00\"\n";
        assert_eq!(Hsts::new().read_file(bad, NOW), 0);
        let past = Hsts::new();
        past.read_file("a.example \"20200101 00:00:00\"", NOW);
        assert!(!covers(&past, "http://a.example/"));
    }

    #[test]
    fn the_number_of_hosts_is_bounded() {
        let hsts = Hsts::new();
        for n in 0..limits::HSTS_HOSTS + 5 {
            note(&hsts, &format!("https://h{n}.example/"), "max-age=10");
        }
        assert!(hsts.lock().len() <= limits::HSTS_HOSTS);
        assert!(covers(&hsts, &format!("http://h{}.example/", limits::HSTS_HOSTS + 4)));
    }
}
