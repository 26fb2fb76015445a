//! `ringdove bench`: what a request costs, measured on the real engine.
//!
//! What was typed ([`options`], [`asked`], [`target`]) → plans ([`plan`]) → rounds, each in a process of its own
//! ([`child`], [`round`], [`load`]) against a server ([`server`]) → medians ([`summary`]) → what is
//! shown ([`table`], [`plot`]).
//!
//! Knows ringdove's public API. Must not know how a transfer is made. Invariants: rounds of
//! different drivers are interleaved; what costs the server or the command nothing is counted of
//! the client alone.

mod asked;
mod child;
mod load;
mod machine;
mod options;
mod plan;
mod plot;
mod round;
mod server;
mod summary;
mod table;
mod target;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};
use ringdove::Config;
use ringdove::driver::{Driver, Kind};
use ringdove::sys::affinity;

use crate::text::guess::with_scheme;

use asked::Asked;
use child::Server;
use machine::Machine;
use options::Role;
use plan::{Measured, Plan, Serve, Stop, Trust};
use summary::Summary;
use target::Target;

pub(crate) use options::BenchArgs;

type Failure = Box<dyn std::error::Error>;

/// Runs the command; false if some requests failed.
pub(crate) fn run(args: &BenchArgs) -> Result<bool, Failure> {
    match args.role {
        Role::Command => command(args),
        Role::Server => server::run(&child::told::<Serve>()?).map(|()| true),
        Role::Round => {
            let measured = round::run(&child::told()?).map_err(|error| error as Failure)?;
            println!("{}", serde_json::to_string(&measured)?);
            Ok(true)
        }
    }
}

fn command(args: &BenchArgs) -> Result<bool, Failure> {
    let kinds = available(args)?;
    let cpus = affinity::allowed()?;
    let urls = urls(args)?;
    let asked = args.asked.read(args.input.as_deref())?;
    let server = match urls.is_empty() {
        true => Some(Server::start(&serve(args, &asked, &cpus))?),
        false => None,
    };
    let base = plan(args, urls, asked, server.as_ref(), &cpus)?;
    let rounds = measure(args, &base, &kinds)?;
    let machine = Machine::this();
    let summaries: Vec<_> =
        rounds.iter().map(|(plan, rounds)| Summary::new(plan, rounds, &machine)).collect();
    if args.json {
        for summary in &summaries {
            println!("{}", serde_json::to_string(summary)?);
        }
    } else {
        print!("{}", table::render(&summaries, &machine));
    }
    if let Some(path) = &args.plot {
        write(path, &plot::svg(&summaries)?)?;
        write(&path.with_added_extension("html"), &plot::html(&summaries, &machine)?)?;
    }
    Ok(summaries.iter().all(|summary| summary.errors.is_empty()))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|why| format!("{}: {why}", path.display()).into())
}

/// The drivers asked for that this system has; those that it refuses are told.
fn available(args: &BenchArgs) -> Result<Vec<Kind>, Failure> {
    let mut kinds = args.kinds();
    kinds.retain(|&kind| match Driver::with_ring(kind, Config::default(), &args.ring.options()) {
        Ok(_) => true,
        Err(refused) => {
            eprintln!("{refused}");
            false
        }
    });
    if kinds.is_empty() {
        return Err("no driver to measure".into());
    }
    Ok(kinds)
}

/// The server's CPU is the last, the client's are those from the first on.
fn serve(args: &BenchArgs, asked: &Asked, cpus: &[usize]) -> Serve {
    if cpus.len() < 2 {
        eprintln!("only one CPU: server and client share it, and wait for each other");
    }
    Serve {
        hosts: args.hosts.unwrap_or(1),
        body_bytes: args.body_size,
        cpu: cpus.last().copied(),
        tls: args.tls,
        request_bytes: asked.body_bytes(),
        heads_only: asked.is_head(),
        freeze: None,
    }
}

fn plan(
    args: &BenchArgs,
    urls: Vec<Target>,
    asked: Asked,
    server: Option<&Server>,
    cpus: &[usize],
) -> Result<Plan, Failure> {
    let mut urls = urls;
    let mut trust = match (&args.cacert, args.insecure) {
        (_, true) => Trust::Anybody,
        (Some(file), false) => Trust::File(file.clone()),
        (None, false) => Trust::System,
    };
    if let Some(Server { serving, .. }) = server {
        let scheme = if args.tls { "https" } else { "http" };
        urls = vec![format!("{scheme}://127.0.0.1:{}/", serving.port).parse()?];
        if let Some(certificate) = &serving.certificate {
            trust = Trust::Pem(certificate.clone());
        }
    }
    let urls = spread(urls, args.hosts)?;
    let threads = args.threads as usize;
    Ok(Plan {
        driver: String::new(),
        connections: 0,
        streams: args.streams,
        speaks: args.speaks(),
        threads,
        stop: args.requests.map_or(Stop::Seconds(args.duration), Stop::Requests),
        warm_up: 0,
        rate: args.rate,
        keepalive: !args.no_keepalive,
        cpus: client_cpus(args, server.is_some(), cpus)?,
        trust,
        body_bytes: server.map(|_| if asked.is_head() { 0 } else { args.body_size as u64 }),
        asked,
        ring: args.ring,
        lookup: args.lookup.clone(),
        progress: std::io::IsTerminal::is_terminal(&std::io::stderr()),
        urls,
    })
}

/// A CPU for each thread, in turn, or none at all: with a server of our own those that it leaves,
/// otherwise those from the one on that was asked for.
fn client_cpus(args: &BenchArgs, with_server: bool, cpus: &[usize]) -> Result<Vec<usize>, Failure> {
    let last = cpus.len().saturating_sub(usize::from(with_server && cpus.len() > 1));
    let first = match args.cpu {
        None if !with_server => return Ok(Vec::new()),
        None => 0,
        Some(cpu) => cpus
            .iter()
            .position(|&allowed| allowed == cpu)
            .ok_or_else(|| format!("--cpu {cpu}: only {cpus:?} may be used here"))?,
    };
    // asked for, the server's own may be shared
    let usable = if first < last { &cpus[first..last] } else { &cpus[first..] };
    let threads = args.threads as usize;
    if threads > usable.len() {
        eprintln!("{threads} threads on {} CPUs: they wait for each other", usable.len());
    }
    Ok(usable.iter().copied().cycle().take(threads).collect())
}

/// The URLs of the command line and of the file; each is one that can be requested.
fn urls(args: &BenchArgs) -> Result<Vec<Target>, Failure> {
    let mut urls = Vec::new();
    for url in &args.urls {
        urls.push(checked(url)?);
    }
    let Some(path) = &args.input else { return Ok(urls) };
    let input: Box<dyn BufRead> = match path.to_str() {
        Some("-") => Box::new(std::io::stdin().lock()),
        _ => Box::new(BufReader::new(
            std::fs::File::open(path).map_err(|why| format!("{}: {why}", path.display()))?,
        )),
    };
    for (number, line) in input.lines().enumerate() {
        let named =
            |why: &dyn std::fmt::Display| format!("{}, line {}: {why}", path.display(), number + 1);
        let line = line.map_err(|why| named(&why))?;
        let line = line.trim();
        if !line.is_empty() && !line.starts_with('#') {
            urls.push(checked(line).map_err(|why| named(&why))?);
        }
    }
    if urls.is_empty() {
        return Err(format!("{}: no URL in it", path.display()).into());
    }
    Ok(urls)
}

fn checked(url: &str) -> Result<Target, Failure> {
    let whole = with_scheme(url, None).map_err(|why| format!("{url}: {why}"))?;
    Ok(whole.parse().map_err(|why| format!("{whole}: {why}"))?)
}

/// Each URL on each host.
fn spread(urls: Vec<Target>, hosts: Option<u32>) -> Result<Vec<Target>, Failure> {
    let Some(hosts) = hosts else { return Ok(urls) };
    let mut spread = Vec::with_capacity(urls.len() * hosts as usize);
    for host in 0..hosts {
        let address = Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + host);
        for target in &urls {
            let mut url = target.url.clone();
            url.set_ip_host(IpAddr::V4(address)).map_err(|()| format!("{url}: no host"))?;
            spread.push(Target { url, scope: 0 });
        }
    }
    Ok(spread)
}

/// All rounds, interleaved: each driver once, then each once more in the opposite order, …
fn measure(
    args: &BenchArgs,
    base: &Plan,
    kinds: &[Kind],
) -> Result<Vec<(Plan, Vec<Measured>)>, Failure> {
    let mut plans = Vec::new();
    for &connections in &args.connections {
        let targets = if base.keepalive { base.urls.len() } else { 0 };
        let in_flight = connections * args.streams as usize;
        let warm_up = 2 * (in_flight.max(targets) as u64).max(500);
        for kind in kinds {
            let driver = kind.name().to_owned();
            let warm_up = args.warm_up.unwrap_or(warm_up);
            plans.push(Plan { driver, connections, warm_up, ..base.clone() });
        }
    }
    let bar = progress_bar(base.progress, plans.len() as u64 * u64::from(args.rounds));
    let mut measured: BTreeMap<usize, Vec<Measured>> = BTreeMap::new();
    for round in 0..args.rounds {
        let mut order: Vec<usize> = (0..plans.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for index in order {
            let plan = &plans[index];
            let what = format!("{}, {} connections", plan.driver, plan.connections);
            let found = child::round(plan, |requests| {
                bar.set_message(format!("{what}: {requests} requests"));
            })
            .map_err(|why| format!("{what}: {why}"))?;
            measured.entry(index).or_default().push(found);
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(plans.into_iter().zip(measured.into_values()).collect())
}

fn progress_bar(wanted: bool, rounds: u64) -> ProgressBar {
    if !wanted {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:24} round {pos}/{len}  {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(rounds).with_style(style)
}
