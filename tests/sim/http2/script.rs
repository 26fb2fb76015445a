//! What the servers do: drawn from the seed, from the request, and from how often it has come.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use ringdove_test_support::h2::raw::{self, code, setting};
use ringdove_test_support::h2::{Credit, Last, Length, Order, Plan, Script, SeenRequest};

use crate::random::Random;

/// How often each path was asked for.
pub(super) type Asked = Arc<Mutex<HashMap<String, u64>>>;

/// What the server of one connection does. Where all are `kind` every request succeeds in the end; bodies have
/// so many bytes at most.
pub(super) fn plan(
    random: &mut Random,
    (kind, largest): (bool, u64),
    asked: &Asked,
    seed: u64,
) -> Plan {
    let asked = asked.clone();
    let plan = Plan::new()
        .settings(&settings(random, kind))
        .order(random.pick(&[Order::Turns, Order::OldestFirst, Order::NewestFirst]))
        .credit(match random.below(8) {
            0 | 1 => Credit::WhenEmpty(random.range(200, 70_000) as u32),
            2 if !kind => Credit::Never,
            _ => Credit::AtOnce,
        })
        .each(move |request| {
            let mut asked = asked.lock().unwrap();
            let times = asked.entry(request.path().to_owned()).or_default();
            *times += 1;
            let hash = request
                .path()
                .bytes()
                .fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
            let mut random = Random::new(hash ^ (*times << 40));
            script(&mut random, request, *times, (kind, largest))
        });
    match random.chance(10) && !kind {
        true => plan.never_pong(),
        false => plan,
    }
}

fn settings(random: &mut Random, kind: bool) -> Vec<(u16, u32)> {
    let least = u32::from(kind);
    let mut list = Vec::new();
    if random.chance(50) {
        let streams = random.range(least.into(), 8) as u32;
        list.push((setting::MAX_CONCURRENT_STREAMS, streams));
    }
    if random.chance(30) {
        let window = random.pick(&[least * 50, 1_000, 65_535, 200_000]);
        list.push((setting::INITIAL_WINDOW_SIZE, window));
    }
    if random.chance(20) {
        list.push((setting::MAX_FRAME_SIZE, random.pick(&[16_384, 20_000, 100_000])));
    }
    if random.chance(20) {
        list.push((setting::HEADER_TABLE_SIZE, random.pick(&[0, 100, 4_096, 65_536])));
    }
    list
}

fn script(
    random: &mut Random,
    request: &SeenRequest,
    times: u64,
    (kind, largest): (bool, u64),
) -> Script {
    let mut script = Script::new();
    if random.chance(10) {
        script = script.settings(&settings(random, kind));
    }
    if random.chance(5) {
        script = script.ping();
    }
    if times < 3 && random.chance(15) {
        // who has begun to answer others after this one does not behave by refusing those
        return match random.below(3) {
            _ if kind => script.reset(code::REFUSED_STREAM),
            0 => script.reset(code::REFUSED_STREAM),
            1 => script.go_away(Last::BeforeThis, code::NO_ERROR),
            _ => script.go_away(Last::BeforeThis, code::ENHANCE_YOUR_CALM).await_alone().close(),
        };
    }
    let hostile = !kind && random.chance(25);
    if hostile && random.chance(30) {
        return trouble(script, random);
    }
    script = answer(script, random, request, (hostile, largest));
    match random.below(20) {
        0 if !kind => script.go_away(Last::This, code::NO_ERROR),
        0 | 1 => script.go_away(Last::Highest, code::NO_ERROR).await_alone().close(),
        2 => script.settings(&settings(random, kind)),
        _ => script,
    }
}

fn answer(
    mut script: Script,
    random: &mut Random,
    request: &SeenRequest,
    (hostile, largest): (bool, u64),
) -> Script {
    if random.chance(20) {
        script = script.pad_data(random.below(256) as u8).pad_heads(random.below(256) as u8);
    }
    if random.chance(30) {
        script = script.cut_data(random.size(1, 2_000)).cut_heads(random.size(20, 200));
    }
    if random.chance(10) {
        script = script.informational(103, &[("link", "</a>")]);
    }
    let expects = request.field("expect").is_some();
    if expects && random.chance(60) {
        script = script.informational(100, &[]);
    }
    let is_early = random.chance(20);
    if !is_early {
        script = script.await_body();
    }
    if random.chance(10) && !request.path().ends_with("/on") {
        let on = format!("{}/on", request.path());
        return script.head(302, &[("location", &on)]).bytes("it is elsewhere");
    }
    if request.method() == "HEAD" {
        return script.head_that_says(200, &[], Length::Says(1_000));
    }
    let size = match random.below(8) {
        0 => 0,
        1 => random.below(largest),
        _ => random.below(1_000),
    };
    if hostile {
        script = script
            .head_that_says(200, &[], Length::Says(size + 10))
            .raw(|id| raw::data(id, 0, b"some"));
        return trouble(script, random);
    }
    script = script.head(200, &[]).pattern(size);
    match random.chance(10) {
        true => script.trailers(&[("checksum", "1")]),
        false => script,
    }
}

/// In the middle, or instead of an answer.
fn trouble(script: Script, random: &mut Random) -> Script {
    let codes = [
        code::NO_ERROR,
        code::CANCEL,
        code::INTERNAL_ERROR,
        code::REFUSED_STREAM,
        code::HTTP_1_1_REQUIRED,
    ];
    match random.below(9) {
        0 | 1 => script.reset(random.pick(&codes)),
        2 => script.close(),
        3 => script.abort(),
        4 => script.stall(),
        5 => script.go_away(Last::Number(0), code::INTERNAL_ERROR).close(),
        6 => script.go_away(Last::BeforeThis, code::NO_ERROR).stall(),
        7 => script.raw(|_| raw::frame(raw::kind::WINDOW_UPDATE, 0, 0, &[0; 4])),
        _ => script.go_away(Last::This, code::NO_ERROR).close(),
    }
}
