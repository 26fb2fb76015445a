//! The scenarios whose instructions and allocations are counted.

use std::hint::black_box;
use std::process::ExitCode;

use stats_alloc::Region;

use crate::ALLOCATOR;
use crate::canned::{Canned, Scenario};
use crate::http2::{Heads, Http2, Http2Engine};

type Named = (&'static str, fn() -> Counted);

pub(crate) const ALL: [Named; 8] = [
    ("keepalive", || Counted::engine(&Scenario::keepalive(64))),
    ("new_connection", || Counted::engine(&Scenario::new_connections(64))),
    ("body_64_kib", || Counted::engine(&Scenario::body(64, 64 * 1024))),
    ("chunked_64_kib", || Counted::engine(&Scenario::chunked(64, 64 * 1024))),
    ("h2_codec_indexed", || Counted::http2(Heads::Indexed)),
    ("h2_codec_nginx", || Counted::http2(Heads::Literal)),
    ("h2_indexed", || Counted::http2_engine(Heads::Indexed)),
    ("h2_nginx", || Counted::http2_engine(Heads::Literal)),
];

/// What is counted.
pub(crate) enum Counted {
    /// Transfers through an engine.
    Engine(Box<Canned>),
    /// Requests on an HTTP/2 connection by itself.
    Http2(Box<Http2>),
    /// Transfers through an engine, 100 at a time on one HTTP/2 connection.
    Http2Engine(Box<Http2Engine>),
}

impl Counted {
    fn engine(scenario: &Scenario) -> Counted {
        let mut canned = Canned::new(scenario);
        canned.add(scenario.connections as u64);
        Counted::Engine(Box::new(canned))
    }

    fn http2(heads: Heads) -> Counted {
        Counted::Http2(Box::new(Http2::new(heads)))
    }

    fn http2_engine(heads: Heads) -> Counted {
        Counted::Http2Engine(Box::new(Http2Engine::new(heads)))
    }

    fn run_steadily(&mut self, transfers: u64) {
        match self {
            Counted::Engine(canned) => canned.run_steadily(transfers),
            Counted::Http2(http2) => http2.run(transfers),
            Counted::Http2Engine(http2) => http2.run(transfers),
        }
    }
}

/// Transfers before counting begins: queues and buffers have their size by then.
const WARM_UP: u64 = 1024;

pub(crate) fn print_allocations() {
    println!("\n{:<24} {:>24}", "scenario", "allocations/transfer");
    for (name, scenario) in ALL {
        println!("{name:<24} {:>24.2}", allocations(scenario()));
    }
}

/// Allocations and reallocations per transfer.
pub(crate) fn allocations(counted: Counted) -> f64 {
    const TRANSFERS: u64 = 8192;
    let mut counted = warm(counted);
    let region = Region::new(ALLOCATOR);
    counted.run_steadily(TRANSFERS);
    let change = region.change();
    (change.allocations + change.reallocations) as f64 / TRANSFERS as f64
}

/// The process that callgrind watches: so many transfers, and `extra` turns of an empty loop with
/// each, which [`crate::gate`] proves itself with.
pub(crate) fn run_for_callgrind(name: &str, transfers: &str) -> ExitCode {
    let (transfers, extra) = transfers.split_once('+').unwrap_or((transfers, "0"));
    let scenario = ALL.iter().find(|(known, _)| *known == name);
    let (Some((_, scenario)), Ok(transfers), Ok(extra)) =
        (scenario, transfers.parse::<u64>(), extra.parse::<u64>())
    else {
        eprintln!("counted run: no such scenario, or not a number");
        return ExitCode::from(2);
    };
    let mut counted = warm(scenario());
    counted.run_steadily(transfers);
    for turn in 0..transfers * extra {
        black_box(turn);
    }
    println!("{}", cpu());
    ExitCode::SUCCESS
}

/// What the choice of code depends on at run time: `memchr` and `httparse` look for it.
fn cpu() -> String {
    #[cfg(target_arch = "x86_64")]
    let features = if is_x86_feature_detected!("avx2") { "+avx2" } else { "-avx2" };
    #[cfg(not(target_arch = "x86_64"))]
    let features = "";
    format!("{}{features}", std::env::consts::ARCH)
}

fn warm(mut counted: Counted) -> Counted {
    counted.run_steadily(WARM_UP);
    counted
}
