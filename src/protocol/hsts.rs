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
use crate::owner::{Owner, Seat, who_goes};

/// The hosts that are known to want TLS. Clones are the same list: transfers of one or more engines may
/// share it.
///
/// All hosts of a file are kept, and as many as make 10,000 with them of those that say so themselves. Beyond, the
/// registrable domain that has most of the newer half gives its own for the next.
#[derive(Clone, Default)]
pub struct Hsts(Arc<Mutex<List>>);

struct List {
    known: HashMap<String, Known>,
    /// The bound on their number: more if a file had more.
    most: usize,
    /// Rises with each host that is added or asked for.
    clock: u64,
}

struct Known {
    policy: Policy,
    since: u64,
    used: u64,
}

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
        self.lock().covers(name, now)
    }

    /// Takes the policy that a response has, if it has one and came over TLS; not to be called where the
    /// server was not verified (RFC 6797, 8.1).
    pub fn note(&self, origin: &Origin, head: &ResponseHead<'_>, now: Date) {
        let (Scheme::Https, Some(name)) = (origin.scheme(), origin.host().name()) else { return };
        // only the first counts
        let Some(value) = head.field("strict-transport-security") else { return };
        if let Some(policy) = policy(&value, now) {
            let mut list = self.lock();
            list.insert(name, policy, now);
            list.make_room(now);
        }
    }

    /// Adds the hosts of a file in curl's format, however many: they are the caller's choice. Lines that are none are
    /// passed over. Returns how many hosts there were.
    pub fn read_file(&self, text: &str, now: Date) -> usize {
        let mut list = self.lock();
        let mut count = 0;
        // some editors begin a file with a byte order mark
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (name, policy) in text.lines().filter_map(entry) {
            list.insert(&name, policy, now);
            count += 1;
        }
        list.most = list.most.max(list.known.len());
        count
    }

    /// The hosts as a file in curl's format, in the order in which they became known: it is that of the next list,
    /// too, and what has been known for longest is forgotten last.
    pub fn to_file(&self, now: Date) -> String {
        let list = self.lock();
        let mut alive: Vec<_> =
            list.known.iter().filter(|(_, known)| known.policy.expires > now).collect();
        alive.sort_by_key(|(_, known)| known.since);
        let mut text = "# HSTS hosts, in curl's format. Written by ringdove.\n".to_owned();
        for (name, Known { policy: Policy { expires, include_subdomains }, .. }) in alive {
            let dot = if *include_subdomains { "." } else { "" };
            let (year, month, day) = expires.day();
            let (hour, minute, second) = expires.time();
            text.push_str(&format!(
                "{dot}{name} \"{year:04}{month:02}{day:02} {hour:02}:{minute:02}:{second:02}\"\n"
            ));
        }
        text
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for List {
    fn default() -> List {
        List { known: HashMap::new(), most: limits::HSTS_HOSTS, clock: 0 }
    }
}

impl List {
    fn covers(&mut self, name: &str, now: Date) -> bool {
        self.clock += 1;
        let (known, used) = (&mut self.known, self.clock);
        let mut has = |name: &str, is_parent: bool| {
            let known = known.get_mut(name).filter(|known| {
                known.policy.expires > now && (known.policy.include_subdomains || !is_parent)
            });
            known.map(|known| known.used = used).is_some()
        };
        has(name, false) || parents(name).any(|parent| has(parent, true))
    }

    fn insert(&mut self, name: &str, policy: Policy, now: Date) {
        self.clock += 1;
        let clock = self.clock;
        if policy.expires <= now {
            self.known.remove(name);
        } else if let Some(known) = self.known.get_mut(name) {
            (known.policy, known.used) = (policy, clock);
        } else {
            self.known.insert(name.to_owned(), Known { policy, since: clock, used: clock });
        }
    }

    /// Forgets who has expired, then whose turn it is: a hundredth of all, so that it is seldom done.
    fn make_room(&mut self, now: Date) {
        if self.known.len() <= self.most {
            return;
        }
        self.known.retain(|_, known| known.policy.expires > now);
        if self.known.len() <= self.most {
            return;
        }
        let seats = self.known.iter().map(|(name, &Known { since, used, .. })| Seat {
            owner: Owner::of_text(name),
            since,
            used,
            is_dear: false,
        });
        let goes = who_goes(&seats.collect::<Vec<_>>(), self.most / 2, self.most / 100);
        self.known.retain(|_, known| !goes.contains(&known.since));
    }
}

/// The names above a name.
fn parents(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('.').map(|(at, _)| &name[at + 1..])
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
        write!(f, "Hsts({} hosts)", self.lock().known.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::auth::with_head;

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
        note(&hsts, "https://a.example/", "max-age=10; includeSubDomains");
        note(&hsts, "https://b.example/", "max-age=999999999999999");
        note(&hsts, "https://a.example/", "max-age=10; includeSubDomains");
        assert_eq!(hsts.to_file(NOW), text);
        let other = Hsts::new();
        assert_eq!(other.read_file(&format!("\u{feff}{}", &text[53..]), NOW), 2);
        assert_eq!(other.to_file(NOW), text);
        let bad = "a.example\na.example 20300101\na.example \"2030\"\na/b \"unlimited\"\n\
                   127.0.0.1 \"unlimited\"\na..b \"unlimited\"\na.example \"20301301 00:00:00\"\n";
        assert_eq!(Hsts::new().read_file(bad, NOW), 0);
        let past = Hsts::new();
        past.read_file("a.example \"20200101 00:00:00\"", NOW);
        assert!(!covers(&past, "http://a.example/"));
    }

    /// One site with a wildcard certificate and the longest of lifetimes, against hosts that each have a site.
    #[test]
    fn a_flood_of_hosts_costs_the_flood_alone() {
        let hsts = Hsts::new();
        hsts.read_file("bank.example \"20231114 22:13:30\"", NOW);
        note(&hsts, "https://before.example/", "max-age=10");
        for n in 0..limits::HSTS_HOSTS + 50 {
            if n == limits::HSTS_HOSTS / 2 + 7 {
                note(&hsts, "https://amidst.example/", "max-age=10");
            }
            note(&hsts, &format!("https://h{n}.evil.example/"), "max-age=99999999999");
            assert!(hsts.lock().known.len() <= limits::HSTS_HOSTS);
        }
        assert!(hsts.lock().known.len() > limits::HSTS_HOSTS * 9 / 10);
        let good = ["bank", "before", "amidst"];
        assert!(good.iter().all(|name| covers(&hsts, &format!("http://{name}.example/"))));
        assert!(covers(&hsts, &format!("http://h{}.evil.example/", limits::HSTS_HOSTS + 49)));
        // and so in the file, and with it in the next run, whatever floods that
        let next = Hsts::new();
        next.read_file(&hsts.to_file(NOW), NOW);
        for n in 0..limits::HSTS_HOSTS + 50 {
            note(&next, &format!("https://h{n}.worse.example/"), "max-age=99999999999");
        }
        assert!(good.iter().all(|name| covers(&next, &format!("http://{name}.example/"))));
    }

    #[test]
    fn a_flood_of_sites_leaves_those_that_were_known_before() {
        let hsts = Hsts::new();
        for n in 0..limits::HSTS_HOSTS / 2 {
            note(&hsts, &format!("https://good{n}.example/"), "max-age=10");
        }
        for n in 0..limits::HSTS_HOSTS + 50 {
            note(&hsts, &format!("https://evil{n}.example/"), "max-age=99999999999");
        }
        for n in 0..limits::HSTS_HOSTS / 2 {
            assert!(covers(&hsts, &format!("http://good{n}.example/")), "{n}");
        }
        assert!(hsts.lock().known.len() <= limits::HSTS_HOSTS);
    }

    /// Who has a longer file than we would write loses nothing of it, but as newer ones come.
    #[test]
    fn a_file_is_kept_whole_and_bounds_what_is_added() {
        let most = 2 * limits::HSTS_HOSTS;
        let line = |n: usize| format!("n{n}.example \"unlimited\"\n");
        let file: String = (0..most).map(line).collect();
        let hsts = Hsts::new();
        assert_eq!(hsts.read_file(&file, NOW), most);
        assert_eq!(hsts.to_file(NOW).lines().count(), most + 1);
        for n in 0..300 {
            note(&hsts, &format!("https://h{n}.evil.example/"), "max-age=10");
        }
        let lines = hsts.to_file(NOW).lines().count() - 1;
        assert!((most - most / 100..=most).contains(&lines), "{lines}");
        assert!((0..most / 2).all(|n| covers(&hsts, &format!("http://n{n}.example/"))));
    }
}
