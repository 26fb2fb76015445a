//! The HTTP/2 server on loopback, with curl in place of ringdove.

use std::fs;
use std::process::Command;

use ringdove_test_support::certs::Authority;
use ringdove_test_support::h2::{
    Credit, Last, Length, Peer, Plan, Script, SeenRequest, Setup, pattern, processed, raw,
};
use ringdove_test_support::leak::Census;
use ringdove_test_support::{PATIENCE, isolated};

/// By each way to HTTP/2: with prior knowledge, and by TLS.
fn both(plan: &Plan) -> [(Peer, &'static [&'static str]); 2] {
    let tls = Authority::new().server().server_config_that_speaks(&["h2"]);
    [
        (plan.clone().start(), &["--http2-prior-knowledge"]),
        (Setup::new(plan.clone()).tls(tls).start(), &["--http2", "-k"]),
    ]
}

fn obeyed(peer: &Peer) {
    assert_eq!(peer.violations(), [""; 0], "{}", peer.dump());
}

#[test]
fn answers_get_and_head() {
    for (peer, how) in both(&Plan::new().path("/a", Script::ok(300_000))) {
        assert_eq!(curl(how, &[&peer.url("/a")]).unwrap(), pattern("/a", 300_000));
        let head = curl(how, &["-I", &peer.url("/a")]).unwrap();
        let head = String::from_utf8(head).unwrap();
        assert!(
            head.starts_with("HTTP/2 200") && head.contains("content-length: 300000"),
            "{head}"
        );
        assert_eq!(curl(how, &[&peer.url("/b")]).unwrap(), b"no such path\n");
        let methods: Vec<_> = peer.requests().iter().map(|r| r.method().to_owned()).collect();
        assert_eq!(methods, ["GET", "HEAD", "GET"]);
        obeyed(&peer);
    }
}

#[test]
fn answers_many_requests_of_one_connection() {
    let plan = Plan::new().each(|request: &SeenRequest| match request.path() {
        path if path.ends_with('7') => Script::ok(1_000_000),
        _ => Script::ok(10),
    });
    // by TLS alone: curl 7.88 cannot use a connection again that it opened with prior knowledge, whoever serves
    let [_, (peer, how)] = both(&plan);
    for at_once in [&["-Z", "--parallel-max", "50"][..], &[]] {
        let urls = peer.url("/[1-50]");
        let body = curl(how, &[at_once, &["-H", "id: x", &urls]].concat()).unwrap();
        assert_eq!(body.len(), 5 * 1_000_000 + 45 * 10);
    }
    assert_eq!(processed(&peer.requests(), "id").into_values().collect::<Vec<_>>(), [100]);
    let seen = peer.seen();
    let most = seen.iter().map(|seen| seen.requests.len()).max();
    assert!(most > Some(40), "{}", peer.dump());
    obeyed(&peer);
}

#[test]
fn echoes_what_is_posted() {
    let body = pattern("any", 1 << 20);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("body");
    fs::write(&file, &body).unwrap();
    let data = format!("@{}", file.display());
    for credit in [Credit::AtOnce, Credit::WhenEmpty(5_000)] {
        for (peer, how) in both(&Plan::new().credit(credit).path("/", Script::echoing())) {
            let echo = curl(how, &["--data-binary", &data, &peer.url("/")]).unwrap();
            assert!(echo == body, "{} bytes of an echo by {credit:?}", echo.len());
            let request = &peer.requests()[0];
            assert!(request.body == body && request.complete);
            obeyed(&peer);
        }
    }
}

/// A window of one byte, whose size is told in time.
#[test]
fn gives_credit_by_the_byte() {
    let plan = Plan::new()
        .settings(&[(raw::setting::INITIAL_WINDOW_SIZE, 0)])
        .credit(Credit::WhenEmpty(1))
        .path("/", Script::echoing());
    for (peer, how) in both(&plan) {
        let echo = curl(how, &["-d", "not so fast", &peer.url("/")]).unwrap();
        assert_eq!(echo, b"not so fast");
        obeyed(&peer);
    }
}

#[test]
fn says_all_that_a_response_has() {
    let script = Script::new()
        .await_body()
        .informational(100, &[])
        .informational(103, &[("link", "</style.css>")])
        .head_that_says(200, &[("server", "test")], Length::Absent)
        .pattern(100_000)
        .trailers(&[("digest", "xyz")]);
    let cut = script.clone().cut_data(700).cut_heads(5).pad_data(255);
    let padded = script.clone().pad_heads(100).pad_data(0);
    let plan = Plan::new().path("/", script).path("/cut", cut).path("/padded", padded);
    for (peer, how) in both(&plan) {
        for path in ["/", "/cut", "/padded"] {
            let heads = curl(how, &["-D", "-", "-o", "/dev/null", &peer.url(path)]).unwrap();
            let heads = String::from_utf8(heads).unwrap();
            let lines: Vec<_> = heads.lines().filter(|line| !line.is_empty()).collect();
            let expected = [
                "HTTP/2 100 ",
                "HTTP/2 103 ",
                "link: </style.css>",
                "HTTP/2 200 ",
                "server: test",
                "digest: xyz",
            ];
            assert_eq!(lines, expected);
            assert_eq!(curl(how, &[&peer.url(path)]).unwrap(), pattern(path, 100_000));
        }
        obeyed(&peer);
    }
}

#[test]
fn ends_streams_and_connections_as_it_is_told() {
    let cut = || Script::new().await_body().head_that_says(200, &[], Length::Absent).pattern(10);
    let plan = Plan::new()
        .path("/reset", cut().reset(raw::code::INTERNAL_ERROR))
        .path("/stall", cut().stall())
        .path("/short", Script::new().head_that_says(200, &[], Length::Says(9)).pattern(3))
        .path("/away", Script::ok(5).go_away(Last::This, raw::code::NO_ERROR).await_alone().close())
        .path("/abort", Script::new().await_body().abort());
    for (peer, how) in both(&plan) {
        // a stream error, a timeout, a malformed message, a connection that was reset
        for (path, time, words) in [
            ("/reset", "60", "(92)"),
            ("/stall", "0.5", "(28)"),
            ("/short", "60", "(92)"),
            ("/abort", "60", "reset by peer"),
        ] {
            let refusal = curl(how, &["--max-time", time, &peer.url(path)]).unwrap_err();
            assert!(refusal.contains(words), "{path}: {refusal}, and not {words}");
        }
        assert_eq!(curl(how, &[&peer.url("/away")]).unwrap(), pattern("/away", 5));
        assert!(peer.wait_for(PATIENCE, |seen| seen.iter().all(|seen| seen.ended)));
        obeyed(&peer);
    }
}

#[test]
fn waits_for_the_test() {
    let plan = Plan::new().path("/", Script::new().await_release().head(200, &[]).bytes("now"));
    for (peer, how) in both(&plan) {
        let url = peer.url("/");
        let client = std::thread::spawn(move || curl(how, &[&url]));
        assert!(peer.wait_for(PATIENCE, |seen| seen.iter().any(|seen| !seen.requests.is_empty())));
        peer.release();
        assert_eq!(client.join().unwrap().unwrap(), b"now");
    }
}

#[test]
fn follows_one_plan_after_another() {
    let first = Plan::new().path("/", Script::new().await_body().head(500, &[]).bytes("one"));
    let peer = Setup::new(first).then(Plan::new().path("/", Script::ok(3))).start();
    let how = &["--http2-prior-knowledge"][..];
    assert_eq!(curl(how, &[&peer.url("/")]).unwrap(), b"one");
    assert_eq!(curl(how, &[&peer.url("/")]).unwrap(), pattern("/", 3));
    assert_eq!(curl(how, &[&peer.url("/")]).unwrap(), pattern("/", 3));
    assert_eq!(peer.seen().len(), 3);
}

#[test]
fn speaks_what_was_agreed() {
    let plan = Plan::new().path("/", Script::ok(70_000)).path("/echo", Script::echoing());
    let identity = Authority::new().server();
    let by_tls = |protocols: &[&str]| {
        let config = identity.server_config_that_speaks(protocols);
        Setup::new(plan.clone()).tls(config).and_http1().start()
    };
    let version = |peer: &Peer, how: &[&str]| {
        let version =
            curl(how, &["-k", "-o", "/dev/null", "-w", "%{http_version}", &peer.url("/")]);
        let echo = curl(how, &["-k", "-d", "hello", &peer.url("/echo")]).unwrap();
        let chunked = ["-k", "-H", "transfer-encoding: chunked", "-d", "hi", &peer.url("/echo")];
        assert_eq!(echo, b"hello");
        assert_eq!(curl(how, &chunked).unwrap(), b"hi");
        assert!(curl(how, &["-k", &peer.url("/")]).unwrap() == pattern("/", 70_000));
        obeyed(peer);
        String::from_utf8(version.unwrap()).unwrap()
    };
    // the server's preference counts
    let offers = [&["h2", "http/1.1"][..], &["http/1.1", "h2"], &["http/1.1"]];
    let versions = offers.map(|offer| version(&by_tls(offer), &["--http2"]));
    assert_eq!(versions, ["2", "1.1", "1.1"]);
    assert_eq!(version(&by_tls(offers[0]), &["--http1.1"]), "1.1");
    let plain = Setup::new(plan.clone()).and_http1().start();
    assert_eq!(version(&plain, &["--http1.1"]), "1.1");
    assert_eq!(version(&plain, &["--http2-prior-knowledge"]), "2");
    assert!(plain.seen()[0].by_http1 && plain.requests()[0].path() == "/");
}

#[test]
fn a_client_that_does_not_trust_it_is_told_apart() {
    let tls = Authority::new().server().server_config_that_speaks(&["h2"]);
    let peer = Setup::new(Plan::new()).tls(tls).start();
    assert!(curl(&["--http2"], &[&peer.url("/")]).unwrap_err().contains("(60)"));
    assert!(peer.wait_for(PATIENCE, |seen| seen.iter().any(|seen| seen.tls_failure.is_some())));
}

#[test]
fn gives_back_every_file_and_thread() {
    isolated::run("gives_back_every_file_and_thread", &[], || {
        let before = Census::take();
        let plan = Plan::new().path("/", Script::new().stall());
        let peers = both(&plan);
        for (peer, how) in &peers {
            assert!(curl(how, &["--max-time", "0.2", &peer.url("/")]).is_err());
        }
        let idle = std::net::TcpStream::connect(peers[0].0.addr()).unwrap();
        assert!(peers[0].0.wait_for(PATIENCE, |seen| seen.len() == 2));
        drop((peers, idle));
        before.assert_restored(PATIENCE);
    });
}

/// What curl printed, or what it complained about.
fn curl(how: &[&str], args: &[&str]) -> Result<Vec<u8>, String> {
    let output = Command::new("curl")
        // No configuration file, no proxy, and an end to every wait.
        .args(["-q", "--silent", "--show-error", "--noproxy", "*", "--max-time", "60"])
        .args(how)
        .args(args)
        .output()
        .expect("curl runs (`scripts/test deps` installs it)");
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}
