//! Names looked up by the system's resolver.

use std::time::Duration;

use ringdove::driver::Kind;
use ringdove::engine::NameService;
use ringdove::error::{Cause, Deadline, Phase, Progress};
use ringdove::{Config, Options};

use crate::run::{Run, on_every_driver};
use ringdove_test_support::hostile::{Plan, Script};
use ringdove_test_support::leak::Census;

on_every_driver! {
    localhost_is_found_once_for_all,
    a_name_that_does_not_exist,
    a_look_up_that_takes_too_long,
    threads_are_bounded,
}

fn system(kind: Kind) -> Run {
    Run::with(kind, Config { names: NameService::System, ..Config::default() })
}

fn localhost_is_found_once_for_all(kind: Kind) {
    let server = Plan::new().path("/", Script::new().ok("fine")).start();
    let mut run = system(kind);
    let url = format!("http://localhost:{}/", server.addr().port());
    let transfers: Vec<_> = (0..20).map(|_| run.get(&url)).collect();
    run.finish();
    transfers.iter().for_each(|transfer| transfer.assert_response(200, b"fine"));
    let first = transfers[0].outcome().report;
    assert!(first.times.resolve > Duration::ZERO);
    assert_eq!(first.remote, Some(server.addr()));
    run.get(&url);
    run.finish();
    assert_eq!(run.driver.stats().lookups, 1, "shared, then from the cache");
}

fn a_name_that_does_not_exist(kind: Kind) {
    let mut run = system(kind);
    let transfers: Vec<_> =
        (0..5).map(|i| run.get(&format!("http://host{}.invalid/", i % 2))).collect();
    run.finish();
    for transfer in transfers {
        let error = transfer.error();
        assert!(matches!(error.cause, Cause::Resolve(_)), "{error:?}");
        assert_eq!((error.phase, error.progress), (Phase::Resolve, Progress::NothingSent));
    }
    assert_eq!(run.driver.stats().lookups, 2);
}

/// The deadline is shorter than any look-up: whoever comes first, there is one end.
fn a_look_up_that_takes_too_long(kind: Kind) {
    let mut run = system(kind);
    let after = Duration::from_nanos(1);
    let mut options = Options::default();
    options.timeouts.resolve = Some(after);
    let transfer = run.get_with("http://slow.invalid/", options);
    run.finish();
    let error = transfer.error();
    if !matches!(error.cause, Cause::Resolve(_)) {
        transfer.assert_timed_out(Deadline::Resolve, Phase::Resolve, after);
    }
}

fn threads_are_bounded(kind: Kind) {
    let mut run =
        Run::with(kind, Config { max_lookups: 3, names: NameService::System, ..Config::default() });
    let before = Census::take().threads.len();
    let transfers: Vec<_> = (0..9).map(|i| run.get(&format!("http://host{i}.invalid/"))).collect();
    let mut most = 0;
    run.turn_until("all have failed", |run| {
        most = most.max(Census::take().threads.len() - before);
        run.driver.running() == 0
    });
    assert!((1..=3).contains(&most), "{most} threads");
    assert!(transfers.iter().all(|transfer| matches!(transfer.error().cause, Cause::Resolve(_))));
}
