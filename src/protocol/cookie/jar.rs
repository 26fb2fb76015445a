//! The cookies themselves, by site.
//!
//! Knows when a cookie is kept and when it is sent. Invariants: a site has at most so many, and so has
//! the jar, but for those of files; each operation looks at the cookies of one site alone, but for one in so many
//! that makes room in all. Whose cookies go is [`owner`](crate::owner)'s rule: within a site those of the
//! host that set most, in all those of the owner that has most.

use std::collections::HashMap;

use ::http::Method;

use super::set::{Rules, SameSite, SetCookie};
use super::{Initiator, site};
use crate::limits;
use crate::owner::{Owner, Seat, who_goes};
use crate::protocol::{Date, Host, Origin, Scheme};

pub(super) struct Jar {
    sites: HashMap<String, Site>,
    count: usize,
    /// The bound on their number: more if files had more.
    most: usize,
    /// Rises with each cookie that is made or sent.
    clock: u64,
    /// How they are read and sent: by the standard's rules the oldest go first.
    pub(super) rules: Rules,
}

struct Site {
    cookies: Vec<Cookie>,
    /// The bound on their number: more if files had more.
    most: usize,
}

pub(super) struct Cookie {
    pub(super) name: Vec<u8>,
    pub(super) value: Vec<u8>,
    /// A canonical host.
    pub(super) domain: String,
    pub(super) host_only: bool,
    pub(super) path: Vec<u8>,
    pub(super) secure: bool,
    pub(super) http_only: bool,
    pub(super) same_site: SameSite,
    /// `None`: with the session.
    pub(super) expires: Option<Date>,
    pub(super) created: u64,
    used: u64,
    /// The host that set it, where that is not the domain.
    setter: Option<Box<str>>,
}

impl Default for Jar {
    fn default() -> Jar {
        Jar {
            sites: HashMap::new(),
            count: 0,
            most: limits::COOKIES,
            clock: 0,
            rules: Rules::default(),
        }
    }
}

impl Default for Site {
    fn default() -> Site {
        // most have one, and a vector's own first step is four
        Site { cookies: Vec::with_capacity(1), most: limits::COOKIES_PER_SITE }
    }
}

impl Jar {
    /// Keeps the cookie of a Set-Cookie field, if it may be kept.
    pub(super) fn set(&mut self, origin: &Origin, path: &str, value: &[u8], now: Date) {
        let Some(cookie) = self.accept(origin, path, value, now) else { return };
        let site = site(origin.host());
        self.insert(&site, cookie, now);
        self.make_room_at(&site, now);
        self.make_room(now);
    }

    /// The cookie of a Set-Cookie field, if it may be kept (RFC 6265bis, 5.7).
    pub(super) fn accept(
        &self,
        origin: &Origin,
        path: &str,
        value: &[u8],
        now: Date,
    ) -> Option<Cookie> {
        let set = SetCookie::read(value, now, self.rules)?;
        let host = origin.host();
        let (domain, host_only) = domain(host, &set.domain)?;
        let setter = Some(host.to_string()).filter(|host| *host != domain);
        let is_secure = is_trustworthy(origin);
        let is_bare_root = host_only && set.path.as_deref() == Some(b"/");
        let stands_against = (set.secure && !is_secure)
            || (set.same_site == SameSite::None && !set.secure)
            || !keeps_promise(&set.name, (set.secure, is_bare_root), self.rules)
            || (set.name.is_empty() && !keeps_promise(&set.value, (false, false), self.rules));
        if stands_against {
            return None;
        }
        let cookie = Cookie {
            name: set.name,
            value: set.value,
            domain,
            host_only,
            path: set.path.unwrap_or_else(|| default_path(path)),
            secure: set.secure,
            http_only: set.http_only,
            same_site: set.same_site,
            expires: set.expires,
            created: 0,
            used: 0,
            setter: setter.map(Box::from),
        };
        let shadows = !is_secure && self.shadows_secure(&site(host), &cookie);
        (!shadows).then_some(cookie)
    }

    /// Keeps a cookie of a file: what a file has is the user's choice, however much it is.
    pub(super) fn insert_given(&mut self, site: &str, cookie: Cookie, now: Date) {
        self.insert(site, cookie, now);
        self.most = self.most.max(self.count);
        if let Some(site) = self.sites.get_mut(site) {
            site.most = site.most.max(site.cookies.len());
        }
    }

    /// Keeps a cookie in place of the one that it is another version of.
    fn insert(&mut self, site: &str, mut cookie: Cookie, now: Date) {
        self.clock += 1;
        (cookie.created, cookie.used) = (self.clock, self.clock);
        let cookies = &mut self.sites.entry(site.to_owned()).or_default().cookies;
        let before = cookies.len();
        let same = cookies.iter().position(|known| known.is_version_of(&cookie));
        if let Some(at) = same {
            cookie.created = cookies.remove(at).created;
        }
        if cookie.is_alive(now) {
            cookies.push(cookie);
        }
        self.count = self.count + cookies.len() - before;
        if cookies.is_empty() {
            self.sites.remove(site);
        }
    }

    /// The cookies for a request, longest path first, then oldest (RFC 6265bis, 5.8).
    pub(super) fn field(
        &mut self,
        origin: &Origin,
        path: &str,
        initiator: Initiator,
        now: Date,
    ) -> Option<Vec<u8>> {
        let rules = self.rules;
        let cookies = &mut self.sites.get_mut(&site(origin.host()))?.cookies;
        let host = origin.host().to_string();
        let path = path_alone(path);
        let mut chosen: Vec<_> = cookies
            .iter_mut()
            .filter(|cookie| {
                cookie.is_alive(now)
                    && cookie.is_for_host(origin.host(), &host)
                    && is_within(path, &cookie.path)
                    && (!cookie.secure || is_trustworthy(origin))
                    && cookie.goes_to(initiator)
            })
            .collect();
        match rules {
            Rules::Standard => {
                chosen.sort_by_key(|cookie| (usize::MAX - cookie.path.len(), cookie.created))
            }
            Rules::Curl => chosen.sort_by_key(|cookie| {
                let lengths = [cookie.path.len(), cookie.domain.len(), cookie.name.len()];
                std::cmp::Reverse((lengths, cookie.created))
            }),
        }
        let mut field = Vec::new();
        for cookie in chosen {
            let size = cookie.name.len() + cookie.value.len() + "; =".len();
            if field.len() + size > limits::COOKIE_FIELD {
                continue;
            }
            self.clock += 1;
            cookie.used = self.clock;
            if !field.is_empty() {
                field.extend_from_slice(b"; ");
            }
            field.extend_from_slice(&cookie.name);
            if !cookie.name.is_empty() {
                field.push(b'=');
            }
            field.extend_from_slice(&cookie.value);
        }
        (!field.is_empty()).then_some(field)
    }

    pub(super) fn end_session(&mut self) {
        self.retain(|cookie| cookie.expires.is_some());
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Cookie> {
        self.sites.values().flat_map(|site| &site.cookies)
    }

    /// Whether a cookie that came in plaintext would take the place of a secure one.
    fn shadows_secure(&self, site: &str, cookie: &Cookie) -> bool {
        let below = |one: &str, other: &str| {
            one == other || one.strip_suffix(other).is_some_and(|rest| rest.ends_with('.'))
        };
        self.sites.get(site).into_iter().flat_map(|site| &site.cookies).any(|known| {
            known.secure
                && known.name == cookie.name
                && (below(&known.domain, &cookie.domain) || below(&cookie.domain, &known.domain))
                && is_within(&cookie.path, &known.path)
        })
    }

    /// Throws away what has expired, then as much as it takes: a hundredth of all, so that it is seldom done.
    fn make_room(&mut self, now: Date) {
        if self.count <= self.most {
            return;
        }
        self.retain(|cookie| cookie.is_alive(now));
        if self.count <= self.most {
            return;
        }
        let seats = self.iter().map(|cookie| cookie.seat(Owner::of_text(&cookie.domain)));
        let goes = who_goes(&seats.collect::<Vec<_>>(), self.most / 2, self.most / 100);
        self.retain(|cookie| !goes.contains(&cookie.created));
    }

    /// The same within a site, a sixteenth at a time.
    fn make_room_at(&mut self, site: &str, now: Date) {
        let Some(Site { cookies, most }) = self.sites.get_mut(site) else { return };
        if cookies.len() <= *most {
            return;
        }
        let before = cookies.len();
        cookies.retain(|known| known.is_alive(now));
        if cookies.len() == before {
            let seats = cookies.iter().map(|cookie| cookie.seat(Owner::Name(cookie.setter())));
            let goes = who_goes(&seats.collect::<Vec<_>>(), 0, *most / 16);
            cookies.retain(|cookie| !goes.contains(&cookie.created));
        }
        self.count = self.count + cookies.len() - before;
    }

    fn retain(&mut self, keep: impl Fn(&Cookie) -> bool) {
        self.sites.retain(|_, site| {
            site.cookies.retain(&keep);
            !site.cookies.is_empty()
        });
        self.count = self.iter().count();
    }
}

impl Cookie {
    /// A cookie of a file: what may not be, is `None`, and so is its site.
    pub(super) fn of_file(
        host: &Host,
        host_only: bool,
        pair: (&[u8], &[u8]),
        path: &[u8],
        (secure, rules): (bool, Rules),
    ) -> Option<(String, Cookie)> {
        let (name, value) = pair;
        let domain = host.to_string();
        let is_host_only = host_only || host.ip().is_some();
        let promised = keeps_promise(name, (secure, is_host_only && path == b"/"), rules);
        if !promised || (!is_host_only && is_public_suffix(&domain)) {
            return None;
        }
        let cookie = Cookie {
            name: name.to_vec(),
            value: value.to_vec(),
            domain,
            host_only: is_host_only,
            path: path.to_vec(),
            secure,
            http_only: false,
            same_site: SameSite::Unset,
            expires: None,
            created: 0,
            used: 0,
            setter: None,
        };
        Some((site(host), cookie))
    }

    /// The host that set it; for a file that is its domain.
    fn setter(&self) -> &str {
        self.setter.as_deref().unwrap_or(&self.domain)
    }

    fn seat<'a>(&self, owner: Owner<'a>) -> Seat<'a> {
        Seat { owner, since: self.created, used: self.used, is_dear: self.secure }
    }

    pub(super) fn is_alive(&self, now: Date) -> bool {
        self.expires.is_none_or(|expires| expires > now)
    }

    fn is_version_of(&self, other: &Cookie) -> bool {
        self.name == other.name
            && self.domain == other.domain
            && self.host_only == other.host_only
            && self.path == other.path
    }

    fn is_for_host(&self, host: &Host, text: &str) -> bool {
        text == self.domain
            || (!self.host_only && host.ip().is_none() && is_below(text, &self.domain))
    }

    fn goes_to(&self, initiator: Initiator) -> bool {
        match (self.same_site, initiator) {
            (_, Initiator::SameSite) | (SameSite::None | SameSite::Unset, _) => true,
            (SameSite::Lax, Initiator::CrossSiteSafe) => true,
            (SameSite::Lax, Initiator::CrossSiteUnsafe) | (SameSite::Strict, _) => false,
        }
    }
}

impl Initiator {
    /// Of a request by this method, which a redirect from another site has led to or not.
    pub(crate) fn of(method: &Method, is_cross_site: bool) -> Initiator {
        match (is_cross_site, method.is_safe()) {
            (false, _) => Initiator::SameSite,
            (true, true) => Initiator::CrossSiteSafe,
            (true, false) => Initiator::CrossSiteUnsafe,
        }
    }
}

/// The domain that a cookie is for, and whether it is for that host alone; `None` if the host may not
/// set it.
fn domain(host: &Host, attribute: &[u8]) -> Option<(String, bool)> {
    let own = host.to_string();
    if attribute.is_empty() || attribute == own.as_bytes() && is_public_suffix(&own) {
        return Some((own, true));
    }
    let attribute = std::str::from_utf8(attribute).ok()?;
    if host.ip().is_some() {
        return (attribute == own).then_some((own, true));
    }
    let may = (attribute == own || is_below(&own, attribute)) && !is_public_suffix(attribute);
    may.then(|| (attribute.to_owned(), false))
}

/// Whether nobody on the way reads what is sent to an origin: TLS, or this machine itself, as browsers and curl have it for
/// servers that are being made.
fn is_trustworthy(origin: &Origin) -> bool {
    let host = origin.host();
    origin.scheme() == Scheme::Https
        || host.ip().is_some_and(|ip| ip.is_loopback())
        || host.name() == Some("localhost")
}

/// Whether a name is below a domain. With a dot at its end it is below those alone that have one, too.
fn is_below(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

/// Whether anybody may register names below a domain. One label alone is such a domain, listed or not.
pub(super) fn is_public_suffix(domain: &str) -> bool {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    psl::suffix_str(domain).is_none_or(|suffix| suffix == domain)
}

/// Whether a cookie is what the prefix of its name says, if it has one (RFC 6265bis, 4.1.3).
fn keeps_promise(name: &[u8], (secure, is_bare_root): (bool, bool), rules: Rules) -> bool {
    let has_prefix = |prefix: &[u8]| {
        name.get(..prefix.len()).is_some_and(|begin| match rules {
            Rules::Standard => begin.eq_ignore_ascii_case(prefix),
            Rules::Curl => begin == prefix,
        })
    };
    (secure || !has_prefix(b"__Secure-")) && ((secure && is_bare_root) || !has_prefix(b"__Host-"))
}

/// RFC 6265bis, 5.1.4.
fn default_path(path: &str) -> Vec<u8> {
    let path = path_alone(path);
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(at) if at > 0 && path[0] == b'/' => path[..at].to_vec(),
        _ => b"/".to_vec(),
    }
}

/// A request target without its query.
fn path_alone(path: &str) -> &[u8] {
    path.split('?').next().unwrap_or_default().as_bytes()
}

/// Whether a request's path is within a cookie's.
fn is_within(path: &[u8], of_cookie: &[u8]) -> bool {
    let Some(rest) = path.strip_prefix(of_cookie) else { return false };
    rest.is_empty() || of_cookie.ends_with(b"/") || rest[0] == b'/'
}
