//! Which credentials a request goes with.
//!
//! Knows where they may come from, and which source wins. Must not know how they are shown. Invariant:
//! what was given for one request is for the origin of that request, and for no other.

use super::AuthScheme;
use super::credentials::{Credentials, Role, Secret};
use super::netrc::Netrc;
use crate::protocol::{Origin, Scheme};

/// Who the requests of a transfer are made for (curl's `--user`, `--oauth2-bearer`, `--netrc`).
#[derive(Debug, Clone, Default)]
pub struct AuthPolicy {
    /// How a login is shown.
    pub scheme: AuthScheme,
    /// For the origin of the transfer's first request; stands before all other sources.
    pub secret: Option<Secret>,
    /// For each request by its host, also where a redirect leads, unless that is from https to http.
    pub netrc: Option<Netrc>,
    /// The netrc file stands before user information in the URL (curl's `--netrc`, as opposed to
    /// `--netrc-optional`).
    pub netrc_before_url: bool,
}

impl AuthPolicy {
    /// The credentials of a transfer's first request, whose URL had this login.
    pub(crate) fn for_first(
        &self,
        origin: &Origin,
        of_url: Option<&Secret>,
    ) -> Option<Credentials> {
        let netrc =
            || self.netrc.as_ref()?.login(origin.host(), of_url.and_then(Secret::bare_user));
        let secret = match (&self.secret, of_url) {
            (Some(secret), _) => Some(secret.clone()),
            (None, Some(login)) if !self.netrc_before_url && login.bare_user().is_none() => {
                Some(login.clone())
            }
            (None, of_url) => netrc().or_else(|| of_url.cloned()),
        };
        Some(secret?.scoped(origin.clone(), Role::Server))
    }

    /// The credentials for where a redirect leads that left those of the first request behind.
    pub(crate) fn for_elsewhere(&self, origin: &Origin, from: &Origin) -> Option<Credentials> {
        if from.scheme() == Scheme::Https && origin.scheme() == Scheme::Http {
            return None;
        }
        if self.secret.is_some() {
            return None;
        }
        let secret = self.netrc.as_ref()?.login(origin.host(), None)?;
        Some(secret.scoped(origin.clone(), Role::Server))
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    fn origin(url: &str) -> Origin {
        Origin::from_url(&Url::parse(url).unwrap()).unwrap()
    }

    fn login(user: &str, password: &str) -> Secret {
        Secret::login(user, password).unwrap()
    }

    #[test]
    fn which_source_wins() {
        let netrc = Netrc::parse("machine a login net password rc").ok();
        let given = Some(login("given", "x"));
        let of_url = Some(login("url", "y"));
        let bare = Some(login("net", ""));
        let stranger = Some(login("other", ""));
        let file = Some(login("net", "rc"));
        // given, netrc, before the URL, the URL's own, and which it is
        let table = [
            (&None, &None, false, &None, &None),
            (&given, &netrc, true, &of_url, &given),
            (&None, &None, false, &of_url, &of_url),
            (&None, &netrc, false, &of_url, &of_url),
            (&None, &netrc, false, &bare, &file),
            (&None, &netrc, true, &bare, &file),
            (&None, &netrc, true, &stranger, &stranger),
            (&None, &netrc, false, &None, &file),
        ];
        for (at, (secret, netrc, netrc_before_url, of_url, want)) in table.into_iter().enumerate() {
            let (secret, netrc) = (secret.clone(), netrc.clone());
            let policy = AuthPolicy { secret, netrc, netrc_before_url, ..AuthPolicy::default() };
            let origin = origin("http://a/");
            let want = want.clone().map(|secret| secret.scoped(origin.clone(), Role::Server));
            assert_eq!(policy.for_first(&origin, of_url.as_ref()), want, "{at}");
        }
    }

    /// Guard: what a host's login was written for is not shown in plaintext by a redirect.
    #[test]
    fn a_netrc_login_does_not_follow_from_https_to_http() {
        let netrc = Netrc::parse("machine a login net password rc").ok();
        let policy = AuthPolicy { netrc, ..AuthPolicy::default() };
        let elsewhere = |from, to| policy.for_elsewhere(&origin(to), &origin(from)).is_some();
        assert!(elsewhere("http://b/", "http://a/") && elsewhere("http://b/", "https://a/"));
        assert!(elsewhere("https://b/", "https://a:444/"));
        assert!(!elsewhere("https://a/", "http://a/") && !elsewhere("https://b/", "http://a/"));
        assert!(!elsewhere("http://a/", "http://b/"));
    }

    #[test]
    fn who_was_named_for_the_first_origin_is_nobody_elsewhere() {
        let netrc = Netrc::parse("machine a login net password rc").ok();
        let policy =
            AuthPolicy { secret: Some(login("given", "x")), netrc, ..AuthPolicy::default() };
        assert_eq!(policy.for_elsewhere(&origin("http://a/"), &origin("http://b/")), None);
    }
}
