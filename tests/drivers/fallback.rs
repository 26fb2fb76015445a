//! Where io_uring is denied, at whichever step: `auto` falls back, says why, and all goes as ever.
//!
//! The refusals are seccomp filters, which cannot be undone: each stands in a process of its own.

use ringdove::driver::Kind;
use ringdove::sys::Errno;
use ringdove::sys::seccomp::{Call, refuse};
use ringdove::{Config, Driver};

use crate::{bodies, crowd, flow, refusals, removal, reuse, silence, uploads};
use ringdove_test_support::isolated;

/// What every driver must do, in short.
const CORE: &[fn(Kind)] = &[
    bodies::a_corpus_in_plaintext,
    bodies::a_corpus_over_tls,
    bodies::each_framing,
    bodies::resets,
    uploads::from_streams,
    reuse::a_stale_connection_is_replaced_where_that_is_safe,
    flow::a_handler_pauses_in_the_body,
    refusals::the_next_address_is_tried,
    removal::in_the_body,
    crowd::two_thousand_over_sixty_four,
    silence::each_phase_has_its_own_deadline,
];

/// Refuses a call, and runs the core on what `auto` makes of it.
fn refusing(test: &str, call: Call, errno: Errno, expected: Kind) {
    isolated::run(test, &[], || {
        if let Err(refused) = Driver::new(Kind::Poll, Config::default()) {
            eprintln!("skipped: io_uring is denied to begin with: {refused}");
            return;
        }
        if let Err(refused) = refuse(call, errno) {
            eprintln!("skipped: no seccomp filter can be set: {refused}");
            return;
        }
        let driver = Driver::auto(Config::default()).expect("there is always epoll");
        assert_eq!(driver.kind(), expected, "{}", driver.why());
        assert!(driver.why().contains(errno.name().unwrap()), "{}", driver.why());
        // what is said of io_uring is true of the driver that was taken
        let polls_work = driver.why().ends_with("; polls on io_uring work");
        assert_eq!(polls_work, expected == Kind::Poll, "{}", driver.why());
        assert!(!driver.why().contains("works here"), "{}", driver.why());
        drop(driver);
        CORE.iter().for_each(|behaviour| behaviour(expected));
        if expected == Kind::Epoll {
            for kind in [Kind::Ring, Kind::Poll] {
                let refused = Driver::new(kind, Config::default()).err().expect("it is denied");
                assert_eq!(refused.kind, kind);
                assert!(refused.reason.contains(errno.name().unwrap()), "{refused}");
            }
        } else {
            let refused = Driver::new(Kind::Ring, Config::default()).err().expect("it is denied");
            assert_eq!(refused.kind, Kind::Ring);
            assert!(refused.reason.contains(errno.name().unwrap()), "{refused}");
        }
    });
}

#[test]
fn without_io_uring_setup() {
    refusing("fallback::without_io_uring_setup", Call::RingSetup, Errno::EPERM, Kind::Epoll);
}

#[test]
fn on_a_kernel_that_knows_no_io_uring() {
    refusing(
        "fallback::on_a_kernel_that_knows_no_io_uring",
        Call::RingSetup,
        Errno::ENOSYS,
        Kind::Epoll,
    );
}

#[test]
fn without_io_uring_enter() {
    refusing("fallback::without_io_uring_enter", Call::RingEnter, Errno::EPERM, Kind::Epoll);
}

/// Polls need no registration; direct descriptors and provided buffers do.
#[test]
fn without_io_uring_register() {
    refusing("fallback::without_io_uring_register", Call::RingRegister, Errno::EPERM, Kind::Poll);
}
