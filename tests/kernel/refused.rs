//! Sandboxes that refuse system calls: each says what it is, and nothing hangs.

use std::os::fd::AsRawFd;
use std::time::Duration;

use ringdove::sys::count::{self, Counter};
use ringdove::sys::probe::{Need, Probe, Topic};
use ringdove::sys::ring::{Ring, SetupError};
use ringdove::sys::seccomp::{Call, refuse};
use ringdove::sys::{Epoll, Errno, Interest, Waker, clock};

use crate::support::{PATIENCE, ring, small};

/// Runs `test` in a thread of its own, where `call` fails with `errno`.
fn refusing(call: Call, errno: Errno, test: impl FnOnce() + Send) {
    let run = || match refuse(call, errno) {
        Ok(()) => test(),
        Err(refused) => eprintln!("skipped: no seccomp filter can be set: {refused}"),
    };
    std::thread::scope(|s| s.spawn(run).join().expect("the test passes"));
}

#[test]
fn a_refused_set_up_is_the_first_obstacle() {
    for errno in [Errno::EPERM, Errno::ENOSYS] {
        refusing(Call::RingSetup, errno, || {
            assert_eq!(Ring::new(&small()).err(), Some(SetupError::Refused(errno)));
            let probe = Probe::run();
            let obstacle = probe.obstacle(Need::Readiness).expect("there is one");
            assert_eq!(obstacle.topic, Topic::SetUp);
            let reason = obstacle.to_string();
            assert!(reason.contains(errno.name().expect("it has one")), "{reason}");
            assert!(reason.contains("seccomp"), "{reason}");
        });
    }
}

#[test]
fn a_refused_registration_leaves_polls_and_denies_completions() {
    if ring().is_none() {
        return;
    }
    refusing(Call::RingRegister, Errno::EPERM, || {
        let ring = Ring::new(&small()).expect("a ring");
        assert!(!ring.report().registered_fd);
        let probe = Probe::run();
        // which operations there are cannot be asked, and is no obstacle if the trials succeed
        assert_eq!(probe.obstacle(Need::Readiness), None);
        let obstacle = probe.obstacle(Need::Completion).expect("there is one");
        assert!(obstacle.outcome.as_ref().is_err_and(|reason| reason.contains("EPERM")));
    });
}

#[test]
fn a_refused_enter_is_found_by_trial() {
    if ring().is_none() {
        return;
    }
    refusing(Call::RingEnter, Errno::EPERM, || {
        let probe = Probe::run();
        let obstacle = probe.obstacle(Need::Readiness).expect("there is one");
        assert_eq!(obstacle.topic, Topic::Trial);
        let mut ring = Ring::new(&small()).expect("a ring");
        ring.nop().expect("pushes");
        assert_eq!(ring.submit_and_wait(clock::now(), None), Err(Errno::EPERM));
        let before = clock::now();
        assert_eq!(ring.shutdown(PATIENCE), 2, "the no-op and the cancelling of it");
        assert!(clock::now() - before < PATIENCE / 2, "it waited for what cannot come");
    });
}

#[test]
fn a_refused_epoll_pwait2_steps_down_to_milliseconds() {
    for errno in [Errno::EPERM, Errno::ENOSYS] {
        refusing(Call::EpollPwait2, errno, || {
            let mut epoll = Epoll::new().expect("an epoll");
            let waker = Waker::new().expect("an eventfd");
            epoll.add(waker.as_raw_fd(), Interest::RECV, 1).expect("adds");
            waker.wake();
            let before = count::snapshot();
            for _ in 0..3 {
                assert_eq!(epoll.wait(Some(Duration::from_secs(9))), Ok(1));
            }
            let counts = count::snapshot().since(&before);
            assert_eq!(counts.get(Counter::EpollPwait2), 1);
            assert_eq!(counts.get(Counter::EpollWait), 3);
        });
    }
}
