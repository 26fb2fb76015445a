//! Digest as a server or a proxy sees it (RFC 7616, 3.4): whether a request proves that it knows the password.

use md5::{Digest as _, Md5};
use sha2::{Sha256, Sha512_256};

use super::hostile::SeenRequest;

/// What is asked of requests, and by whom.
#[derive(Clone, Copy, Debug)]
pub struct Guard {
    /// The field that has the credentials, in any case.
    pub field: &'static str,
    /// One of MD5, SHA-256, SHA-512-256, or one of them with `-sess`.
    pub algorithm: &'static str,
    /// The user.
    pub user: &'static str,
    /// The password.
    pub password: &'static str,
    /// The realm.
    pub realm: &'static str,
    /// The nonce of the challenge.
    pub nonce: &'static str,
}

impl Guard {
    /// That of a proxy.
    pub fn of_proxy(algorithm: &'static str) -> Guard {
        let (user, password) = ("user", "pass");
        let (realm, nonce) = ("of the proxy", "n1");
        Guard { field: "proxy-authorization", algorithm, user, password, realm, nonce }
    }

    /// The value of the field that challenges.
    pub fn challenge(&self) -> String {
        let Guard { algorithm, realm, nonce, .. } = self;
        format!("Digest realm=\"{realm}\", qop=\"auth\", algorithm={algorithm}, nonce=\"{nonce}\"")
    }

    /// Whether the request proves that it comes from the user.
    pub fn admits(&self, request: &SeenRequest) -> bool {
        let Some(value) = request.field(self.field) else { return false };
        let Some(value) = value.strip_prefix("Digest ") else { return false };
        let of = |name: &str| parameter(value, name).unwrap_or_default();
        // some clients leave out what a proxy alone needs of the target
        let (target, uri) = (request.target(), of("uri"));
        let names_target = target == uri || target.ends_with(&uri) && uri.starts_with('/');
        let (nonce, client_nonce, count) = (of("nonce"), of("cnonce"), of("nc"));
        let mut secret = self.hash(&[self.user, self.realm, self.password]);
        if self.algorithm.ends_with("-sess") {
            secret = self.hash(&[&secret, &nonce, &client_nonce]);
        }
        let of_request = self.hash(&[&request.method(), &uri]);
        let response = [&secret[..], &nonce, &count, &client_nonce, "auth", &of_request];
        names_target
            && nonce == self.nonce
            && of("username") == self.user
            && of("realm") == self.realm
            && of("response") == self.hash(&response)
    }

    fn hash(&self, parts: &[&str]) -> String {
        let text = parts.join(":");
        match self.algorithm.trim_end_matches("-sess") {
            "MD5" => hex(&Md5::digest(text)),
            "SHA-256" => hex(&Sha256::digest(text)),
            "SHA-512-256" => hex(&Sha512_256::digest(text)),
            other => panic!("no algorithm: {other}"),
        }
    }
}

/// A parameter of credentials, without its quotation marks.
pub fn parameter(value: &str, name: &str) -> Option<String> {
    let own = |part: &str| {
        let (found, value) = part.trim().split_once('=')?;
        (found == name).then(|| value.trim_matches('"').to_owned())
    };
    value.split(',').find_map(own)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
