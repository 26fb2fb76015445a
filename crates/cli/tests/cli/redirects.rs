//! `-L` and what goes with it: what is asked of whom, and what is told.

use serde_json::Value;

use crate::command::{Ringdove, drivers};
use ringdove_test_support::hostile::{Framing, Hostile, Plan, Script};
use ringdove_test_support::nginx::{Nginx, NginxConfig, OK_BODY};

fn moved(status: u16, location: &str) -> Script {
    let head = format!("{status} Moved\r\nLocation: {location}");
    Script::new().respond(&head, Framing::ContentLength, "moved")
}

/// `/1` redirects to `/2`, and so on to `/9`, which is fine.
fn stairs() -> Hostile {
    let step = |plan: Plan, n: u16| plan.path(&format!("/{n}"), moved(302, &format!("/{}", n + 1)));
    (1..9).fold(Plan::new(), step).path("/9", Script::new().ok("top")).start()
}

#[test]
fn redirects_are_followed_when_asked_on_every_driver() {
    let nginx = Nginx::start(NginxConfig {
        server_directives: "location = /moved { return 301 /ok; }".to_owned(),
        ..NginxConfig::default()
    });
    let url = nginx.url("/moved");
    let page = Ringdove::fetch([&url]).run().exits(0).text();
    assert!(page.contains("301 Moved"), "{page}");
    for driver in drivers() {
        for follow in ["-L", "--follow"] {
            let args = [follow, "--driver", driver, &url];
            assert_eq!(Ringdove::fetch(args).run().exits(0).stdout, OK_BODY);
        }
    }
}

#[test]
fn as_many_as_max_redirs_allows() {
    let server = stairs();
    for (number, follows) in [("8", true), ("7", false), ("0", false), ("-1", true), ("50", true)] {
        let args = ["-L", "--max-redirs", number, &server.url("/1")];
        match follows {
            true => assert_eq!(Ringdove::fetch(args).run().exits(0).text(), "top"),
            false => {
                let limit = format!("more than {number} redirects");
                let chain = format!("{} (302) → ", server.url("/1"));
                let ended = Ringdove::fetch(args).run().exits(1).says(&[&limit, &chain]);
                assert_eq!(ended.text(), "");
            }
        }
    }
}

#[test]
fn posts_stay_posts_as_told() {
    for (status, option) in [(301, "--post301"), (302, "--post302"), (303, "--post303")] {
        for (args, method, body) in [(&["-L"][..], "GET", ""), (&["-L", option], "POST", "a=1")] {
            let server = Plan::new()
                .path("/", moved(status, "/to"))
                .path("/to", Script::new().ok(""))
                .start();
            Ringdove::fetch(args).args(["-d", "a=1", &server.url("/")]).run().exits(0);
            let requests = server.requests();
            let [_, to] = &requests[..] else { panic!("{}", server.dump()) };
            assert_eq!((&to.method()[..], &to.body[..]), (method, body.as_bytes()), "{args:?}");
            assert_eq!(to.field("content-type").is_some(), method == "POST");
        }
    }
}

#[test]
fn credentials_go_elsewhere_only_if_trusted() {
    for (option, trusted) in [("-L", false), ("--location-trusted", true)] {
        let away = Plan::new().path("/", Script::new().ok("")).start();
        let home = Plan::new().path("/", moved(302, &away.url("/"))).start();
        let secrets = ["-H", "Authorization: Bearer t", "-H", "Cookie: a=b", "-H", "Host: virtual"];
        Ringdove::fetch([option, &home.url("/")]).args(secrets).run().exits(0);
        let (home, away_addr) = (home.requests(), away.addr().to_string());
        let away = away.requests();
        for name in ["authorization", "cookie"] {
            assert!(home[0].field(name).is_some());
            assert_eq!(away[0].field(name).is_some(), trusted, "{name}");
        }
        assert_eq!(home[0].field("host").as_deref(), Some("virtual"));
        assert_eq!(away[0].field("host"), Some(away_addr));
    }
}

#[test]
fn heads_of_all_hops_are_told() {
    let server = stairs();
    let heads = Ringdove::fetch(["-L", "-I", &server.url("/7")]).run().exits(0).text();
    let lines: Vec<_> = heads.lines().filter(|line| line.starts_with("HTTP/")).collect();
    assert_eq!(lines, ["HTTP/1.1 302 Moved", "HTTP/1.1 302 Moved", "HTTP/1.1 200 OK"]);
    let ended = Ringdove::fetch(["-L", "-v", "-d", "x", &server.url("/8")]).run().exits(0);
    assert_eq!(ended.text(), "top");
    let ended = ended
        .says(&["> POST /8 HTTP/1.1"])
        .says(&["< Location: /9"])
        .says(&[&server.url("/8"), "→", &server.url("/9")])
        .says(&["> GET /9 HTTP/1.1"])
        .says(&["200 by HTTP/1.1", "after 1 redirect"]);
    assert_eq!(ended.stderr.matches("> Content-Length: 1").count(), 1, "{}", ended.stderr);
}

#[test]
fn records_have_each_hop() {
    let server = stairs();
    let urls = ["/7", "/9", "/none"].map(|path| server.url(path));
    let ended = Ringdove::fetch(["-L", "--jsonl", "--connections", "1"]).args(&urls).run().exits(0);
    let record = |url: &str| -> Value {
        let records = ended.text();
        let mut records = records.lines().map(|line| serde_json::from_str(line).expect("JSON"));
        records.find(|record: &Value| record["url"] == url).expect("a record of each")
    };
    let redirected = record(&urls[0]);
    let hops = redirected["hops"].as_array().expect("an array");
    let seen: Vec<_> =
        hops.iter().map(|hop| (hop["url"].as_str(), hop["status"].as_u64())).collect();
    let want = [(server.url("/7"), 302), (server.url("/8"), 302), (server.url("/9"), 200)];
    assert_eq!(seen, want.each_ref().map(|(url, status)| (Some(&url[..]), Some(*status))));
    assert_eq!((&redirected["status"], &redirected["body_bytes"]), (&200.into(), &3.into()));
    let sum: u64 = hops.iter().map(|hop| hop["wire_received"].as_u64().expect("a number")).sum();
    assert_eq!(redirected["wire_received"], sum);
    assert!(hops.iter().all(|hop| hop["times"]["total"].as_u64() > Some(0)), "{redirected}");
    assert_eq!(record(&urls[1])["hops"], Value::Array(vec![]));
    assert!(ended.stderr.contains("followed  2 redirects"), "{}", ended.stderr);
}

#[test]
fn files_are_named_after_what_was_asked_for() {
    let server = stairs();
    let directory = tempfile::tempdir().expect("a directory");
    Ringdove::fetch(["-L", &server.url("/8")])
        .path("--output-dir", directory.path())
        .run()
        .exits(0);
    let names: Vec<_> = std::fs::read_dir(directory.path())
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("ASCII"))
        .collect();
    assert_eq!(names, [format!("http,127.0.0.1+{},8", server.addr().port())]);
}

/// Where curl is installed: the same requests, the same bytes out, the same success or failure.
#[test]
fn as_curl_does() {
    if std::process::Command::new("curl").arg("--version").output().is_err() {
        eprintln!("skipped: curl is not installed");
        return;
    }
    let script = || {
        let plan = [301, 302, 303, 307, 308].into_iter().fold(Plan::new(), |plan, status| {
            plan.path(&format!("/{status}"), moved(status, "/to"))
        });
        plan.path("/to", Script::new().ok("there"))
            .path("/dir/rel", moved(302, "../to?a=b#c"))
            .path("/empty", moved(302, ""))
            .path("/none", Script::new().respond("302 X", Framing::ContentLength, "none"))
            .path("/ftp", moved(302, "ftp://127.0.0.1:1/"))
            .path("/loop", moved(302, "/loop"))
    };
    let table: &[&[&str]] = &[
        &["/301"],
        &["-L", "/301"],
        &["-L", "/302"],
        &["-L", "/303"],
        &["-L", "/307"],
        &["-L", "/308"],
        &["-L", "-d", "x=y", "/301"],
        &["-L", "-d", "x=y", "/302"],
        &["-L", "-d", "x=y", "/303"],
        &["-L", "-d", "x=y", "/307"],
        &["-L", "-d", "x=y", "/308"],
        &["-L", "--post301", "-d", "x=y", "/301"],
        &["-L", "--post302", "-d", "x=y", "/302"],
        &["-L", "--post303", "-d", "x=y", "/303"],
        &["-L", "-I", "/303"],
        &["-L", "/dir/rel"],
        &["-L", "/empty"],
        &["-L", "/none"],
        &["-L", "/ftp"],
        &["-L", "--max-redirs", "0", "/301"],
        &["-L", "--max-redirs", "1", "/301"],
        &["-L", "--max-redirs", "3", "/loop"],
        &["-L", "-H", "Authorization: x", "-H", "Cookie: a=b", "/302"],
    ];
    for args in table {
        let (path, options) = args.split_last().expect("a path");
        let (ours, theirs) = (script().start(), script().start());
        let ended = Ringdove::fetch(["-q"]).args(options).args([ours.url(path)]).run();
        let curl = std::process::Command::new("curl")
            .args(["-q", "-s", "--noproxy", "*"])
            .args(options)
            .arg(theirs.url(path))
            .output()
            .expect("curl runs");
        assert_eq!(ended.status.success(), curl.status.success(), "{args:?}: {}", ended.stderr);
        if !(args.contains(&"/loop") || args.contains(&"0")) {
            assert_eq!(ended.text(), String::from_utf8_lossy(&curl.stdout), "{args:?}");
        }
        let told = |server: &Hostile| -> Vec<_> {
            let host = server.addr().to_string();
            let fields = ["host", "authorization", "cookie", "content-type", "content-length"];
            let told = |r: ringdove_test_support::hostile::SeenRequest| {
                let fields = fields.map(|name| r.field(name).map(|v| v.replace(&host, "HOST")));
                (r.method(), r.target(), fields, r.body)
            };
            server.requests().into_iter().map(told).collect()
        };
        let (ours, theirs) = (told(&ours), told(&theirs));
        assert_eq!(ours, theirs, "{args:?}");
    }
}
