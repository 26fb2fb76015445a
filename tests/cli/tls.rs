//! Servers are verified unless told otherwise.

use crate::command::{Ringdove, drivers};
use crate::support::PATIENCE;
use crate::support::certs::{Authority, Identity};
use crate::support::hostile::{End, Plan, Script};
use crate::support::nginx::{Nginx, NginxConfig, NginxTls, OK_BODY};

fn nginx(identity: &Identity) -> Nginx {
    Nginx::start(NginxConfig { tls: Some(NginxTls::new(identity)), ..NginxConfig::default() })
}

#[test]
fn a_server_is_trusted_by_the_roots_given_or_not_at_all() {
    let authority = Authority::new();
    let nginx = nginx(&authority.server());
    let url = nginx.tls_url("/ok");
    for driver in drivers() {
        let fetch = || Ringdove::fetch(["--driver", driver, &url]);
        let ended = fetch().path("--cacert", &authority.ca_file()).run().exits(0);
        assert_eq!(ended.stdout, OK_BODY);
        let ended = fetch().run().exits(1).says(&[&url, "TLS", "certificate"]);
        assert_eq!(ended.stdout, b"");
        assert_eq!(fetch().args(["--insecure"]).run().exits(0).stdout, OK_BODY);
        let other = Authority::new();
        fetch().path("--cacert", &other.ca_file()).run().exits(1).says(&[&url, "TLS"]);
    }
}

#[test]
fn a_certificate_for_another_name_or_time_is_refused() {
    let authority = Authority::new();
    for (identity, why) in [
        (authority.wrong_name(), "not valid for"),
        (authority.expired(), "expired"),
        (authority.not_yet_valid(), "not valid for another"),
    ] {
        let nginx = nginx(&identity);
        let url = nginx.tls_url("/ok");
        Ringdove::fetch([&url])
            .path("--cacert", &authority.ca_file())
            .run()
            .exits(1)
            .says(&[&url, "TLS", why]);
        Ringdove::fetch(["-k", &url]).run().exits(0);
    }
}

#[test]
fn a_certificate_that_signed_itself_is_its_own_root() {
    let authority = Authority::new();
    let dir = authority.dir();
    let (cert, key) = (dir.join("self.pem"), dir.join("self.key"));
    let made = std::process::Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
        ])
        .args(["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&cert)
        .output();
    if !made.is_ok_and(|made| made.status.success()) {
        eprintln!("skipped: no openssl is installed");
        return;
    }
    let tls =
        NginxTls { cert_file: cert.clone(), key_file: key, ..NginxTls::new(&authority.server()) };
    let nginx = Nginx::start(NginxConfig { tls: Some(tls), ..NginxConfig::default() });
    let url = nginx.tls_url("/ok");
    for driver in drivers() {
        let ended = Ringdove::fetch(["--driver", driver, &url]).path("--cacert", &cert).run();
        assert_eq!(ended.exits(0).stdout, OK_BODY);
    }
    // it has no other name
    let elsewhere = url.replace("localhost", "127.0.0.1");
    let other = Ringdove::fetch([&elsewhere]).path("--cacert", &cert).run();
    other.exits(1).says(&["not valid for"]);
    Ringdove::fetch([&url]).path("--cacert", &authority.ca_file()).run().exits(1).says(&["TLS"]);
}

#[test]
fn what_is_wrong_with_a_certificate_has_openssls_number() {
    let authority = Authority::new();
    let told = |identity: &Identity, roots: &std::path::Path| {
        let server = nginx(identity);
        let format = ["-s", "--discard", "-w", "%{ssl_verify_result}"];
        let ended = Ringdove::fetch(format).args([server.tls_url("/ok")]).path("--cacert", roots);
        ended.run().text()
    };
    let ca = authority.ca_file();
    assert_eq!(told(&authority.server(), &ca), "0");
    assert_eq!(told(&authority.expired(), &ca), "10");
    assert_eq!(told(&authority.not_yet_valid(), &ca), "9");
    assert_eq!(told(&authority.wrong_name(), &ca), "62");
    assert_eq!(told(&authority.server(), &authority.client("other").cert_file), "20");
}

#[test]
fn plain_and_tls_urls_go_together() {
    let authority = Authority::new();
    let nginx = nginx(&authority.server());
    let ended = Ringdove::fetch([nginx.url("/ok"), nginx.tls_url("/ok"), nginx.tls_url("/ok")])
        .path("--cacert", &authority.ca_file())
        .run()
        .exits(0)
        .says(&["sockets", "2 opened, 1 reused"]);
    assert_eq!(ended.stdout, OK_BODY.repeat(3));
    let url = nginx.tls_url("/ok");
    Ringdove::fetch(["-v", "-k", "-H", "Connection: close", &url, &url])
        .run()
        .exits(0)
        .says(&["200 by HTTP/1.1 over TLS 1.3 from 127.0.0.1:", "new connection"])
        .says(&["200 by HTTP/1.1 over TLS 1.3, resumed, from 127.0.0.1:", "new connection"]);
}

#[test]
fn a_client_certificate_is_shown_to_who_asks() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let client_ca = Some(clients.ca_file());
    let tls = NginxTls { client_ca, ..NginxTls::new(&authority.server()) };
    let nginx = Nginx::start(NginxConfig { tls: Some(tls), ..NginxConfig::default() });
    let me = clients.client("me");
    let url = nginx.tls_url("/ok");
    let fetch = || Ringdove::fetch([&url]).path("--cacert", &authority.ca_file());
    let ended = fetch().path("--cert", &me.cert_file).path("--key", &me.key_file).run().exits(0);
    assert_eq!(ended.stdout, OK_BODY);
    let both = clients.dir().join("both.pem");
    let pems = [&me.cert_file, &me.key_file].map(|path| std::fs::read(path).unwrap());
    std::fs::write(&both, pems.concat()).unwrap();
    assert_eq!(fetch().path("-E", &both).run().exits(0).stdout, OK_BODY);
    fetch().args(["--fail"]).run().exits(1).says(&["status 400"]);
    fetch().path("--cert", &me.cert_file).run().exits(2).says(&["key"]);
    fetch()
        .path("--cert", &clients.dir().join("none"))
        .run()
        .exits(2)
        .says(&["--cert: cannot read"]);
}

#[test]
fn versions_of_tls_can_be_ruled_out() {
    let authority = Authority::new();
    let tls = NginxTls { protocols: "TLSv1.2", ..NginxTls::new(&authority.server()) };
    let old = Nginx::start(NginxConfig { tls: Some(tls), ..NginxConfig::default() });
    let new = nginx(&authority.server());
    let fetch = |nginx: &Nginx, args: &[&str]| {
        let ca = authority.ca_file();
        Ringdove::fetch(["-v", &nginx.tls_url("/ok")]).args(args).path("--cacert", &ca).run()
    };
    fetch(&new, &["--tls-max", "1.2"]).exits(0).says(&["over TLS 1.2"]);
    fetch(&new, &["--tlsv1.2"]).exits(0).says(&["over TLS 1.3"]);
    fetch(&old, &["--tlsv1.2"]).exits(0).says(&["over TLS 1.2"]);
    fetch(&old, &["--tlsv1.3"]).exits(1).says(&["TLS"]);
    fetch(&new, &["--tlsv1.3", "--tls-max", "1.2"]).exits(2).says(&["no version of TLS"]);
}

/// RFC 9112, 9.8: close_notify before the FIN, also when the command ends.
#[test]
fn kept_connections_hear_of_the_end() {
    let authority = Authority::new();
    for driver in drivers() {
        let server = Plan::new()
            .tls(authority.server().server_config())
            .path("/", Script::new().ok("kept"))
            .start();
        Ringdove::fetch(["--driver", driver, &server.url("/")])
            .path("--cacert", &authority.ca_file())
            .run()
            .exits(0);
        let ended = server.wait_for(PATIENCE, |seen| seen.iter().all(|seen| seen.end.is_some()));
        assert!(ended, "{}", server.dump());
        let ends: Vec<_> = server.seen().into_iter().map(|seen| seen.end).collect();
        assert_eq!(ends, [Some(End::PeerClosed)], "{driver}");
    }
}
