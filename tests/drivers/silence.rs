//! A peer that goes silent in each phase: the deadline of that phase ends the transfer, not before
//! it has passed and not long after.

use std::time::Duration;

use ringdove::driver::Kind;
use ringdove::error::{Deadline, Phase};
use ringdove::{Config, Driver, LowSpeed, Options};

use crate::run::{Run, Transfer, on_every_driver};
use ringdove_test_support::certs::Authority;
use ringdove_test_support::dead_end::Blackhole;
use ringdove_test_support::hostile::{Framing, Hostile, Plan, Script};

on_every_driver! {
    each_phase_has_its_own_deadline,
    a_total_deadline_binds_in_every_phase,
    bytes_move_the_idle_deadline,
    speed_enough_is_no_fault,
}

/// Peers that are silent in all ways.
struct Silent {
    plain: Hostile,
    mute_tls: Hostile,
    half_tls: Hostile,
    slow_reader: Hostile,
    blackhole: Blackhole,
    authority: Authority,
}

/// A way to go silent, and what ends it.
struct Way {
    name: &'static str,
    url: String,
    upload: bool,
    deadline: Deadline,
    phase: Phase,
}

impl Silent {
    fn start() -> Silent {
        let authority = Authority::new();
        let tls =
            |script| Plan::new().tls(authority.server().server_config()).connection(script).start();
        let trickle = Script::new()
            .send("HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n")
            .trickle([b'x'; 10_000], 5, Duration::from_millis(20));
        let plain = Plan::new()
            .path("/mute", Script::new().stall())
            .path("/head", Script::new().send("HTTP/1.1 200 OK\r\nContent-Le").stall())
            .path("/body", Script::new().respond("200 OK", Framing::Declared(10), "half").stall())
            .path("/trickle", trickle)
            .start();
        Silent {
            plain,
            mute_tls: tls(Script::new().stall()),
            half_tls: tls(Script::new().partial_handshake(200).stall()),
            slow_reader: Plan::new()
                .recv_buffer(4096)
                .connection(Script::new().never_read())
                .start(),
            blackhole: Blackhole::start().expect("an address that does not answer"),
            authority,
        }
    }

    fn ways(&self) -> Vec<Way> {
        let way = |name, url, deadline, phase| Way { name, url, upload: false, deadline, phase };
        let hole = format!("http://{}/", self.blackhole.addr());
        let mut ways = vec![
            way("connect", hole, Deadline::Connect, Phase::Connect),
            way("tls, mute", self.mute_tls.url("/"), Deadline::Tls, Phase::Tls),
            way("tls, half", self.half_tls.url("/"), Deadline::Tls, Phase::Tls),
            way("first byte", self.plain.url("/mute"), Deadline::FirstByte, Phase::FirstByte),
            way("head", self.plain.url("/head"), Deadline::Idle, Phase::Receive),
            way("body", self.plain.url("/body"), Deadline::Idle, Phase::Receive),
            way("low speed", self.plain.url("/trickle"), Deadline::LowSpeed, Phase::Receive),
        ];
        let send = way("send", self.slow_reader.url("/"), Deadline::Idle, Phase::Send);
        ways.push(Way { upload: true, ..send });
        ways
    }

    fn run(&self, kind: Kind) -> Run {
        Run::trusting(kind, &self.authority)
    }
}

/// All deadlines of waits are this long.
fn options(after: Duration) -> Options {
    let mut options = Options::default();
    let timeouts = &mut options.timeouts;
    timeouts.connect = Some(after);
    timeouts.tls = Some(after);
    timeouts.first_byte = Some(after);
    timeouts.idle = Some(after);
    options.low_speed = Some(LowSpeed { bytes_per_second: 100, over: after * 2 });
    options
}

fn add(run: &mut Run, way: &Way, mut options: Options) -> Transfer {
    if way.deadline == Deadline::LowSpeed {
        let after = options.timeouts.idle.expect("set");
        options.low_speed = Some(LowSpeed { bytes_per_second: 10_000, over: after });
    } else {
        options.low_speed = None;
    }
    let method = if way.upload { http::Method::POST } else { http::Method::GET };
    let mut request = ringdove::Request::new(method, &way.url).expect("a good URL");
    if way.upload {
        request = request.body(vec![b'x'; 20_000_000]);
    }
    run.add(request.options(options.into()))
}

pub(crate) fn each_phase_has_its_own_deadline(kind: Kind) {
    let silent = Silent::start();
    let mut run = silent.run(kind);
    let after = Duration::from_millis(400);
    let ways = silent.ways();
    let transfers: Vec<_> = ways.iter().map(|way| add(&mut run, way, options(after))).collect();
    run.finish();
    for (way, transfer) in ways.iter().zip(&transfers) {
        eprintln!("{}: {}", way.name, transfer.error());
        transfer.assert_timed_out(way.deadline, way.phase, after);
    }
}

fn a_total_deadline_binds_in_every_phase(kind: Kind) {
    let silent = Silent::start();
    let mut run = silent.run(kind);
    let total = Duration::from_millis(300);
    let ways = silent.ways();
    let mut options = Options::default();
    options.timeouts.total = Some(total);
    options.timeouts.idle = Some(Duration::from_secs(100));
    let transfers: Vec<_> = ways
        .iter()
        .map(|way| {
            let mut request = ringdove::Request::get(&way.url).expect("a good URL");
            if way.upload {
                request = request.body(vec![b'x'; 20_000_000]);
            }
            run.add(request.options(options.clone().into()))
        })
        .collect();
    run.finish();
    for (way, transfer) in ways.iter().zip(&transfers) {
        eprintln!("{}: {}", way.name, transfer.error());
        transfer.assert_timed_out(Deadline::Total, way.phase, total);
    }
}

/// Each wait for a byte is shorter than the deadline, all together are longer.
fn bytes_move_the_idle_deadline(kind: Kind) {
    let trickle = Script::new()
        .trickle("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", 20, Duration::from_millis(100))
        .trickle([b'x'; 10], 1, Duration::from_millis(100));
    let server = Plan::new().path("/", trickle).start();
    let mut run = Run::new(kind);
    let transfer = run.get_with(&server.url("/"), options(Duration::from_millis(600)));
    run.finish();
    assert!(transfer.took() > Duration::from_millis(900));
    transfer.assert_response(200, &[b'x'; 10]);
}

fn speed_enough_is_no_fault(kind: Kind) {
    let trickle = Script::new().send("HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n").trickle(
        [b'x'; 2000],
        100,
        Duration::from_millis(30),
    );
    let server = Plan::new().path("/", trickle).start();
    let mut run = Run::new(kind);
    let low_speed = LowSpeed { bytes_per_second: 100, over: Duration::from_millis(100) };
    let options = Options { low_speed: Some(low_speed), ..Options::default() };
    let transfer = run.get_with(&server.url("/"), options);
    run.finish();
    transfer.assert_response(200, &[b'x'; 2000]);
}

/// How late each deadline is, as a table: `cargo test --test drivers lateness -- --ignored
/// --nocapture`, on a machine that has nothing else to do.
#[test]
#[ignore = "a measurement, for a quiet machine"]
fn lateness() {
    const ROUNDS: usize = 20;
    let after = Duration::from_millis(250);
    println!("milliseconds after a deadline of {} ms, {ROUNDS} rounds", after.as_millis());
    println!("{:<12} {:>6} {:>8} {:>8} {:>8}", "silent in", "driver", "least", "median", "most");
    for kind in Kind::ALL {
        if let Err(refused) = Driver::new(kind, Config::default()) {
            println!("skipped: {refused}");
            continue;
        }
        let silent = Silent::start();
        let mut run = silent.run(kind);
        // the kernel of a peer that does not read goes on taking bytes for a while
        for way in silent.ways().iter().filter(|way| !way.upload) {
            let mut late: Vec<_> = (0..ROUNDS)
                .map(|_| {
                    let transfer = add(&mut run, way, options(after));
                    run.finish();
                    transfer.assert_timed_out(way.deadline, way.phase, after);
                    (transfer.took() - after).as_secs_f64() * 1e3
                })
                .collect();
            late.sort_by(f64::total_cmp);
            println!(
                "{:<12} {:>6} {:>8.2} {:>8.2} {:>8.2}",
                way.name,
                kind.name(),
                late[0],
                late[ROUNDS / 2],
                late[ROUNDS - 1]
            );
        }
    }
}
