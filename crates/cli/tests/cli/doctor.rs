//! What is found here is what is told, and what `auto` picks is what runs.

use ringdove::sys::Errno;
use ringdove::sys::seccomp::{Call, refuse};
use serde_json::Value;

use crate::command::{Ringdove, drivers};
use ringdove_test_support::isolated;
use ringdove_test_support::nginx::Nginx;

fn findings() -> Value {
    let ended = Ringdove::new("doctor").args(["--json"]).run().exits(0);
    serde_json::from_str(&ended.text()).expect("JSON")
}

#[test]
fn findings_are_told_to_people_and_machines_alike() {
    let findings = findings();
    let text = Ringdove::new("doctor").run().exits(0).text();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("a kernel");
    assert_eq!(findings["kernel"], kernel.trim());
    assert!(text.contains(kernel.trim()), "{text}");
    for row in findings["io_uring"].as_array().expect("rows") {
        assert!(text.contains(row["name"].as_str().expect("a name")), "{row}");
        assert_eq!(row["ok"] == true, row["reason"].is_null(), "{row}");
    }
    let names: Vec<_> =
        findings["drivers"].as_array().expect("rows").iter().map(|row| &row["name"]).collect();
    assert_eq!(names, drivers().collect::<Vec<_>>());
    let picked = findings["auto"]["driver"].as_str().expect("epoll at least");
    assert!(text.contains(&format!("{:<24}{picked}: ", "auto picks")), "{text}");
    assert!(findings["limits"]["open_files"]["soft"].is_u64(), "{findings}");
    if let Some(ring) = findings["ring"].as_object() {
        let flags: Vec<_> = ring["flags"].as_array().expect("flags").iter().collect();
        let told = flags.iter().map(|flag| flag.as_str().expect("a name"));
        assert!(text.contains(&told.collect::<Vec<_>>().join(" | ")), "{flags:?}: {text}");
    }
}

#[test]
fn the_driver_that_is_picked_is_told_after_a_fetch() {
    let nginx = Nginx::plain();
    let auto = &findings()["auto"];
    let (driver, reason) = (auto["driver"].as_str().unwrap(), auto["reason"].as_str().unwrap());
    Ringdove::fetch(["--discard", &nginx.url("/ok")])
        .run()
        .exits(0)
        .says(&[&format!("driver    {driver} ({reason})")]);
}

#[test]
fn where_io_uring_is_refused_epoll_is_picked_and_why_is_told() {
    isolated::run("doctor::where_io_uring_is_refused_epoll_is_picked_and_why_is_told", &[], || {
        let nginx = Nginx::plain();
        refuse(Call::RingSetup, Errno::EPERM).expect("a filter");
        let findings = findings();
        assert_eq!(findings["auto"]["driver"], "epoll");
        let reason = findings["auto"]["reason"].as_str().expect("a reason");
        assert!(reason.contains("io_uring_setup"), "{reason}");
        let setup = &findings["io_uring"][0];
        assert_eq!((&setup["name"], &setup["ok"]), (&"io_uring_setup".into(), &false.into()));
        Ringdove::fetch(["--discard", &nginx.url("/ok")])
            .run()
            .exits(0)
            .says(&["driver    epoll (", "io_uring_setup"]);
        Ringdove::fetch(["--discard", "--driver", "poll", &nginx.url("/ok")])
            .run()
            .exits(2)
            .says(&["no driver 'poll' here", "io_uring_setup"]);
    });
}
