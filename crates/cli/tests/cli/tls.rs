//! Servers are verified unless told otherwise.

use std::path::Path;
use std::process::Command;

use crate::command::{Ringdove, drivers};
use ringdove_test_support::PATIENCE;
use ringdove_test_support::certs::{Authority, Identity};
use ringdove_test_support::hostile::{End, Plan, Script};
use ringdove_test_support::nginx::{Nginx, NginxConfig, NginxTls, OK_BODY};

fn nginx(identity: &Identity) -> Nginx {
    Nginx::start(NginxConfig { tls: Some(NginxTls::new(identity)), ..NginxConfig::default() })
}

/// A certificate for localhost that signs itself, as `openssl req -x509` makes it. Whether there is an openssl.
fn make_certificate(key: &[&str], more: &[&str], key_file: &Path, cert_file: &Path) -> bool {
    openssl(&["req", "-x509", "-nodes", "-subj", "/CN=localhost"], |command| {
        command.args(key).args(more).arg("-keyout").arg(key_file).arg("-out").arg(cert_file);
    })
}

fn openssl(args: &[&str], more: impl FnOnce(&mut Command)) -> bool {
    let mut command = Command::new("openssl");
    more(command.args(args));
    let made = command.output();
    if let Ok(made) = &made {
        assert!(made.status.success(), "{args:?}: {}", String::from_utf8_lossy(&made.stderr));
    }
    made.is_ok()
}

/// Whatever its strength.
fn lax_nginx(cert_file: &Path, key_file: &Path, more: &str) -> Nginx {
    let tls = Some(NginxTls {
        cert_file: cert_file.to_owned(),
        key_file: key_file.to_owned(),
        client_ca: None,
        protocols: "TLSv1.2 TLSv1.3",
    });
    let server_directives = format!("ssl_ciphers DEFAULT:@SECLEVEL=0;\n{more}");
    Nginx::start(NginxConfig { tls, server_directives, ..NginxConfig::default() })
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
    let new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
    let names = ["-days", "2", "-addext", "subjectAltName=DNS:localhost"];
    if !make_certificate(&new, &names, &key, &cert) {
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

/// Certificates that nobody could verify: `-k` looks at none of it, by TLS 1.2 and 1.3.
#[test]
fn any_certificate_will_do_where_none_is_verified() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str| directory.path().join(name);
    // an openssl without a configuration makes certificates of version 1
    std::fs::write(file("bare.cnf"), "[req]\ndistinguished_name=dn\n[dn]\n").expect("writes");
    let bare = file("bare.cnf");
    let bare = ["-config", bare.to_str().expect("UTF-8")];
    let rsa = ["-newkey", "rsa:2048"];
    let curve = |name: &'static str| ["-newkey", "ec", "-pkeyopt", name];
    let critical = ["-addext", "1.2.3.4=critical,ASN1:UTF8String:x"];
    type Case<'a> = (&'a str, &'a [&'a str], &'a [&'a str], bool, bool);
    let table: [Case<'_>; 7] = [
        ("version 1", &rsa, &bare, true, true),
        ("version 1, P-256", &curve("ec_paramgen_curve:prime256v1"), &bare, true, true),
        ("a critical extension", &rsa, &critical, true, true),
        ("RSA-1024", &["-newkey", "rsa:1024"], &[], true, false),
        // of TLS 1.2 the groups have to have the curve, too
        ("P-521", &curve("ec_paramgen_curve:secp521r1"), &[], false, false),
        ("Ed448", &["-newkey", "ed448"], &[], true, false),
        (
            "RSASSA-PSS",
            &["-newkey", "rsa-pss", "-pkeyopt", "rsa_keygen_bits:2048"],
            &[],
            false,
            false,
        ),
    ];
    for (what, key, more, in_tls12, can_be_pinned) in table {
        let (key_file, cert_file) = (file("key.pem"), file("cert.pem"));
        if !make_certificate(key, more, &key_file, &cert_file) {
            eprintln!("skipped: no openssl is installed");
            return;
        }
        let nginx = lax_nginx(&cert_file, &key_file, "");
        let url = nginx.tls_url("/ok");
        let fetch = |more: &[&str]| Ringdove::fetch(["-k", &url]).args(more).run();
        assert_eq!(fetch(&[]).exits(0).stdout, OK_BODY, "{what}");
        if in_tls12 {
            assert_eq!(fetch(&["--tls-max", "1.2"]).exits(0).stdout, OK_BODY, "{what}");
        }
        let refused = Ringdove::fetch([&url]).path("--cacert", &cert_file).run().exits(1);
        refused.says(&[match what {
            "version 1" | "version 1, P-256" => "X.509 version 1",
            "a critical extension" | "RSA-1024" => "the server's certificate",
            _ => "none of the ciphers, of the groups or of the kinds of keys",
        }]);
        if what == "RSASSA-PSS" {
            fetch(&["--tls-max", "1.2"]).exits(1).says(&["RSASSA-PSS go with TLS 1.3"]);
        }
        // a pin wants the key proven, and not claimed
        let public = file("public.pem");
        openssl(&["pkey", "-pubout"], |command| {
            command.arg("-in").arg(&key_file).arg("-out").arg(&public);
        });
        let pin = public.to_str().expect("UTF-8");
        match can_be_pinned {
            true => assert_eq!(fetch(&["--pinnedpubkey", pin]).exits(0).stdout, OK_BODY, "{what}"),
            false => _ = fetch(&["--pinnedpubkey", pin]).exits(1).says(&["TLS"]),
        }
        let other = "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        fetch(&["--pinnedpubkey", other]).exits(1).says(&["TLS"]);
    }
}

/// Of a server itself, and of an authority.
#[test]
fn a_key_that_is_too_small_is_told_so() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str| directory.path().join(name);
    let (ca, ca_key) = (file("ca.pem"), file("ca.key"));
    let small = ["-newkey", "rsa:1024"];
    let names = ["-addext", "subjectAltName=DNS:localhost"];
    if !make_certificate(&small, &names, &ca_key, &ca) {
        eprintln!("skipped: no openssl is installed");
        return;
    }
    let nginx = lax_nginx(&ca, &ca_key, "");
    for version in ["1.2", "1.3"] {
        let fetch = Ringdove::fetch(["--tls-max", version, &nginx.tls_url("/ok")]);
        let ended = fetch.path("--cacert", &ca).run().exits(1);
        ended.says(&["its RSA key is too small: it has 1024 bits, and 2048 are the least"]);
    }
    make_certificate(&small, &["-subj", "/CN=small"], &ca_key, &ca);
    std::fs::write(file("names.cnf"), "subjectAltName=DNS:localhost\n").expect("writes");
    let new = ["req", "-nodes", "-newkey", "rsa:2048", "-subj", "/CN=localhost", "-keyout"];
    openssl(&new, |command| {
        command.arg(file("key.pem")).arg("-out").arg(file("csr.pem"));
    });
    openssl(&["x509", "-req", "-set_serial", "1", "-days", "2", "-in"], |command| {
        command.arg(file("csr.pem")).arg("-CA").arg(&ca).arg("-CAkey").arg(&ca_key);
        command.arg("-extfile").arg(file("names.cnf")).arg("-out").arg(file("cert.pem"));
    });
    let nginx = lax_nginx(&file("cert.pem"), &file("key.pem"), "");
    let ended = Ringdove::fetch([nginx.tls_url("/ok")]).path("--cacert", &ca).run().exits(1);
    ended.says(&["its issuer's RSA key is too small: it has 1024 bits"]);
}

/// What old authorities have: a root without extensions, sent along or not; a directory of roots.
#[test]
fn a_root_of_version_1_vouches() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str| directory.path().join(name);
    std::fs::write(file("bare.cnf"), "[req]\ndistinguished_name=dn\n[dn]\n").expect("writes");
    let names = "subjectAltName=DNS:localhost\n";
    std::fs::write(file("names.cnf"), names).expect("writes");
    let req = ["req", "-nodes", "-newkey", "rsa:2048", "-config"];
    let root = |command: &mut Command| {
        command.arg(file("bare.cnf")).args(["-x509", "-subj", "/CN=old root", "-keyout"]);
        command.arg(file("ca.key")).arg("-out").arg(file("ca.pem"));
    };
    if !openssl(&req, root) {
        eprintln!("skipped: no openssl is installed");
        return;
    }
    openssl(&req, |command| {
        command.arg(file("bare.cnf")).args(["-subj", "/CN=localhost", "-keyout"]);
        command.arg(file("key.pem")).arg("-out").arg(file("csr.pem"));
    });
    openssl(&["x509", "-req", "-set_serial", "1", "-days", "2", "-in"], |command| {
        command.arg(file("csr.pem")).arg("-CA").arg(file("ca.pem")).arg("-CAkey");
        command.arg(file("ca.key")).arg("-extfile").arg(file("names.cnf"));
        command.arg("-out").arg(file("cert.pem"));
    });
    let read = |name: &str| std::fs::read(file(name)).expect("a file");
    std::fs::write(file("chain.pem"), [read("cert.pem"), read("ca.pem")].concat()).expect("writes");
    std::fs::create_dir(file("roots")).expect("a directory");
    std::fs::write(file("roots/ca.pem"), read("ca.pem")).expect("writes");
    for chain in ["cert.pem", "chain.pem"] {
        let nginx = lax_nginx(&file(chain), &file("key.pem"), "");
        let url = nginx.tls_url("/ok");
        let fetch = || Ringdove::fetch([&url]);
        assert_eq!(fetch().path("--cacert", &file("ca.pem")).run().exits(0).stdout, OK_BODY);
        _ = std::fs::remove_file(file("roots/0123abcd.0"));
        fetch()
            .path("--capath", &file("roots"))
            .run()
            .exits(2)
            .says(&["--capath", "roots", "rehash"]);
        std::fs::write(file("roots/0123abcd.0"), read("ca.pem")).expect("writes");
        assert_eq!(fetch().path("--capath", &file("roots")).run().exits(0).stdout, OK_BODY);
    }
    let ended = Ringdove::fetch(["https://localhost:1/"]).path("--capath", &file("none")).run();
    ended.exits(2).says(&["--capath: cannot read", "none"]);
}

#[test]
fn ciphers_are_chosen_by_name() {
    let authority = Authority::new();
    let server = authority.server();
    let told = "location = /cipher { return 200 $ssl_cipher; }\n";
    let nginx = lax_nginx(&server.cert_file, &server.key_file, told);
    let url = nginx.tls_url("/cipher");
    let fetch = |args: &[&str]| Ringdove::fetch(["-k", &url]).args(args).run();
    let old = "ECDHE-ECDSA-CHACHA20-POLY1305";
    assert_eq!(fetch(&["--tls-max", "1.2", "--ciphers", old]).exits(0).text(), old);
    let new = "TLS_AES_128_GCM_SHA256";
    assert_eq!(fetch(&["--tls13-ciphers", new, "--ciphers", old]).exits(0).text(), new);
    fetch(&["--ciphers", "AES128-SHA"]).exits(2).says(&["AES128-SHA", "ECDHE-RSA-"]);
    fetch(&["--tls13-ciphers", old]).exits(2).says(&[old, new]);
    // what is not spoken here is told of
    let tls = NginxTls { protocols: "TLSv1.2", ..NginxTls::new(&server) };
    let server_directives = "ssl_ciphers ECDHE-ECDSA-AES128-SHA;\n".to_owned();
    let nginx =
        Nginx::start(NginxConfig { tls: Some(tls), server_directives, ..NginxConfig::default() });
    let ended = Ringdove::fetch(["-k", &nginx.tls_url("/ok")]).run();
    ended.exits(1).says(&["handshake failure", "no CBC"]);
}
