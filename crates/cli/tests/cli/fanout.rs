//! Many requests over many connections.

use std::fs;

use crate::command::{Ringdove, drivers};
use ringdove_test_support::nginx::Nginx;

const REQUESTS: usize = 20_000;
const CONNECTIONS: usize = 1000;

#[test]
fn twenty_thousand_requests_over_a_thousand_connections_on_every_driver() {
    let nginx = Nginx::plain();
    let directory = tempfile::tempdir().expect("a directory");
    let list = directory.path().join("urls");
    fs::write(&list, format!("{}\n", nginx.url("/ok")).repeat(REQUESTS)).expect("a list of URLs");
    for driver in drivers() {
        let connections = CONNECTIONS.to_string();
        Ringdove::fetch(["--discard", "--connections", &connections, "--driver", driver])
            .path("-i", &list)
            .run()
            .exits(0)
            .says(&["done", &format!("{REQUESTS} (2xx {REQUESTS})")])
            .says(&["sockets", &format!("{CONNECTIONS} opened")])
            .says(&["driver", driver]);
    }
}

#[test]
fn a_limit_per_host_holds() {
    let nginx = Nginx::plain();
    let urls = format!("{}\n", nginx.url("/ok")).repeat(500);
    Ringdove::fetch(["--discard", "--connections", "50", "--per-host", "3", "-i", "-"])
        .stdin(urls)
        .run()
        .exits(0)
        .says(&["done", "500 (2xx 500)"])
        .says(&["sockets", "3 opened, 497 reused"]);
}

#[test]
fn more_connections_than_open_files_allow_are_warned_of_and_not_used() {
    let nginx = Nginx::plain();
    let urls = format!("{}\n", nginx.url("/ok")).repeat(2000);
    Ringdove::fetch(["--discard", "--connections", "1000", "-i", "-"])
        .stdin(urls)
        .under(&["prlimit", "--nofile=228:228"])
        .run()
        .exits(0)
        .says(&["warning: --connections 1000", "228 open files", "100 connections"])
        .says(&["done", "2000 (2xx 2000)"])
        .says(&["sockets", "100 opened"]);
}
