//! Sessions against rustls' own server, back to back in memory.

use std::io::{Read, Write};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    SanType, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion};

use super::*;
use crate::error::{CertificateFault, TlsFaultKind};
use crate::tls::TlsPolicyBuilder;

const HOST: &str = "files.example";
const BOTH: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12, &rustls::version::TLS13];

/// An authority that everybody in a test trusts.
struct Authority {
    pem: String,
    der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

struct Signed {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    fn new() -> Authority {
        Authority::named("test authority")
    }

    fn named(name: &str) -> Authority {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.self_signed(&key).unwrap();
        Authority {
            pem: certificate.pem(),
            der: certificate.der().clone(),
            issuer: Issuer::new(params, key),
        }
    }

    fn sign(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Signed {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        Signed { certificate: params.signed_by(&key, &self.issuer).unwrap(), key }
    }

    fn server(&self, names: &[&str]) -> ServerConfig {
        self.sign(names, |_| ()).serve(BOTH)
    }

    fn policy(&self) -> TlsPolicyBuilder {
        TlsPolicy::builder().only_these_roots().add_roots_pem(self.pem.as_str())
    }
}

impl Signed {
    fn chain(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = PrivatePkcs8KeyDer::from(self.key.serialize_der());
        (vec![self.certificate.der().clone()], key.into())
    }

    fn serve(&self, versions: &[&'static SupportedProtocolVersion]) -> ServerConfig {
        let (chain, key) = self.chain();
        server_builder(versions).with_no_client_auth().with_single_cert(chain, key).unwrap()
    }
}

fn server_builder(
    versions: &[&'static SupportedProtocolVersion],
) -> rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier> {
    ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_protocol_versions(versions)
        .unwrap()
}

/// A client and a server, and what travels between them.
struct Pair {
    client: TlsSession,
    server: ServerConnection,
    /// Bytes that the client gets, or gives, at once.
    step: usize,
    received: Vec<u8>,
    server_received: Vec<u8>,
    server_error: Option<Error>,
}

impl Pair {
    fn new(policy: &TlsPolicy, host: &str, server: &Arc<ServerConfig>) -> Pair {
        Pair {
            client: TlsSession::new(policy, server_name(host).unwrap(), |_| true).unwrap(),
            server: ServerConnection::new(server.clone()).unwrap(),
            step: usize::MAX,
            received: Vec::new(),
            server_received: Vec::new(),
            server_error: None,
        }
    }

    fn stepping(mut self, step: usize) -> Pair {
        self.step = step;
        self
    }

    /// Moves bytes in both directions until nothing moves.
    fn run(&mut self) -> Result<(), TlsFault> {
        // a bound on rounds: no progress for ever is a failure, not a hanging test
        for _ in 0..1_000_000 {
            let sent = self.deliver_to_server();
            let wire = self.collect_from_server();
            self.give(&wire)?;
            if !sent && wire.is_empty() {
                return Ok(());
            }
        }
        panic!("the two never stop talking");
    }

    fn deliver_to_server(&mut self) -> bool {
        let mut out = vec![0; self.step.min(20_000)];
        let mut sent = false;
        while self.client.wants_send() {
            let n = self.client.fill(&mut out);
            assert_ne!(n, 0, "wants to send, and does not");
            sent = true;
            self.server_takes(&out[..n]);
        }
        sent
    }

    fn server_takes(&mut self, mut wire: &[u8]) {
        while !wire.is_empty() {
            if self.server.read_tls(&mut wire).unwrap() == 0 {
                return;
            }
            if let Err(error) = self.server.process_new_packets() {
                self.server_error = Some(error);
                return;
            }
            let _ = self.server.reader().read_to_end(&mut self.server_received);
        }
    }

    fn collect_from_server(&mut self) -> Vec<u8> {
        let mut wire = Vec::new();
        while self.server.wants_write() {
            self.server.write_tls(&mut wire).unwrap();
        }
        wire
    }

    fn give(&mut self, wire: &[u8]) -> Result<(), TlsFault> {
        for piece in wire.chunks(self.step) {
            self.give_whole(piece)?;
        }
        Ok(())
    }

    fn give_whole(&mut self, mut wire: &[u8]) -> Result<(), TlsFault> {
        while !wire.is_empty() {
            let n = self.client.receive(wire)?;
            assert_ne!(n, 0, "neither bytes taken nor plaintext to consume");
            wire = &wire[n..];
            // in two bites, as a parser may
            while !self.client.plaintext.is_empty() {
                let mut plain = self.client.lend_plaintext();
                let bite = plain.len().div_ceil(2);
                self.received.extend_from_slice(&plain.front()[..bite]);
                plain.consume(bite);
                self.client.give_back(plain);
            }
        }
        Ok(())
    }

    fn send(&mut self, plain: &[u8]) -> Result<(), TlsFault> {
        let mut rest = plain;
        while !rest.is_empty() {
            let n = self.client.write(rest)?;
            rest = &rest[n..];
            assert!(self.deliver_to_server() || n > 0, "nothing moves");
        }
        Ok(())
    }

    fn answer(&mut self, plain: &[u8]) -> Result<(), TlsFault> {
        for part in plain.chunks(10_000) {
            self.server.writer().write_all(part).unwrap();
            let wire = self.collect_from_server();
            self.give(&wire)?;
        }
        Ok(())
    }

    fn assert_holds_nothing(&self) {
        let client = &self.client;
        assert_eq!(client.incoming.capacity(), 0);
        assert_eq!(client.plaintext.bytes.capacity(), 0);
        assert_eq!(client.outgoing.bytes.capacity(), 0);
        assert!(client.handshake.is_none());
    }
}

fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..len).map(|_| byte()).collect()
}

/// The fault of a handshake that must not succeed; one line, and it stays.
fn refused(policy: &TlsPolicy, host: &str, server: ServerConfig) -> (String, Pair) {
    let mut pair = Pair::new(policy, host, &Arc::new(server));
    let fault = pair.run().expect_err("must be refused");
    let line = fault.to_string();
    assert!(!line.contains('\n'), "{line}");
    assert_eq!(pair.client.receive(b"x"), Err(fault.clone()));
    assert_eq!(pair.client.write(b"x"), Err(fault));
    (line, pair)
}

/// The server's view of why the client left.
fn alert_told(pair: &mut Pair) -> Option<Error> {
    assert!(pair.client.wants_send(), "the peer must learn");
    pair.deliver_to_server();
    pair.server_error.take()
}

#[test]
fn exchange_in_steps_of_every_size() {
    let authority = Authority::new();
    let policy = authority.policy().session_cache(0).build().unwrap();
    for (versions, version) in [
        (&BOTH[..1], TlsVersion::Tls12),
        (&BOTH[1..], TlsVersion::Tls13),
        (BOTH, TlsVersion::Tls13),
    ] {
        let server = Arc::new(authority.sign(&[HOST], |_| ()).serve(versions));
        for step in [1, 2, 3, 4, 5, 6, 7, 64, 1000, 4096, 16_406, usize::MAX] {
            let mut pair = Pair::new(&policy, HOST, &server).stepping(step);
            assert!(pair.client.is_handshaking());
            pair.run().unwrap();
            assert!(!pair.client.is_handshaking());
            assert_eq!(pair.client.version(), Some(version));
            assert!(!pair.client.resumed());
            pair.assert_holds_nothing();

            pair.send(b"GET / HTTP/1.1\r\n\r\n").unwrap();
            assert_eq!(pair.server_received, b"GET / HTTP/1.1\r\n\r\n");
            let body = noise(40_000);
            pair.answer(&body).unwrap();
            assert_eq!(pair.received, body);
            pair.assert_holds_nothing();
        }
    }
}

#[test]
fn handshake_split_in_two_at_every_byte() {
    let authority = Authority::new();
    let policy = authority.policy().session_cache(0).build().unwrap();
    for versions in [&BOTH[..1], &BOTH[1..]] {
        let server = Arc::new(authority.sign(&[HOST], |_| ()).serve(versions));
        let mut split = 0;
        loop {
            let mut pair = Pair::new(&policy, HOST, &server);
            pair.deliver_to_server();
            let wire = pair.collect_from_server();
            if split > wire.len() {
                break;
            }
            let (head, tail) = wire.split_at(split);
            pair.give_whole(head).unwrap();
            pair.give_whole(tail).unwrap();
            pair.run().unwrap();
            assert!(!pair.client.is_handshaking(), "split at {split}");
            split += 1;
        }
        assert!(split > 500, "{split} splits are no handshake");
    }
}

#[test]
fn request_leaves_in_the_flight_that_ends_the_handshake() {
    let authority = Authority::new();
    let policy = authority.policy().build().unwrap();
    let mut pair = Pair::new(&policy, HOST, &Arc::new(authority.server(&[HOST])));
    assert_eq!(pair.client.write(b"early"), Ok(0));
    pair.deliver_to_server();
    let wire = pair.collect_from_server();
    pair.give(&wire).unwrap();
    assert_eq!(pair.client.write(b"hello"), Ok(5));
    let mut out = [0; 4096];
    let n = pair.client.fill(&mut out);
    assert!(!pair.client.wants_send());
    pair.server_takes(&out[..n]);
    assert_eq!(pair.server_received, b"hello");
}

#[test]
fn large_bodies_in_both_directions() {
    let authority = Authority::new();
    let policy = authority.policy().build().unwrap();
    for versions in [&BOTH[..1], &BOTH[1..]] {
        let server = Arc::new(authority.sign(&[HOST], |_| ()).serve(versions));
        let mut pair = Pair::new(&policy, HOST, &server);
        pair.run().unwrap();
        let body = noise(3_000_001);
        pair.send(&body).unwrap();
        assert!(pair.server_received == body);
        pair.answer(&body).unwrap();
        assert!(pair.received == body);
        pair.assert_holds_nothing();
    }
}

#[test]
fn write_accepts_no_more_than_its_bound() {
    let authority = Authority::new();
    let policy = authority.policy().build().unwrap();
    let mut pair = Pair::new(&policy, HOST, &Arc::new(authority.server(&[HOST])));
    pair.run().unwrap();
    let body = noise(1_000_000);
    let mut accepted = 0;
    loop {
        match pair.client.write(&body[accepted..]).unwrap() {
            0 => break,
            n => accepted += n,
        }
    }
    assert!((OUTGOING_BYTES / 2..=OUTGOING_BYTES).contains(&accepted), "{accepted}");
    assert!(pair.client.outgoing.len() < OUTGOING_BYTES + 8 * RECORD_OVERHEAD_BYTES);
    pair.deliver_to_server();
    assert!(pair.server_received == body[..accepted]);
    assert_ne!(pair.client.write(&body[accepted..]), Ok(0));
}

#[test]
fn plaintext_not_consumed_holds_back_the_wire() {
    let authority = Authority::new();
    let policy = authority.policy().build().unwrap();
    let mut pair = Pair::new(&policy, HOST, &Arc::new(authority.server(&[HOST])));
    pair.run().unwrap();
    let body = noise(60_000);
    pair.server.writer().write_all(&body).unwrap();
    let wire = pair.collect_from_server();
    let n = pair.client.receive(&wire).unwrap();
    assert!(n < wire.len());
    assert_eq!(pair.client.plaintext.len(), RECORD_PLAINTEXT_BYTES);
    assert_eq!(pair.client.receive(&wire[n..]), Ok(0));
    let mut plain = pair.client.lend_plaintext();
    pair.received = plain.front().to_vec();
    plain.consume(pair.received.len());
    pair.client.give_back(plain);
    pair.give(&wire[n..]).unwrap();
    assert!(pair.received == body);
}

#[test]
fn close_notify_and_truncation_are_told_apart() {
    let authority = Authority::new();
    let policy = authority.policy().build().unwrap();
    for versions in [&BOTH[..1], &BOTH[1..]] {
        let server = Arc::new(authority.sign(&[HOST], |_| ()).serve(versions));
        let mut pair = Pair::new(&policy, HOST, &server);
        pair.run().unwrap();
        pair.answer(b"part").unwrap();
        assert!(!pair.client.closed_cleanly(), "an end here is a truncation");

        pair.server.writer().write_all(b" and the rest").unwrap();
        pair.server.send_close_notify();
        let mut wire = pair.collect_from_server();
        wire.extend_from_slice(b"bytes after the end, not even a record");
        pair.give(&wire).unwrap();
        assert!(pair.client.closed_cleanly());
        assert_eq!(pair.received, b"part and the rest");
        assert_eq!(pair.client.receive(b"more"), Ok(4));
        assert!(pair.client.plaintext.is_empty());
        // the other direction is still open (RFC 8446, 6.1)
        pair.send(b"thanks").unwrap();
        assert_eq!(pair.server_received, b"thanks");
        pair.client.close();
        pair.deliver_to_server();
        assert!(pair.server.process_new_packets().unwrap().peer_has_closed());
        assert_eq!(pair.client.write(b"x"), Ok(0));
        pair.assert_holds_nothing();
    }
}

#[test]
fn close_sends_close_notify_once_and_not_in_the_handshake() {
    let authority = Authority::new();
    let policy = authority.policy().build().unwrap();
    let mut pair = Pair::new(&policy, HOST, &Arc::new(authority.server(&[HOST])));
    let hello = pair.client.outgoing.len();
    pair.client.close();
    assert_eq!(pair.client.outgoing.len(), hello);
    pair.run().unwrap();
    pair.client.close();
    let once = pair.client.outgoing.len();
    pair.client.close();
    assert_eq!(pair.client.outgoing.len(), once);
    pair.deliver_to_server();
    assert!(pair.server.process_new_packets().unwrap().peer_has_closed());
    pair.answer(b"still heard").unwrap();
    assert_eq!(pair.received, b"still heard");
}

#[test]
fn names_and_addresses_are_verified() {
    let authority = Authority::new();
    let policy = authority.policy().build().unwrap();
    let names = ["files.example", "*.wild.example", "127.0.0.1", "2001:db8::1"];
    let server = Arc::new(authority.server(&names));
    for host in ["files.example", "FILES.example", "a.wild.example", "127.0.0.1", "2001:db8::1"] {
        Pair::new(&policy, host, &server).run().unwrap_or_else(|fault| panic!("{host}: {fault}"));
    }
    for host in ["other.example", "a.b.wild.example", "127.0.0.2", "2001:db8::2"] {
        let fault = Pair::new(&policy, host, &server).run().expect_err(host).to_string();
        assert_eq!(
            fault,
            format!(
                "the server's certificate is not valid for {host}, \
                 only for files.example, *.wild.example, 127.0.0.1 and 1 more"
            )
        );
    }
}

#[test]
fn an_address_that_a_certificate_has_as_a_name_is_told_apart() {
    let authority = Authority::new();
    let policy = authority.policy().build().unwrap();
    let as_name = |params: &mut CertificateParams| {
        params.subject_alt_names = vec![SanType::DnsName("127.0.0.1".try_into().unwrap())];
    };
    let server = Arc::new(authority.sign(&[], as_name).serve(BOTH));
    let fault = Pair::new(&policy, "127.0.0.1", &server).run().expect_err("no address").to_string();
    assert_eq!(
        fault,
        "the server's certificate is not valid for 127.0.0.1, \
         only for 127.0.0.1 as a name of the DNS, which an address is not"
    );
}

#[test]
fn what_is_no_name_is_refused() {
    for host in ["", "a b", "ex\0ample", "[::1]", "ä.example"] {
        assert!(server_name(host).is_err(), "{host:?}");
    }
    assert!(server_name("under_score.example").is_ok());
    assert_eq!(server_name("a.example.").unwrap(), server_name("a.example").unwrap());
}

#[test]
fn certificates_out_of_time_are_refused() {
    let authority = Authority::new();
    let policy = authority.policy().build().unwrap();
    let expired = authority.sign(&[HOST], |params| {
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
    });
    let (fault, mut pair) = refused(&policy, HOST, expired.serve(BOTH));
    assert!(fault.starts_with("the server's certificate expired "), "{fault}");
    assert!(fault.ends_with(" days ago"), "{fault}");
    assert_eq!(
        alert_told(&mut pair),
        Some(Error::AlertReceived(rustls::AlertDescription::CertificateExpired))
    );
    let early = authority.sign(&[HOST], |params| params.not_before = date_time_ymd(4000, 1, 1));
    let (fault, _) = refused(&policy, HOST, early.serve(BOTH));
    assert!(fault.starts_with("the server's certificate is not valid for another "), "{fault}");
}

#[test]
fn unknown_issuers_are_refused_and_told_so() {
    let policy = Authority::new().policy().build().unwrap();
    for version in [&BOTH[..1], &BOTH[1..]] {
        let server = Authority::named("stranger").sign(&[HOST], |_| ()).serve(version);
        let (fault, mut pair) = refused(&policy, HOST, server);
        assert!(fault.ends_with("(unknown issuer)"), "{fault}");
        assert_eq!(
            alert_told(&mut pair),
            Some(Error::AlertReceived(rustls::AlertDescription::UnknownCA))
        );
    }
}

#[test]
fn certificates_for_clients_or_authorities_are_refused() {
    let authority = Authority::new();
    let policy = authority.policy().build().unwrap();
    let client = authority.sign(&[HOST], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let (fault, _) = refused(&policy, HOST, client.serve(BOTH));
    assert_eq!(fault, "the server's certificate is not made for servers");
    let ca = authority.sign(&[HOST], |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    });
    let (fault, _) = refused(&policy, HOST, ca.serve(BOTH));
    assert!(fault.contains("an authority's own, and none that was given"), "{fault}");
}

#[test]
fn insecure_accepts_any_certificate_but_no_foreign_key() {
    let policy = TlsPolicy::builder().insecure().build().unwrap();
    let authority = Authority::new();
    let expired = authority.sign(&["other.example"], |params| {
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
    });
    for version in [&BOTH[..1], &BOTH[1..]] {
        Pair::new(&policy, HOST, &Arc::new(expired.serve(version))).run().unwrap();

        let (_, foreign_key) = authority.sign(&[HOST], |_| ()).chain();
        let provider = rustls::crypto::ring::default_provider();
        let key = provider.key_provider.load_private_key(foreign_key).unwrap();
        let stolen = rustls::sign::CertifiedKey::new(expired.chain().0, key);
        let server = server_builder(version)
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(stolen)));
        let (fault, _) = refused(&policy, HOST, server);
        assert_eq!(fault, "a signature by the server or in its certificates is wrong");
    }
}

#[test]
fn client_certificates_are_presented_on_demand() {
    let authority = Authority::new();
    let mut roots = RootCertStore::empty();
    roots.add(authority.der.clone()).unwrap();
    let client = authority.sign(&["client"], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let nobody = authority.policy().build().unwrap();
    let known = authority
        .policy()
        .client_identity_pem(client.certificate.pem(), client.key.serialize_pem())
        .build()
        .unwrap();
    for version in [&BOTH[..1], &BOTH[1..]] {
        let (chain, key) = authority.sign(&[HOST], |_| ()).chain();
        let verifier = WebPkiClientVerifier::builder_with_provider(
            roots.clone().into(),
            rustls::crypto::ring::default_provider().into(),
        )
        .build()
        .unwrap();
        let server = server_builder(version)
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .unwrap();
        let mut pair = Pair::new(&known, HOST, &Arc::new(server.clone()));
        pair.run().unwrap();
        assert_eq!(pair.server.peer_certificates().unwrap(), client.chain().0);

        let (fault, _) = refused(&nobody, HOST, server);
        assert_eq!(fault, "the peer refused: it demands a client certificate (alert 116)");
    }
}

/// An alert says little: what is known beside is how far the handshake had come, and whether there is a certificate of
/// ours.
#[test]
fn of_an_alert_no_more_is_said_than_is_known() {
    let authority = Authority::new();
    let client = authority.sign(&["client"], |_| ());
    let nobody = authority.policy().build().unwrap();
    let known = authority
        .policy()
        .client_identity_pem(client.certificate.pem(), client.key.serialize_pem())
        .build()
        .unwrap();
    let server = Arc::new(authority.sign(&[HOST], |_| ()).serve(&BOTH[..1]));
    // in the place of a ServerHello, or when the client has sent all that it is to be asked for
    let told = |policy: &TlsPolicy, alert: u8, is_agreed: bool| {
        let mut pair = Pair::new(policy, HOST, &server);
        if is_agreed {
            pair.deliver_to_server();
            let hello = pair.collect_from_server();
            pair.give(&hello).unwrap();
        }
        pair.give(&[21, 3, 3, 0, 2, 2, alert]).unwrap_err().to_string()
    };
    let in_common =
        "it takes none of the ciphers, of the groups or of the kinds of keys that are offered";
    let demanded = "as of a server that demands a client certificate: none was given (alert 40)";
    let table = [
        (&nobody, 40, false, in_common),
        (&known, 40, false, in_common),
        (&nobody, 40, true, demanded),
        (
            &known,
            40,
            true,
            "the peer refused: handshake failure, with the ciphers agreed on (alert 40)",
        ),
        (&nobody, 42, true, "of which none was given (alert 42, BadCertificate)"),
        (&known, 42, true, "it does not accept our certificate (alert 42)"),
        (&nobody, 48, true, "of which none was given (alert 48, UnknownCA)"),
        (&known, 48, true, "it does not know who issued our certificate (alert 48)"),
        (&nobody, 45, true, "of which none was given (alert 45, CertificateExpired)"),
        (
            &nobody,
            47,
            false,
            "it calls something that was sent illegal, and does not say what (alert 47)",
        ),
        (&nobody, 51, true, "it finds a signature or the end of the handshake wrong (alert 51)"),
        (&nobody, 116, true, "it demands a client certificate (alert 116)"),
        (&nobody, 60, true, "the peer refused: alert 60 ("),
    ];
    for (policy, alert, is_agreed, want) in table {
        let told = told(policy, alert, is_agreed);
        assert!(told.contains(want), "{alert}: {told}");
        assert_eq!(told.contains("cipher"), alert == 40, "{told}");
        assert_eq!(told.contains("CBC"), want == in_common, "{told}");
    }
}

#[test]
fn versions_without_overlap_are_refused() {
    let authority = Authority::new();
    let old = authority.policy().versions(TlsVersion::Tls12, TlsVersion::Tls12).build().unwrap();
    let new = authority.policy().versions(TlsVersion::Tls13, TlsVersion::Tls13).build().unwrap();
    let server = authority.sign(&[HOST], |_| ());
    let (fault, _) = refused(&old, HOST, server.serve(&BOTH[1..]));
    assert_eq!(fault, "the peer refused: no version of TLS in common (alert 70)");
    refused(&new, HOST, server.serve(&BOTH[..1]));
    let mut pair = Pair::new(&old, HOST, &Arc::new(server.serve(BOTH)));
    pair.run().unwrap();
    assert_eq!(pair.client.version(), Some(TlsVersion::Tls12));
}

#[test]
fn alpn_is_agreed_on() {
    let authority = Authority::new();
    let mut server = authority.server(&[HOST]);
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let server = Arc::new(server);
    let agreed = |policy: TlsPolicyBuilder| {
        let mut pair = Pair::new(&policy.build().unwrap(), HOST, &server);
        pair.run().map(|()| pair.client.alpn().map(<[u8]>::to_vec))
    };
    assert_eq!(agreed(authority.policy()), Ok(Some(b"h2".to_vec())));
    assert_eq!(agreed(authority.policy().alpn(&[b"http/1.1"])), Ok(Some(b"http/1.1".to_vec())));
    assert_eq!(agreed(authority.policy().alpn(&[b"http/1.1", b"h2"])), Ok(Some(b"h2".to_vec())));
    assert_eq!(agreed(authority.policy().alpn(&[])), Ok(None));
    assert_eq!(
        agreed(authority.policy().alpn(&[b"h9"])).unwrap_err().to_string(),
        "the peer refused: no ALPN protocol in common (alert 120)"
    );
}

#[test]
fn the_name_is_told_unless_ruled_out() {
    let authority = Authority::new();
    let server = Arc::new(authority.server(&[HOST, "127.0.0.1"]));
    let told = |policy: TlsPolicyBuilder, host: &str| {
        let mut pair = Pair::new(&policy.build().unwrap(), host, &server);
        pair.run().unwrap();
        pair.server.server_name().map(str::to_owned)
    };
    assert_eq!(told(authority.policy(), HOST).as_deref(), Some(HOST));
    assert_eq!(told(authority.policy().sni(false), HOST), None);
    assert_eq!(told(authority.policy(), "127.0.0.1"), None);
}

#[test]
fn sessions_are_resumed_under_the_same_policy_only() {
    let authority = Authority::new();
    for version in [&BOTH[..1], &BOTH[1..]] {
        let server = Arc::new(authority.sign(&[HOST, "b.example"], |_| ()).serve(version));
        let resumed = |policy: &TlsPolicy, host: &str| {
            let mut pair = Pair::new(policy, host, &server);
            pair.run().unwrap();
            pair.answer(b"x").unwrap();
            pair.client.resumed()
        };
        let policy = authority.policy().build().unwrap();
        assert!(!resumed(&policy, HOST));
        assert!(resumed(&policy, HOST));
        assert!(resumed(&policy, HOST), "a resumed session gives new tickets");
        assert!(!resumed(&policy, "b.example"));
        assert!(!resumed(&authority.policy().build().unwrap(), HOST));

        let off = authority.policy().session_cache(0).build().unwrap();
        assert!(!resumed(&off, HOST));
        assert!(!resumed(&off, HOST));
    }
}

#[test]
fn a_server_with_many_tickets_keeps_to_its_share() {
    let authority = Authority::new();
    let policy = authority.policy().build().unwrap();
    let mut generous = authority.server(&[HOST]);
    generous.send_tls13_tickets = 100;
    let mut stingy = generous.clone();
    stingy.send_tls13_tickets = 0;
    let resumed = |server: &Arc<ServerConfig>| {
        let mut pair = Pair::new(&policy, HOST, server);
        pair.run().unwrap();
        pair.answer(b"x").unwrap();
        pair.client.resumed()
    };
    assert!(!resumed(&Arc::new(generous)));
    let stingy = Arc::new(stingy);
    let resumptions = (0..100).take_while(|_| resumed(&stingy)).count();
    assert_eq!(resumptions, 4);
}

#[test]
fn the_session_cache_holds_as_many_hosts_as_it_says() {
    const HOSTS: usize = 15;
    let authority = Authority::new();
    let names: Vec<_> = (0..=HOSTS).map(|n| format!("www.host{n}.example")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).chain(["*.wild.example"]).collect();
    let server = Arc::new(authority.server(&names));
    let policy = authority.policy().session_cache(HOSTS).build().unwrap();
    let asked = |name: &str| {
        let mut pair = Pair::new(&policy, name, &server);
        pair.run().unwrap();
        pair.client.resumed()
    };
    let resumed = |host: usize| asked(names[host]);
    for host in 0..HOSTS {
        assert!(!resumed(host));
    }
    for host in 0..HOSTS {
        assert!(resumed(host), "host {host} was forgotten although there was room");
    }
    // one too many: the first leaves, and nobody else
    assert!(!resumed(HOSTS));
    assert!((1..=HOSTS).all(resumed));
    assert!(!resumed(0));
    assert!(!resumed(1), "the first to come in is now the second");
    // a domain of many hosts makes room for itself, once it has more than others
    assert!((0..HOSTS).all(|n| !asked(&format!("h{n}.wild.example"))));
    assert!((4..=HOSTS).all(resumed));
}

#[test]
fn a_tls12_session_that_cannot_be_resumed_is_forgotten() {
    let authority = Authority::new();
    let policy = authority.policy().build().unwrap();
    let server = Arc::new(authority.sign(&[HOST], |_| ()).serve(&BOTH[..1]));
    Pair::new(&policy, HOST, &server).run().unwrap();

    let mut pair = Pair::new(&policy, HOST, &server);
    pair.deliver_to_server();
    let mut wire = pair.collect_from_server();
    *wire.last_mut().unwrap() ^= 1;
    let fault = pair.give(&wire).unwrap_err();
    assert_eq!(fault.to_string(), "a record from the peer cannot be decrypted");
    assert!(pair.client.resumed());

    let mut pair = Pair::new(&policy, HOST, &server);
    pair.run().unwrap();
    assert!(!pair.client.resumed());
}

#[test]
fn peers_without_tls_are_named() {
    let policy = Authority::new().policy().build().unwrap();
    let answers: [(&[u8], &str); 5] = [
        (b"HTTP/1.1 400 Bad Request\r\n", "the peer does not speak TLS: it answered in plain HTTP"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "the peer does not speak TLS"),
        (b"220 mail.example ESMTP\r\n", "the peer does not speak TLS"),
        (b"\x16\x09\x09\x00\x05hello", "the peer does not speak TLS"),
        (&[0; 64], "the peer does not speak TLS"),
    ];
    for (answer, line) in answers {
        for step in [1, usize::MAX] {
            let name = server_name(HOST).unwrap();
            let mut session = TlsSession::new(&policy, name, |_| true).unwrap();
            let fault = answer.chunks(step.min(answer.len())).try_for_each(|piece| {
                let n = session.receive(piece)?;
                assert_ne!(n, 0);
                Ok::<(), TlsFault>(())
            });
            assert_eq!(fault.expect_err(line).to_string(), line, "{answer:?}");
        }
    }
}

#[test]
fn damage_at_any_byte_is_a_fault_or_harmless_and_never_a_panic() {
    let authority = Authority::new();
    let policy = authority.policy().session_cache(0).build().unwrap();
    for version in [&BOTH[..1], &BOTH[1..]] {
        let server = Arc::new(authority.sign(&[HOST], |_| ()).serve(version));
        for at in 0.. {
            let mut pair = Pair::new(&policy, HOST, &server);
            pair.deliver_to_server();
            let mut wire = pair.collect_from_server();
            let Some(byte) = wire.get_mut(at) else { break };
            *byte ^= 0x55;
            if pair.give(&wire).is_err() {
                continue;
            }
            // either the server sees it, or a length now asks for bytes that never come, or it
            // was a version number that nobody looks at
            let stalled = pair.run().is_ok() && pair.client.is_handshaking();
            if pair.server_error.is_none() && !stalled {
                pair.answer(b"unharmed").unwrap();
                assert_eq!(pair.received, b"unharmed", "byte {at}");
            }
        }
    }
}

#[test]
fn damaged_data_is_a_fault_and_the_peer_is_told() {
    let authority = Authority::new();
    let policy = authority.policy().build().unwrap();
    let mut pair = Pair::new(&policy, HOST, &Arc::new(authority.server(&[HOST])));
    pair.run().unwrap();
    pair.answer(b"good").unwrap();
    pair.server.writer().write_all(b"bad").unwrap();
    let mut wire = pair.collect_from_server();
    *wire.last_mut().unwrap() ^= 1;
    let fault = pair.give(&wire).unwrap_err();
    assert_eq!(fault.to_string(), "a record from the peer cannot be decrypted");
    assert_eq!(pair.received, b"good");
    assert_eq!(
        alert_told(&mut pair),
        Some(Error::AlertReceived(rustls::AlertDescription::BadRecordMac))
    );
    pair.client.close();
    pair.assert_holds_nothing();
}

#[test]
fn a_handshake_message_in_crumbs_is_bounded() {
    let policy = Authority::new().policy().build().unwrap();
    let mut session = TlsSession::new(&policy, server_name(HOST).unwrap(), |_| true).unwrap();
    // a ServerHello that claims 65,535 bytes, one byte in each record
    let mut crumb = |byte: u8| session.receive(&[0x16, 3, 3, 0, 1, byte]).map(|_| ());
    let sent = [2, 0, 0xff, 0xff].into_iter().chain(std::iter::repeat(0));
    let fault = sent.take(70_000).try_for_each(&mut crumb).unwrap_err();
    assert_eq!(fault.to_string(), "the peer's handshake message is too large");
    assert_eq!(session.incoming.capacity(), 0);
}

#[test]
fn faults_are_one_bounded_line() {
    let presented = vec!["a\nb\u{1b}[31m".repeat(200); 500];
    let expected = ServerName::DnsName(DnsName::try_from(HOST).unwrap().to_owned());
    let error = Error::InvalidCertificate(rustls::CertificateError::NotValidForNameContext {
        expected,
        presented,
    });
    let fault = fault::of_session(&error, Progress::default());
    let line = fault.to_string();
    assert!(line.len() <= 512 && !line.chars().any(char::is_control), "{line:?}");
    let name = TlsFaultKind::Certificate(CertificateFault::Name);
    assert_eq!((fault.kind(), fault.is_with_proxy()), (name, false));
    assert_eq!(fault.of_proxy().to_string(), format!("with the proxy: {line}"));
}
