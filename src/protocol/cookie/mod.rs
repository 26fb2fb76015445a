//! Cookies: which are kept, and which go along with a request (RFC 6265bis).
//!
//! Knows the rules of names, domains, paths, schemes and sites, the public suffix list, and the files
//! that curl and Netscape keep cookies in. Must not know connections, nor what date it is. Invariants:
//! where a cookie goes is decided by the canonical [`Origin`]; a cookie of a public suffix is kept for
//! the one host that set it, or not at all; numbers and sizes are bounded, and who floods
//! the jar pushes out its own cookies first.

mod file;
mod jar;
mod set;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::date::Date;
use super::head::ResponseHead;
use super::host::{Host, Origin};
use jar::Jar;
use set::Rules;

/// A cookie jar. Clones are the same jar: the transfers of one or more engines may share it.
///
/// All rules are those of RFC 6265bis for a client that makes requests of its user's accord: SameSite
/// counts where a redirect led from another site. Kept are all cookies of files, and of those that servers set as
/// many as make up [`limits::COOKIES`] with them, and 180 of one site; a lifetime is at most 400 days. Beyond, whoever
/// has most gives for the next: of a site the host that set most, in all the registrable domain that has most of the
/// newer half.
///
/// [`limits::COOKIES`]: crate::limits::COOKIES
#[derive(Clone, Default)]
pub struct CookieJar(Arc<Mutex<Jar>>);

/// Where a request comes from, as SameSite has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Initiator {
    /// The user, or the site that it goes to.
    SameSite,
    /// Another site, by a redirect, and the method is safe.
    CrossSiteSafe,
    /// Another site, by a redirect, and the method is not safe.
    CrossSiteUnsafe,
}

impl CookieJar {
    /// An empty jar.
    pub fn new() -> CookieJar {
        CookieJar::default()
    }

    /// Has cookies be read, kept and sent as curl does, where that is otherwise: those with the longest names go first, within the
    /// longest domains, within the longest paths, and the newest of those, instead of by age; there is none without a
    /// name; paths and ages may stand in quotes, a slash at the end of a path counts for nothing, and a path that is none
    /// is `/`, or no cookie where it has a tab; what the prefixes of names promise holds in their own case alone; `localhost` is a
    /// domain; a lifetime that is cut ends with a whole minute, that of a file's cookie is not cut, and a date of 80 bytes is none.
    pub fn keep_as_curl(&self) {
        self.lock().rules = Rules::Curl;
    }

    /// Takes the cookies that a response sets. `path` is the request target, with or without its query.
    pub fn store(&self, origin: &Origin, path: &str, head: &ResponseHead<'_>, now: Date) {
        let mut jar = None;
        for (name, value) in head.fields() {
            if name.eq_ignore_ascii_case("set-cookie") {
                jar.get_or_insert_with(|| self.lock()).set(origin, path, &value, now);
            }
        }
    }

    /// The value of the Cookie field of a request, if it has one.
    pub fn field(
        &self,
        origin: &Origin,
        path: &str,
        initiator: Initiator,
        now: Date,
    ) -> Option<Vec<u8>> {
        self.lock().field(origin, path, initiator, now)
    }

    /// Adds the cookies of a file in the Netscape format, however many: they are the caller's choice. Lines that are
    /// none are passed over. Returns how many cookies there were.
    pub fn read_netscape(&self, text: &[u8], now: Date) -> usize {
        file::read(&mut self.lock(), text, now)
    }

    /// The cookies as a file in the Netscape format, in the order in which they came.
    pub fn to_netscape(&self, now: Date) -> Vec<u8> {
        file::write(&self.lock(), now)
    }

    /// Throws away cookies that would end with the session (curl's `--junk-session-cookies`).
    pub fn end_session(&self) {
        self.lock().end_session();
    }

    /// How many cookies there are, those that have expired included.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Jar> {
        // whoever panicked did so between two cookies
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for CookieJar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CookieJar({} cookies)", self.len())
    }
}

/// Whether both hosts are of one site: one registrable domain, or one and the same host.
pub(crate) fn is_same_site(one: &Host, other: &Host) -> bool {
    one == other || site(one) == site(other)
}

/// A host's registrable domain; the host itself where it has none.
fn site(host: &Host) -> String {
    registrable_domain(host).map_or_else(|| host.to_string(), str::to_owned)
}

/// What its owner registered of a host's name: the public suffix and one label more. None of an
/// address, nor of a public suffix itself.
pub(crate) fn registrable_domain(host: &Host) -> Option<&str> {
    psl::domain_str(host.name()?)
}

#[cfg(test)]
mod tests;
