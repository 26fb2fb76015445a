//! Uploads whose large parts leave without a copy, where they may.

use std::net::SocketAddr;
use std::time::Duration;

use ringdove::driver::Kind;
use ringdove::sys::count::{self, Counter};

use crate::run::{Run, isolated_under};
use crate::uploads;
use ringdove_test_support::hostile::{Plan, Script};
use ringdove_test_support::isolated;

/// Sends without a copy, and how many of them were copied after all.
fn sends_of(behaviour: impl FnOnce()) -> (u64, u64) {
    let before = count::snapshot();
    behaviour();
    let counts = count::snapshot().since(&before);
    (counts.get(Counter::ZeroCopySends), counts.get(Counter::ZeroCopyCopied))
}

const ALWAYS: &str = "RINGDOVE_RING=zero-copy";

#[test]
fn every_upload_goes_without_a_copy_where_that_is_forced() {
    let path = concat!(module_path!(), "::every_upload_goes_without_a_copy_where_that_is_forced");
    isolated_under(&["env", ALWAYS], "ring", path, |kind| {
        let behaviours: [fn(Kind); 5] = [
            uploads::from_memory,
            uploads::from_memory_over_tls,
            uploads::from_streams,
            uploads::a_peer_that_reads_slowly,
            uploads::a_peer_that_answers_before_the_end,
        ];
        let (sends, _) = sends_of(|| behaviours.iter().for_each(|behaviour| behaviour(kind)));
        assert!(sends > 150, "only {sends}");
    });
}

#[test]
fn on_loopback_none_is_tried() {
    let path = concat!(module_path!(), "::on_loopback_none_is_tried");
    isolated_under(&["env"], "ring", path, |kind| {
        let behaviour = || uploads::a_peer_that_reads_slowly(kind);
        assert_eq!(sends_of(behaviour), (0, 0));
    });
}

/// Runs its arguments in a network of their own, with an address that is not loopback's, although packets go nowhere
/// else; what one may hold of locked memory is more than a ring takes, and less than a socket.
const NETWORK: [&str; 7] = [
    "unshare",
    "--map-root-user",
    "--net",
    "sh",
    "-c",
    r#"ip link set lo up && ip address add 192.0.2.1/32 dev lo && exec prlimit --memlock=1048576:1048576 "$@""#,
    "sh",
];

fn network(then: &[&'static str]) -> Option<Vec<&'static str>> {
    let wrapper = [&NETWORK[..], then].concat();
    isolated::possible(&wrapper, "no network can be made here (unshare, ip, prlimit)")?;
    Some(wrapper)
}

/// Two uploads at a time, each on a connection of its own, to a peer who is slow to begin.
fn upload_two(kind: Kind) {
    let late = Script::new().read_head().wait(Duration::from_millis(100)).read_body().ok("taken");
    let server = Plan::new()
        .addr(SocketAddr::from(([192, 0, 2, 1], 8080)))
        .recv_buffer(4096)
        .connection(late)
        .start();
    let mut run = Run::new(kind);
    let body = uploads::bytes(8_000_000);
    let transfers = [0; 2].map(|_| run.add(uploads::post(&server.url("/"), body.clone())));
    run.finish();
    transfers.iter().for_each(|transfer| transfer.assert_response(200, b"taken"));
    let got = server.seen().into_iter().map(|connection| connection.received_len).sum::<u64>();
    assert!(got > 16_000_000, "{got}");
}

#[test]
fn each_connection_to_another_address_tries_one_until_the_kernel_says_that_it_copied() {
    let path = concat!(
        module_path!(),
        "::each_connection_to_another_address_tries_one_until_the_kernel_says_that_it_copied"
    );
    let Some(wrapper) = network(&["env"]) else { return };
    isolated_under(&wrapper, "ring", path, |kind| {
        assert_eq!(sends_of(|| upload_two(kind)), (2, 2));
    });
}

#[test]
fn what_the_kernel_may_not_hold_is_copied() {
    let path = concat!(module_path!(), "::what_the_kernel_may_not_hold_is_copied");
    let Some(wrapper) = network(&["env", ALWAYS]) else { return };
    isolated_under(&wrapper, "ring", path, |kind| {
        // many would be refused, were they not copied then
        let (sends, copied) = sends_of(|| upload_two(kind));
        assert!(sends > 200 && copied > 0, "{copied} of {sends}");
    });
}
