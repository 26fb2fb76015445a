//! HTTP/2 at work: servers that go away and are followed by others, bodies in both directions, and transfers that are given up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ringdove::driver::Kind;
use ringdove::engine::{Body, BodySource};
use ringdove::protocol::SourceRead;
use ringdove::{HttpVersions, Options, Request};

use crate::http2::{obeyed, speaking};
use crate::run::{Recorder, Run, Transfer, at_size, is_long, on_every_driver};
use crate::uploads::post;
use ringdove_test_support::PATIENCE;
use ringdove_test_support::certs::Authority;
use ringdove_test_support::h2::raw::{code, setting};
use ringdove_test_support::h2::{Credit, Last, Peer, Plan, Script, Setup, pattern, processed};

on_every_driver! {
    a_rolling_restart_fails_nothing_and_repeats_nothing,
    uploads_of_several_megabytes_come_back,
    pauses_hold_up_nobody_else,
    what_is_given_up_at_random_leaves_the_others_alone,
}

fn prior() -> Arc<Options> {
    Arc::new(speaking(HttpVersions::Http2))
}

/// A server in each way, and a driver that can speak with it.
fn both(kind: Kind, plan: &Plan) -> [(Peer, Run, Arc<Options>); 2] {
    let authority = Authority::new();
    let tls = authority.server().server_config_that_speaks(&["h2"]);
    let by_tls = Setup::new(plan.clone()).tls(tls).start();
    [
        (plan.clone().start(), Run::new(kind), prior()),
        (by_tls, Run::trusting(kind, &authority), Arc::default()),
    ]
}

/// Each connection ends after so many requests, in good manner: who comes later was not processed, and is sent again.
fn a_rolling_restart_fails_nothing_and_repeats_nothing(kind: Kind) {
    let (requests, each) = (at_size(2500, 200_000), at_size(100, 1000));
    // so many that some are always amid a crowd
    let plan = Plan::new().settings(&[(setting::MAX_CONCURRENT_STREAMS, 128)]);
    let plan = plan.each(move |request| {
        let is_last = request.index == each - 1;
        let script = Script::new().await_body();
        let script = if is_last { script.go_away(Last::This, code::NO_ERROR) } else { script };
        let script = script.head(200, &[]).pattern(10);
        if is_last { script.await_alone().close() } else { script }
    });
    for (peer, mut run, options) in both(kind, &plan) {
        let started = Instant::now();
        let transfers: Vec<_> = (0..requests)
            .map(|nth| {
                let url = peer.url(&format!("/{nth}"));
                let request = match nth % 3 {
                    0 => post(&url, "something to do once"),
                    _ => Request::get(&url).unwrap(),
                };
                run.add(request.field("id", nth.to_string()).unwrap().options(options.clone()))
            })
            .collect();
        run.finish();
        let took = started.elapsed().as_secs_f64();
        for (nth, transfer) in transfers.iter().enumerate() {
            transfer.assert_response(200, &pattern(&format!("/{nth}"), 10));
        }
        let seen = peer.requests();
        let times = processed(&seen, "id");
        assert_eq!(times.len(), requests);
        assert!(times.values().all(|&times| times == 1), "something was processed twice");
        obeyed(&peer);
        if is_long() {
            println!(
                "measured: {kind}, {}: {requests} requests, GOAWAY after each {each}: {} connections, {} were sent \
                 again, {took:.1} s",
                peer.url("").split(':').next().unwrap_or_default(),
                run.driver.stats().opened,
                seen.len() - requests
            );
        }
    }
}

/// Gives its bytes by pieces.
struct Pieces(Vec<u8>, usize);

impl BodySource for Pieces {
    fn read(&mut self, out: &mut [u8]) -> SourceRead {
        let Pieces(bytes, at) = self;
        let left = &bytes[*at..];
        let n = left.len().min(out.len()).min(5000);
        out[..n].copy_from_slice(&left[..n]);
        *at += n;
        if n == 0 { SourceRead::End } else { SourceRead::Data(n) }
    }
}

fn uploads_of_several_megabytes_come_back(kind: Kind) {
    const SIZE: usize = 2_500_000;
    for credit in [Credit::AtOnce, Credit::WhenEmpty(50_000)] {
        let plan = Plan::new().credit(credit).each(|_| Script::echoing());
        for (peer, mut run, options) in both(kind, &plan) {
            let bodies = ["/memory", "/known", "/unknown"].map(|path| {
                let bytes = pattern(path, SIZE);
                let source = || Box::new(Pieces(bytes.clone(), 0));
                let body = match path {
                    "/memory" => Body::from(bytes.clone()),
                    "/known" => Body::Stream { length: Some(SIZE as u64), source: source() },
                    _ => Body::Stream { length: None, source: source() },
                };
                let request = post(&peer.url(path), body).options(options.clone());
                (bytes, run.add(request))
            });
            run.finish();
            bodies.iter().for_each(|(bytes, transfer)| transfer.assert_response(200, bytes));
            assert_eq!(run.driver.stats().opened, 1);
            obeyed(&peer);
        }
    }
}

/// Some are paused amid their bodies, at the head, or all the time, while others of the same connection go on.
fn pauses_hold_up_nobody_else(kind: Kind) {
    const SIZE: usize = 400_000;
    let plan = Plan::new().each(|_| Script::ok(SIZE as u64));
    for (peer, mut run, options) in both(kind, &plan) {
        let mut add = |path: &str, recorder| {
            let request = Request::get(&peer.url(path)).unwrap().options(options.clone());
            (pattern(path, SIZE), run.add_recorded(request, recorder))
        };
        let paused = [
            add("/0", Recorder::pausing_at(0)),
            add("/1", Recorder::pausing_at(1)),
            add("/2", Recorder::pausing_at(100_000)),
            add("/3", Recorder::pausing_always()),
        ];
        let others = ["/4", "/5", "/6", "/7"].map(|path| add(path, Recorder::default()));
        let all_done = |these: &[(Vec<u8>, Transfer)]| these.iter().all(|(_, it)| it.is_done());
        run.turn_until("the others are over", |_| all_done(&others));
        run.turn_until("all have paused", |_| paused.iter().all(|(_, it)| !it.told().is_empty()));
        assert!(paused.iter().all(|(_, transfer)| !transfer.is_done()));
        run.turn_until("the paused are over", |run| {
            paused.iter().for_each(|(_, transfer)| _ = run.driver.resume(transfer.id));
            all_done(&paused)
        });
        for (body, transfer) in paused.iter().chain(&others) {
            transfer.assert_response(200, body);
        }
        assert_eq!(run.driver.stats().opened, 1);
        obeyed(&peer);
    }
}

/// Numbers without an order that one would see (Marsaglia's xorshift).
fn next(chance: &mut u64) -> usize {
    *chance ^= *chance << 13;
    *chance ^= *chance >> 7;
    *chance ^= *chance << 17;
    (*chance % 1_000_000) as usize
}

fn what_is_given_up_at_random_leaves_the_others_alone(kind: Kind) {
    let plan = Plan::new()
        .path("/echo", Script::echoing())
        .each(|request| Script::ok(request.path().len() as u64 * 20_000));
    for (peer, mut run, options) in both(kind, &plan) {
        let mut chance = 0x9e37_79b9_7f4a_7c15;
        let mut running = Vec::new();
        let mut kept = Vec::new();
        for nth in 0..300 {
            let path = format!("/{nth}");
            let (body, request) = match nth % 3 {
                0 => {
                    let body = pattern("/echo", next(&mut chance) % 200_000);
                    (body.clone(), post(&peer.url("/echo"), body))
                }
                _ => {
                    let body = pattern(&path, path.len() * 20_000);
                    (body, Request::get(&peer.url(&path)).unwrap())
                }
            };
            let transfer = run.add(request.options(options.clone()));
            let list = if nth % 2 == 0 { &mut running } else { &mut kept };
            list.push((body, transfer));
            while next(&mut chance).is_multiple_of(3) && !running.is_empty() {
                let (_, given_up) = running.swap_remove(next(&mut chance) % running.len());
                // unless it is over
                _ = run.driver.remove(given_up.id);
            }
            if nth % 4 == 0 {
                run.turn(Duration::ZERO);
            }
        }
        run.finish();
        for (body, transfer) in running.iter().chain(&kept) {
            transfer.assert_response(200, body);
        }
        assert!(run.driver.stats().removed > 20, "{:?}", run.driver.stats());
        drop(run);
        assert!(peer.wait_for(PATIENCE, |seen| seen.iter().all(|seen| seen.ended)));
        obeyed(&peer);
    }
}
