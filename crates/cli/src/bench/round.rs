//! One round, in a process of its own: threads that make requests, and what they found together.
//!
//! A process of its own, so that no round inherits the memory, descriptors or workers of another.

use std::collections::BTreeMap;
use std::sync::Arc;

use hdrhistogram::Histogram;
use ringdove::driver::Kind;
use ringdove::sys::{rlimit, usage};
use ringdove::{HttpVersions, Options, TlsPolicy};

use super::load::{self, Load};
use super::plan::{Latency, Measured, Plan, Speaks, Stop, Trust};
use super::target::Target;
use crate::interrupt::no_thread;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Makes the round.
pub(super) fn run(plan: &Plan) -> Result<Measured, Failure> {
    rlimit::raise_open_files()?;
    let loads =
        (0..plan.threads).map(|thread| share(plan, thread)).collect::<Result<Vec<_>, _>>()?;
    let before = usage::resident_kib();
    let outcomes = std::thread::scope(|scope| {
        let start = |load| {
            std::thread::Builder::new()
                .spawn_scoped(scope, move || load::run(load))
                .map_err(|error| no_thread("makes requests", &error))
        };
        let threads = loads.into_iter().map(start).collect::<Result<Vec<_>, _>>()?;
        let joined = threads.into_iter().map(|thread| match thread.join() {
            Ok(outcome) => outcome,
            Err(_) => Err("a thread of the client panicked".into()),
        });
        joined.collect::<Result<Vec<_>, Failure>>()
    })?;
    let mut measured = merge(outcomes);
    measured.memory_kib = before.zip(usage::peak_resident_kib());
    Ok(measured)
}

/// The part of one thread.
fn share(plan: &Plan, thread: usize) -> Result<Load, Failure> {
    let urls = plan.urls.clone();
    let of = |whole: u64| {
        let (threads, thread) = (plan.threads as u64, thread as u64);
        whole / threads + u64::from(thread < whole % threads)
    };
    let kind = Kind::ALL.into_iter().find(|kind| kind.name() == plan.driver);
    let mut options = Options::default();
    if urls.iter().any(Target::is_https) {
        options.tls = Some(trust(&plan.trust)?);
    }
    options.decode = plan.asked.decode();
    options.versions = match plan.speaks {
        Speaks::Http1 => HttpVersions::Http1,
        Speaks::Http2 => HttpVersions::Http2,
        Speaks::Negotiated => HttpVersions::Negotiated,
    };
    Ok(Load {
        kind: kind.ok_or("no such driver")?,
        // threads begin at different URLs
        next_url: thread * urls.len() / plan.threads,
        connections: (of(plan.connections as u64) as usize).max(1),
        streams: plan.streams,
        stop: match plan.stop {
            Stop::Requests(requests) => Stop::Requests(of(requests)),
            seconds @ Stop::Seconds(_) => seconds,
        },
        warm_up: of(plan.warm_up),
        rate: plan.rate.map(|rate| rate / plan.threads as f64),
        keepalive: plan.keepalive,
        cpu: plan.cpus.get(thread).copied(),
        options: Arc::new(options),
        requests: plan.asked.requests()?,
        body_bytes: plan.body_bytes,
        ring: plan.ring.options(),
        names: plan.lookup.service(),
        progress: plan.progress && thread == 0,
        urls,
    })
}

fn trust(trust: &Trust) -> Result<TlsPolicy, Failure> {
    let builder = TlsPolicy::builder();
    let builder = match trust {
        Trust::System => builder,
        Trust::File(path) => builder.only_these_roots().add_roots_file(path),
        Trust::Pem(pem) => builder.only_these_roots().add_roots_pem(pem.as_bytes()),
        Trust::Anybody => builder.insecure(),
    };
    Ok(builder.build()?)
}

fn merge(outcomes: Vec<load::Outcome>) -> Measured {
    let mut all = Measured::default();
    let (mut latency, mut service) = (load::histogram(), load::histogram());
    let mut process_cpu_us = 0;
    for outcome in outcomes {
        let one = outcome.measured;
        latency += outcome.latency;
        service += outcome.service;
        all.why = one.why;
        all.requests += one.requests;
        sum(&mut all.errors, one.errors);
        sum(&mut all.counts, one.counts);
        for (status, count) in one.not_2xx {
            *all.not_2xx.entry(status).or_default() += count;
        }
        all.sent_again += one.sent_again;
        all.first_error = all.first_error.or(one.first_error);
        // threads run side by side
        all.seconds = all.seconds.max(one.seconds);
        all.user_us += one.user_us;
        all.system_us += one.system_us;
        // each has seen the whole process
        process_cpu_us = process_cpu_us.max(one.other_cpu_us);
        all.voluntary_switches += one.voluntary_switches;
        all.involuntary_switches += one.involuntary_switches;
        all.system_calls += one.system_calls;
        all.opened += one.opened;
        all.connections += one.connections;
        all.body_bytes += one.body_bytes;
        all.latest_start_us = all.latest_start_us.max(one.latest_start_us);
    }
    all.other_cpu_us = process_cpu_us.saturating_sub(all.user_us + all.system_us);
    all.latency = Latency::of(&latency);
    all.service = Latency::of(&service);
    all
}

fn sum(into: &mut BTreeMap<String, u64>, from: BTreeMap<String, u64>) {
    for (name, count) in from {
        *into.entry(name).or_default() += count;
    }
}

impl Latency {
    pub(super) fn of(histogram: &Histogram<u64>) -> Self {
        let value = |nanoseconds| nanoseconds as f64 / 1000.0;
        let recorded = histogram.iter_recorded();
        Latency(recorded.map(|v| (value(v.value_iterated_to()), v.count_at_value())).collect())
    }
}
