//! The Digest scheme (RFC 7616).
//!
//! Knows what a challenge offers, and the response that proves the password. Must not know when a
//! challenge is to be answered. Invariants: a nonce is used with a count that only rises; client
//! nonces come from a seed that is handed in; of several hashes the strongest is taken, and none that
//! is unknown.

use ::http::Method;
use md5::Md5;
use sha2::digest::Digest as _;
use sha2::{Sha256, Sha512_256};

use super::challenge::{Challenge, parameters};
use crate::limits;

/// What a challenge asks for, if that can be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) realm: Vec<u8>,
    pub(super) hash: Hash,
    /// The nonce is another, but the password was right (RFC 7616, 3.3).
    pub(super) stale: bool,
    nonce: Vec<u8>,
    opaque: Option<Vec<u8>>,
    /// As the challenge has it: named in the answer if it is named there.
    algorithm: Option<&'static str>,
    /// The password's hash is bound to the first nonces (`-sess`).
    is_session: bool,
    /// `qop=auth`; otherwise as in RFC 2069, without client nonce and count.
    has_qop: bool,
    hashes_user: bool,
    is_utf8: bool,
}

/// A hash, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Hash {
    Md5,
    Sha256,
    Sha512_256,
}

/// An offer that was taken up: what requests go on with until the server says otherwise.
pub(super) struct Session {
    offer: Offer,
    client_nonce: String,
    /// Requests made with the nonce.
    count: u32,
    /// `H(A1)`: what of the password is needed.
    secret: String,
}

/// Where client nonces come from: a seed, and how many it has given.
#[derive(Clone)]
pub struct ClientNonces {
    seed: [u8; 32],
    given: u64,
}

const ALGORITHMS: [(&str, Hash, bool); 6] = [
    ("MD5", Hash::Md5, false),
    ("MD5-sess", Hash::Md5, true),
    ("SHA-256", Hash::Sha256, false),
    ("SHA-256-sess", Hash::Sha256, true),
    ("SHA-512-256", Hash::Sha512_256, false),
    ("SHA-512-256-sess", Hash::Sha512_256, true),
];

impl Offer {
    /// `None` for another scheme, an unknown algorithm, or protection of the body (`auth-int`) alone.
    pub(super) fn of(challenge: &Challenge) -> Option<Offer> {
        if !challenge.is("Digest") {
            return None;
        }
        let is = |name, value: &str| {
            challenge.parameter(name).is_some_and(|is| is.eq_ignore_ascii_case(value.as_bytes()))
        };
        let (algorithm, hash, is_session) = match challenge.parameter("algorithm") {
            None => (None, Hash::Md5, false),
            Some(given) => {
                let mut known = ALGORITHMS.into_iter();
                known
                    .find(|(name, ..)| given.eq_ignore_ascii_case(name.as_bytes()))
                    .map(|(name, hash, is_session)| (Some(name), hash, is_session))?
            }
        };
        let list = challenge.parameter("qop").unwrap_or_default();
        let offers = |qop: &[u8]| {
            let mut options = list.split(|byte| matches!(byte, b',' | b';' | b' ' | b'\t'));
            options.any(|option| option.eq_ignore_ascii_case(qop))
        };
        // of an empty list, and of one that has nothing that is known, nothing is chosen
        let has_qop = offers(b"auth");
        if !has_qop && (is_session || offers(b"auth-int")) {
            return None;
        }
        // a realm that is left out is hashed as an empty one, by servers as by curl
        let realm = challenge.parameter("realm").unwrap_or_default();
        let nonce = challenge.parameter("nonce")?;
        let opaque = challenge.parameter("opaque");
        if !can_be_kept(&[realm, nonce, opaque.unwrap_or_default()]) {
            return None;
        }
        Some(Offer {
            realm: realm.to_vec(),
            hash,
            stale: is("stale", "true"),
            nonce: nonce.to_vec(),
            opaque: opaque.map(<[u8]>::to_vec),
            algorithm,
            is_session,
            has_qop,
            hashes_user: is("userhash", "true"),
            is_utf8: is("charset", "UTF-8"),
        })
    }
}

/// What a server has said is kept, and said to it again.
fn can_be_kept(texts: &[&[u8]]) -> bool {
    let size: usize = texts.iter().map(|text| text.len()).sum();
    size <= limits::DIGEST_TEXTS && !texts.iter().any(|text| text.iter().any(u8::is_ascii_control))
}

impl Session {
    pub(super) fn new(
        offer: Offer,
        user: &[u8],
        password: &[u8],
        nonces: &mut ClientNonces,
    ) -> Session {
        let client_nonce = nonces.next();
        let mut secret = offer.hash.hex(&[user, &offer.realm, password]);
        if offer.is_session {
            let parts = [secret.as_bytes(), &offer.nonce, client_nonce.as_bytes()];
            secret = offer.hash.hex(&parts);
        }
        Session { offer, client_nonce, count: 0, secret }
    }

    pub(super) fn realm(&self) -> &[u8] {
        &self.offer.realm
    }

    /// The credentials for the next request; `None` when the nonce has been used up.
    pub(super) fn answer(&mut self, user: &[u8], method: &Method, target: &str) -> Option<Vec<u8>> {
        self.count = self.count.checked_add(1)?;
        let Session { offer, client_nonce, count, secret } = self;
        let count = format!("{count:08x}");
        let of_request = offer.hash.hex(&[method.as_str().as_bytes(), target.as_bytes()]);
        let response = match offer.has_qop {
            true => offer.hash.hex(&[
                secret.as_bytes(),
                &offer.nonce,
                count.as_bytes(),
                client_nonce.as_bytes(),
                b"auth",
                of_request.as_bytes(),
            ]),
            false => offer.hash.hex(&[secret.as_bytes(), &offer.nonce, of_request.as_bytes()]),
        };
        let mut value = Parameters(b"Digest ".to_vec());
        value.user(offer, user);
        value.quoted("realm", &offer.realm);
        value.quoted("uri", target.as_bytes());
        if let Some(algorithm) = offer.algorithm {
            value.token("algorithm", algorithm);
        }
        value.quoted("nonce", &offer.nonce);
        if offer.has_qop {
            value.token("nc", &count);
            value.quoted("cnonce", client_nonce.as_bytes());
            value.token("qop", "auth");
        }
        value.quoted("response", response.as_bytes());
        if let Some(opaque) = &offer.opaque {
            value.quoted("opaque", opaque);
        }
        if offer.hashes_user {
            value.token("userhash", "true");
        }
        Some(value.0)
    }

    /// Whether an offer is of the same nonce, and so one to go on with: counts of a nonce only rise.
    pub(super) fn is_of(&self, offer: &Offer) -> bool {
        self.offer == Offer { stale: self.offer.stale, ..offer.clone() }
    }

    /// Goes on with the nonce that an Authentication-Info names, if it names another one.
    pub(super) fn note_info(&mut self, info: &[u8]) {
        let Some(found) = parameters(info) else { return };
        let next = found.into_iter().find(|(name, _)| name == "nextnonce");
        if let Some((_, nonce)) = next
            && nonce != self.offer.nonce
            && can_be_kept(&[&self.offer.realm, &nonce])
        {
            self.offer.nonce = nonce;
            self.count = 0;
        }
    }
}

impl ClientNonces {
    /// From a seed that nobody else knows.
    pub fn new(seed: [u8; 32]) -> ClientNonces {
        ClientNonces { seed, given: 0 }
    }

    fn next(&mut self) -> String {
        self.given += 1;
        let hash = Sha256::new().chain_update(self.seed).chain_update(self.given.to_be_bytes());
        hex(&hash.finalize()[..16])
    }
}

impl Hash {
    /// The hash of the parts, joined by colons, in hexadecimal digits.
    fn hex(self, parts: &[&[u8]]) -> String {
        let input = parts.join(&b':');
        match self {
            Hash::Md5 => hex(&Md5::digest(input)),
            Hash::Sha256 => hex(&Sha256::digest(input)),
            Hash::Sha512_256 => hex(&Sha512_256::digest(input)),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A field value in the making.
struct Parameters(Vec<u8>);

impl Parameters {
    fn user(&mut self, offer: &Offer, user: &[u8]) {
        if offer.hashes_user {
            let hash = offer.hash.hex(&[user, &offer.realm]);
            self.quoted("username", hash.as_bytes());
        } else if offer.is_utf8 && !user.is_ascii() && std::str::from_utf8(user).is_ok() {
            self.token("username*", &format!("UTF-8''{}", extended(user)));
        } else {
            self.quoted("username", user);
        }
    }

    fn token(&mut self, name: &str, value: &str) {
        self.name(name);
        self.0.extend_from_slice(value.as_bytes());
    }

    fn quoted(&mut self, name: &str, value: &[u8]) {
        self.name(name);
        self.0.push(b'"');
        for &byte in value {
            if matches!(byte, b'"' | b'\\') {
                self.0.push(b'\\');
            }
            self.0.push(byte);
        }
        self.0.push(b'"');
    }

    fn name(&mut self, name: &str) {
        if self.0.last() != Some(&b' ') {
            self.0.extend_from_slice(b", ");
        }
        self.0.extend_from_slice(name.as_bytes());
        self.0.push(b'=');
    }
}

/// `value-chars` of RFC 8187, 3.2.1.
fn extended(text: &[u8]) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte);
    let encoded = text.iter().map(|&byte| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    encoded.collect()
}

#[cfg(test)]
mod tests {
    use super::super::challenge::challenges;
    use super::*;
    use crate::protocol::auth::with_head;

    fn offer(challenge: &str) -> Option<Offer> {
        with_head(401, &[("WWW-Authenticate", challenge)], |head| {
            challenges(head, "www-authenticate").first().and_then(Offer::of)
        })
    }

    /// The answer with this client nonce, as text.
    fn answer(challenge: &str, user: &str, password: &str, client_nonce: &str) -> String {
        let offer = offer(challenge).expect("an offer");
        let nonces = &mut ClientNonces::new([0; 32]);
        let mut session = Session::new(offer, user.as_bytes(), password.as_bytes(), nonces);
        session.client_nonce = client_nonce.to_owned();
        let target = if user == "Mufasa" { "/dir/index.html" } else { "/doe.json" };
        let value = session.answer(user.as_bytes(), &Method::GET, target).expect("a fresh nonce");
        String::from_utf8(value).expect("text")
    }

    #[track_caller]
    fn has(value: &str, parameter: &str) {
        assert!(value.contains(parameter), "{parameter} in {value}");
    }

    /// RFC 7616, 3.9.1: one request, two hashes.
    #[test]
    fn the_rfcs_first_example() {
        let hashes = [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ];
        for (algorithm, response) in hashes {
            let value = answer(
                &format!(
                    "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", \
                     algorithm={algorithm}, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
                     opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
                ),
                "Mufasa",
                "Circle of Life",
                "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            );
            assert_eq!(
                value,
                format!(
                    "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", \
                     uri=\"/dir/index.html\", algorithm={algorithm}, \
                     nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, \
                     cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, \
                     response=\"{response}\", \
                     opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
                )
            );
        }
    }

    /// RFC 7616, 3.9.2, with the hashes of its erratum 4897: those printed are of SHA-512, cut.
    #[test]
    fn the_rfcs_second_example() {
        let value = answer(
            "Digest realm=\"api@example.org\", qop=\"auth\", algorithm=SHA-512-256, \
             nonce=\"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK\", \
             opaque=\"HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS\", charset=UTF-8, userhash=true",
            "J\u{e4}s\u{f8}n Doe",
            "Secret, or not?",
            "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
        );
        let user = "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b";
        let response = "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5";
        has(&value, &format!("username=\"{user}\""));
        has(&value, &format!("response=\"{response}\""));
        has(&value, "userhash=true");
    }

    /// RFC 2617, 3.5, and the same without qop, as of RFC 2069.
    #[test]
    fn older_servers() {
        let challenge = "Digest realm=\"testrealm@host.com\", \
                         nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"";
        let with_qop = format!("{challenge}, qop=auth");
        let value = answer(&with_qop, "Mufasa", "Circle Of Life", "0a4f113b");
        has(&value, "response=\"6629fae49393a05397450978507c4ef1\"");
        assert!(!value.contains("algorithm"), "{value}");
        let value = answer(challenge, "Mufasa", "Circle Of Life", "unused");
        has(&value, "response=\"670fd8c2df070c60b045671b8b24ff02\"");
        assert!(!value.contains("nc=") && !value.contains("cnonce"), "{value}");
    }

    /// The client nonce that went into the secret is the one that is sent, with each request.
    #[test]
    fn the_nonces_of_a_session_stay() {
        let offer = offer("Digest realm=r, nonce=n, qop=auth, algorithm=SHA-256-sess").unwrap();
        let nonces = &mut ClientNonces::new([7; 32]);
        let mut session = Session::new(offer, b"u", b"p", nonces);
        let client_nonce = session.client_nonce.clone();
        let a1 = Hash::Sha256.hex(&[b"u", b"r", b"p"]);
        let a1 = Hash::Sha256.hex(&[a1.as_bytes(), b"n", client_nonce.as_bytes()]);
        let a2 = Hash::Sha256.hex(&[b"GET", b"/"]);
        for count in ["00000001", "00000002"] {
            let parts: [&[u8]; 6] = [
                a1.as_bytes(),
                b"n",
                count.as_bytes(),
                client_nonce.as_bytes(),
                b"auth",
                a2.as_bytes(),
            ];
            let value = session.answer(b"u", &Method::GET, "/").unwrap();
            let value = String::from_utf8(value).unwrap();
            has(&value, &format!("response=\"{}\"", Hash::Sha256.hex(&parts)));
            has(&value, &format!("nc={count}, cnonce=\"{client_nonce}\""));
        }
        assert_ne!(nonces.next(), nonces.next());
    }

    #[test]
    fn counts_rise_and_end() {
        let offer = offer("Digest realm=r, nonce=n, qop=auth").unwrap();
        let mut session = Session::new(offer, b"u", b"p", &mut ClientNonces::new([0; 32]));
        session.count = u32::MAX - 1;
        assert!(session.answer(b"u", &Method::GET, "/").is_some());
        assert_eq!(session.answer(b"u", &Method::GET, "/"), None);
        session.note_info(b"rspauth=\"x\", nextnonce=\"m\"");
        let value = String::from_utf8(session.answer(b"u", &Method::GET, "/").unwrap()).unwrap();
        has(&value, "nonce=\"m\", nc=00000001");
        session.note_info(b"nextnonce=\"m");
        let value = String::from_utf8(session.answer(b"u", &Method::GET, "/").unwrap()).unwrap();
        has(&value, "nonce=\"m\", nc=00000002");
        // the one that there is
        session.note_info(b"nextnonce=\"m\"");
        let value = String::from_utf8(session.answer(b"u", &Method::GET, "/").unwrap()).unwrap();
        has(&value, "nonce=\"m\", nc=00000003");
        session.note_info(format!("nextnonce={}", "x".repeat(limits::DIGEST_TEXTS)).as_bytes());
        let value = String::from_utf8(session.answer(b"u", &Method::GET, "/").unwrap()).unwrap();
        has(&value, "nonce=\"m\", nc=00000004");
    }

    #[test]
    fn names_of_users() {
        let challenge = |more: &str| format!("Digest realm=\"r\", nonce=\"n\", qop=auth{more}");
        let value = |more, user| answer(&challenge(more), user, "p", "c");
        has(&value("", "a\"b\\c"), r#"username="a\"b\\c""#);
        has(&value("", "ä"), "username=\"ä\"");
        has(&value(", charset=UTF-8", "ä b"), "username*=UTF-8''%C3%A4%20b, ");
        has(&value(", charset=UTF-8", "a b"), "username=\"a b\"");
        let hashed = value(", charset=UTF-8, userhash=true", "ä");
        has(&hashed, &format!("username=\"{}\"", Hash::Md5.hex(&["ä".as_bytes(), b"r"])));
    }

    #[test]
    fn what_is_no_offer() {
        let good = "Digest realm=r, nonce=n, qop=auth";
        assert!(offer(good).is_some_and(|offer| !offer.stale));
        assert!(offer(&format!("{good}, stale=TRUE")).is_some_and(|offer| offer.stale));
        let bad = [
            "Basic realm=r",
            "Digest realm=r, qop=auth",
            "Digest realm=r, nonce=n, qop=auth-int",
            "Digest realm=r, nonce=n, qop=\"\", algorithm=MD5-sess",
            "Digest realm=r, nonce=\"n\tm\", qop=auth",
            "Digest realm=r, nonce=n, qop=auth, algorithm=SHA-1",
            "Digest realm=r, nonce=n, algorithm=MD5-sess",
            "Digest abc=",
        ];
        for challenge in bad {
            assert_eq!(offer(challenge), None, "{challenge}");
        }
        let sized = |size: usize| offer(&format!("Digest nonce={}", "x".repeat(size)));
        assert!(sized(limits::DIGEST_TEXTS).is_some() && sized(limits::DIGEST_TEXTS + 1).is_none());
    }

    /// As curl 7.88 answers them, but for the semicolons and the list in blanks, of which it makes nothing.
    #[test]
    fn challenges_as_servers_write_them() {
        let table = [
            ("realm=r, nonce=n, qop=\"\"", "r", "n", false),
            ("realm=r, nonce=n, qop=\"later\"", "r", "n", false),
            ("nonce=n, qop=auth", "", "n", true),
            ("realm=r, nonce=m, nonce=n, qop=auth", "r", "n", true),
            ("realm=q, nonce=n, realm=\"r s\", qop=auth", "r s", "n", true),
            ("realm=r, nonce=n, algorithm=SHA-1, algorithm=MD5, qop=auth", "r", "n", true),
            ("realm=r, nonce=n, qop=\"auth-int,auth\"", "r", "n", true),
            ("realm=r, qop=auth-int,auth, nonce=n", "r", "n", true),
            ("realm=r, qop=auth,auth-int, nonce=n", "r", "n", true),
            ("realm=r, qop=\"auth auth-int\", nonce=n", "r", "n", true),
            ("realm=\"r\"; nonce=\"n\"; qop=\"auth\"", "r", "n", true),
            ("realm=\"r\" nonce=\"n\" qop=\"auth\"", "r", "n", true),
            ("realm=my router, nonce=ab==, qop=auth", "my router", "ab==", true),
            ("realm=r, nonce=\"\", qop=auth", "r", "", true),
        ];
        for (parameters, realm, nonce, has_qop) in table {
            let offer = offer(&format!("Digest {parameters}")).expect(parameters);
            let texts = (&offer.realm[..], &offer.nonce[..]);
            assert_eq!(texts, (realm.as_bytes(), nonce.as_bytes()), "{parameters}");
            assert_eq!((offer.has_qop, offer.hash), (has_qop, Hash::Md5), "{parameters}");
        }
    }
}
