//! The system's switch, `kernel.io_uring_disabled`.
//!
//! It is set to 1, which denies io_uring to processes without CAP_SYS_ADMIN, and the work runs without
//! that: whatever else runs on the machine as root keeps its rings.

use std::fs;

use ringdove::driver::Kind;
use ringdove::{Config, Discard, Driver, Request};

use crate::work;
use ringdove_test_support::isolated;
use ringdove_test_support::nginx::Nginx;

const SWITCH: &str = "/proc/sys/kernel/io_uring_disabled";
const TEST: &str = "switch::without_permission_auto_falls_back_and_says_so";

/// Set until dropped.
struct Denied(String);

impl Denied {
    fn set() -> std::io::Result<Denied> {
        let before = fs::read_to_string(SWITCH)?;
        fs::write(SWITCH, "1")?;
        Ok(Denied(before))
    }
}

impl Drop for Denied {
    fn drop(&mut self) {
        fs::write(SWITCH, self.0.trim()).expect("the switch is put back");
    }
}

#[test]
fn without_permission_auto_falls_back_and_says_so() {
    const INSIDE: &str = "RINGDOVE_OBSERVED_SWITCH";
    if std::env::var(INSIDE).is_ok() {
        return isolated::run(TEST, &[], fall_back);
    }
    let drop_capability = ["--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"];
    let mut check = drop_capability.to_vec();
    check.push("true");
    if !work::available(Kind::Poll) || !work::runs("setpriv", &check) {
        return;
    }
    let denied = match Denied::set() {
        Ok(denied) => denied,
        Err(error) => return eprintln!("skipped: {SWITCH}: {error}"),
    };
    let inside = format!("{INSIDE}=1");
    let mut wrapper = vec!["env", &inside, "setpriv"];
    wrapper.extend(drop_capability);
    isolated::run(TEST, &wrapper, || unreachable!("it is inside"));
    drop(denied);
}

fn fall_back() {
    let mut driver = Driver::auto(Config::default()).expect("there is always epoll");
    assert_eq!(driver.kind(), Kind::Epoll);
    assert!(driver.why().contains("EPERM"), "{}", driver.why());
    let nginx = Nginx::plain();
    for _ in 0..100 {
        driver.add(Request::get(&nginx.url("/ok")).unwrap(), Box::new(Discard)).expect("adds");
    }
    while driver.running() > 0 {
        driver.turn(None).expect("the driver can go on");
    }
    assert_eq!(driver.stats().succeeded, 100);
}
