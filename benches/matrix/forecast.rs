//! How long it will take, from what requests cost on the machine where this was written.

use std::fmt::Write as _;

use crate::cases::{Case, Load};
use crate::clients::{Client, warm_up};
use crate::{Args, REQUESTS_PER_CONNECTION, rounds, seconds};

/// To start a process and to end it, its connections included.
const PROCESS_S: f64 = 0.35;
/// To start a server, and what it needs for one host.
const SERVER_S: f64 = 0.3;
const HOST_S: f64 = 0.0002;

/// The cases, each with its rounds and clients, and how long all take.
pub(crate) fn list(args: &Args, cases: &[Case], clients: &[Client]) -> String {
    let mut text = String::new();
    for case in cases {
        let able = clients.iter().filter(|client| client.cannot(case).is_none()).count();
        let minutes = minutes(args, std::slice::from_ref(case), clients);
        let rounds = rounds(args, case);
        let _ =
            writeln!(text, "{:34} {able:2} clients, {rounds} rounds, {minutes:.1} min", case.name);
    }
    let _ =
        writeln!(text, "{} cases: about {:.0} minutes", cases.len(), minutes(args, cases, clients));
    text
}

pub(crate) fn minutes(args: &Args, cases: &[Case], clients: &[Client]) -> f64 {
    let of_case = |case: &Case| {
        let able = clients.iter().filter(|client| client.cannot(case).is_none());
        let all: f64 = able.map(|client| of_client(args, case, client)).sum();
        SERVER_S + HOST_S * f64::from(case.hosts) + all
    };
    cases.iter().map(of_case).sum::<f64>() / 60.0
}

/// The trial, and the rounds.
fn of_client(args: &Args, case: &Case, client: &Client) -> f64 {
    let request_s = request_us(case, client) / 1e6;
    let warm_up_s = PROCESS_S + warm_up(case) as f64 * request_s;
    let rounds = f64::from(rounds(args, case));
    if case.load != Load::Closed {
        return rounds * (warm_up_s + seconds(args)) + 4.0;
    }
    let least = (REQUESTS_PER_CONNECTION * case.in_flight() as u64) as f64 * request_s;
    let trial = warm_up_s + 4000.0 * request_s;
    trial + rounds * (warm_up_s + seconds(args).max(least))
}

/// What a request takes about, of the client's CPU or of the server's, whichever is more.
fn request_us(case: &Case, client: &Client) -> f64 {
    let connections = case.connections as f64;
    let small = match client.name.as_str() {
        // it looks through its connections for an idle one
        "libcurl_multi" => 25.0 + 0.035 * connections,
        "reqwest_client" | "ringline_client" => 30.0,
        _ => 16.0,
    };
    let opening = match (case.keepalive, case.tls) {
        (true, _) => 0.0,
        (false, false) => 60.0,
        (false, true) => 600.0,
    };
    let byte_ns = if case.tls { 1.0 } else { 0.4 };
    small + opening + case.body as f64 * byte_ns / 1000.0
}
