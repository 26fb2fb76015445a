//! What io_uring itself says it was asked for, through the kernel's tracepoints.

use std::process::Command;

use ringdove::driver::Kind;

use crate::work::{self, CONNECTIONS, REQUESTS};

const SUBMIT: &str = "io_uring:io_uring_submit_req";

/// How perf(1) shows the opcode and flags of one request.
struct Submitted {
    opcode: String,
    flags: u32,
}

/// IOSQE_IO_LINK.
const LINK: u32 = 1 << 2;

fn parse(line: &str) -> Option<Submitted> {
    let after = |key: &str| {
        let rest = &line[line.find(key)? + key.len()..];
        rest.split([',', ' ']).next().map(str::to_owned)
    };
    let flags = after("flags 0x")?;
    Some(Submitted { opcode: after("opcode ")?, flags: u32::from_str_radix(&flags, 16).ok()? })
}

#[test]
fn the_poll_driver_asks_for_polls_with_deadlines_and_for_no_epoll() {
    let events = format!(
        "{SUBMIT},syscalls:sys_enter_epoll_ctl,syscalls:sys_enter_epoll_pwait2,syscalls:sys_enter_epoll_wait"
    );
    if !work::available(Kind::Poll)
        || !work::runs("perf", &["record", "-q", "-o", "/dev/null", "-e", &events, "true"])
    {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("perf.data").display().to_string();
    let tool = ["perf", "record", "-q", "-m", "1024", "-o", &file, "-e", &events, "--"];
    let test = "tracepoints::the_poll_driver_asks_for_polls_with_deadlines_and_for_no_epoll";
    if work::under(&tool, test, Kind::Poll).is_none() {
        return;
    }
    let script = Command::new("perf").args(["script", "-i", &file]).output().expect("perf script");
    let text = String::from_utf8_lossy(&script.stdout);
    assert!(!text.contains("sys_enter_epoll"), "the poll driver uses epoll");
    let submitted: Vec<_> =
        text.lines().filter(|line| line.contains("submit_req")).filter_map(parse).collect();
    let count = |opcode: &str| submitted.iter().filter(|req| req.opcode == opcode).count();
    println!(
        "{} requests: {} POLL_ADD, {} LINK_TIMEOUT, {} POLL_REMOVE",
        submitted.len(),
        count("POLL_ADD"),
        count("LINK_TIMEOUT"),
        count("POLL_REMOVE")
    );
    let linked = submitted.iter().filter(|req| req.opcode == "POLL_ADD" && req.flags & LINK != 0);
    let linked = linked.count();
    // one for the connect, one for each wait for a response (or more)
    assert!(linked > REQUESTS as usize / 2, "{linked} POLL_ADD with a link");
    assert_eq!(count("LINK_TIMEOUT"), linked, "each deadline is linked to its poll");
    assert!(count("POLL_REMOVE") >= CONNECTIONS / 2, "idle connections' polls are removed");
}

#[test]
fn a_line_of_perf_is_understood() {
    let line = "drivers 1 [0] 1.0: io_uring:io_uring_submit_req: ring 0xf, req 0xe, user_data 0x1, opcode POLL_ADD, flags 0x80004, sq_thread 0";
    let submitted = parse(line).expect("it is one");
    assert_eq!((submitted.opcode.as_str(), submitted.flags & LINK), ("POLL_ADD", LINK));
}
