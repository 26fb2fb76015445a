//! Which version of HTTP is spoken: as the server and the options have it.

use crate::command::Ringdove;
use ringdove_test_support::certs::Authority;
use ringdove_test_support::h2::raw::setting;
use ringdove_test_support::h2::{Plan, Script, Setup};
use ringdove_test_support::hostile;

/// The version that a record names, of a transfer with these options.
fn version(options: &[&str], url: &str) -> String {
    let told = Ringdove::fetch(["-k", "--discard", "-q", "-w", "%{http_version} %{json}"]);
    let told = told.args(options.iter().copied()).args([url]).run().exits(0).text();
    let (version, json) = told.split_once(' ').expect("two words");
    let json: serde_json::Value = serde_json::from_str(json).expect("JSON");
    assert_eq!(json["http_version"], version, "{told}");
    version.to_owned()
}

#[test]
fn the_best_that_a_server_has_is_spoken_unless_another_is_asked_for() {
    let authority = Authority::new();
    let plan = || Plan::new().path("/", Script::ok(5));
    let speaks = |protocols: &[&str]| {
        let tls = authority.server().server_config_that_speaks(protocols);
        Setup::new(plan()).tls(tls).and_http1().start()
    };
    let (both, old) = (speaks(&["h2", "http/1.1"]), speaks(&["http/1.1"]));
    for (options, by_both, by_old) in [
        (&[][..], "2", "1.1"),
        (&["--http2"], "2", "1.1"),
        (&["--http1.1"], "1.1", "1.1"),
        (&["--http2", "--http1.1"], "1.1", "1.1"),
        (&["--http1.1", "--http2"], "2", "1.1"),
    ] {
        assert_eq!(version(options, &both.url("/")), by_both, "{options:?}");
        assert_eq!(version(options, &old.url("/")), by_old, "{options:?}");
    }
}

#[test]
fn without_tls_http2_is_spoken_with_who_is_known_to_speak_it_alone() {
    let new = Setup::new(Plan::new().path("/", Script::ok(5))).start();
    assert_eq!(version(&["--http2-prior-knowledge"], &new.url("/")), "2");
    let old = hostile::Plan::new().path("/", hostile::Script::new().ok("old")).start();
    assert_eq!(version(&["--http2"], &old.url("/")), "1.1");
    // h2c is not asked for
    let asked = &old.requests()[0];
    for field in ["upgrade", "connection", "http2-settings"] {
        assert_eq!(asked.field(field), None, "{asked:?}");
    }
}

#[test]
fn requests_wait_for_room_on_as_many_connections_as_are_allowed() {
    let plan = Plan::new().settings(&[(setting::MAX_CONCURRENT_STREAMS, 2)]);
    let server = Setup::new(plan.path("/", Script::ok(5))).start();
    let url = server.url("/?[1-20]");
    for (most, connections) in [("1", 1), ("3", 3)] {
        let before = server.seen().len();
        let args = ["--http2-prior-knowledge", "--discard", "-q", "--http2-connections", most];
        Ringdove::fetch(args).args([&url]).run().exits(0);
        let made = server.seen().len() - before;
        assert!((1..=connections).contains(&made), "{made}, of {most}");
    }
    assert_eq!(server.violations(), [""; 0]);
    let args = ["http://a.test/", "--next", "--http2-connections", "1", "http://b.test/"];
    Ringdove::fetch(args).run().exits(2).says(&["--http2-connections", "stands before --next"]);
}

#[test]
fn servers_are_told_how_urgent_a_response_is() {
    // all that is said at first comes at once: settings, which have 70 bytes, and the request
    let listen = hostile::Script::new().read_at_least(71).close();
    let server = hostile::Plan::new().connection(listen).start();
    let fetch = |priority| {
        let args = ["--http2-prior-knowledge", "--discard", "-q", "--priority", priority];
        Ringdove::fetch(args).args([server.url("/")]).run()
    };
    fetch("1,i").exits(1);
    let said = &server.seen()[0].received;
    assert!(said.windows(5).any(|five| five == b"u=1,i"), "{}", server.dump());
    fetch("8").exits(2).says(&["--priority", "from 0 to 7"]);
}
