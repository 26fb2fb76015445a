//! The summaries as a table of text.

use std::fmt::Write as _;

use super::machine::Machine;
use super::summary::{Spread, Summary};

/// One column: its head, and its cell for a summary.
type Column = (&'static str, fn(&Summary) -> String);

const COLUMNS: [Column; 13] = [
    ("driver", |s| s.driver.clone()),
    ("conns", |s| s.connections.to_string()),
    ("CPU µs/req", |s| spread(&s.figures.cpu_us_per_request)),
    ("user", |s| format!("{:.2}", s.figures.cpu_user_us_per_request.median)),
    ("sys", |s| format!("{:.2}", s.figures.cpu_sys_us_per_request.median)),
    ("syscalls/req", |s| format!("{:.3}", s.figures.syscalls_per_request.median)),
    ("SQEs/req", |s| format!("{:.2}", s.figures.sqes_per_request.median)),
    ("CQEs/req", |s| format!("{:.2}", s.figures.cqes_per_request.median)),
    ("switches/req", |s| format!("{:.3}", s.figures.ctx_switches_per_request.median)),
    ("req/s", |s| format!("{:.0}", s.figures.requests_per_s.median)),
    ("p50 µs", |s| s.latency_us.map_or_else(String::new, |l| format!("{:.0}", l.p50))),
    ("p99 µs", |s| s.latency_us.map_or_else(String::new, |l| format!("{:.0}", l.p99))),
    ("KiB/conn", |s| {
        let bytes = s.figures.bytes_per_connection;
        bytes.map_or_else(String::new, |bytes| format!("{:.1}", bytes.median / 1024.0))
    }),
];

/// The table, what it was measured on, and what is to be said about it.
pub(super) fn render(summaries: &[Summary], machine: &Machine) -> String {
    let mut text = String::new();
    let rows: Vec<Vec<String>> =
        summaries.iter().map(|s| COLUMNS.iter().map(|(_, cell)| cell(s)).collect()).collect();
    let widths: Vec<usize> = COLUMNS
        .iter()
        .enumerate()
        .map(|(i, (head, _))| {
            let cells = rows.iter().map(|row| row[i].chars().count());
            cells.chain([head.chars().count()]).max().unwrap_or(0)
        })
        .collect();
    let heads: Vec<String> = COLUMNS.iter().map(|(head, _)| (*head).to_owned()).collect();
    for row in std::iter::once(&heads).chain(&rows) {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:>width$}"));
        let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    against_epoll(&mut text, summaries);
    for summary in summaries {
        open_loop(&mut text, summary);
        remarks(&mut text, summary);
    }
    let _ = writeln!(
        text,
        "\nCPU of the client's threads alone, medians of the rounds (least–most). Linux {}, {}, {} \
         CPUs, mitigations: {}; ringdove {}{}.",
        machine.kernel,
        machine.cpu,
        machine.cpus,
        machine.mitigated(),
        machine.version,
        machine.commit.map_or_else(String::new, |commit| format!(" ({commit})")),
    );
    text
}

/// What the figures come to.
fn against_epoll(text: &mut String, summaries: &[Summary]) {
    let less = |ours: Spread, theirs: Spread| match (ours.median / theirs.median - 1.0) * 100.0 {
        change if change < 0.0 => format!("{:.0} % less", -change),
        change => format!("{change:.0} % more"),
    };
    for epoll in summaries.iter().filter(|summary| summary.driver == "epoll") {
        let same = |other: &&Summary| {
            other.connections == epoll.connections && other.driver != epoll.driver
        };
        for other in summaries.iter().filter(same) {
            let (ours, theirs) = (&other.figures, &epoll.figures);
            let _ = writeln!(
                text,
                "{}, {}: {} CPU per request than epoll{}, {} system calls",
                other.driver,
                other.connections,
                less(ours.cpu_us_per_request, theirs.cpu_us_per_request),
                if other.cheaper(epoll).is_some() { "" } else { " (but the rounds overlap)" },
                less(ours.syscalls_per_request, theirs.syscalls_per_request),
            );
        }
    }
}

/// Both series of latency.
fn open_loop(text: &mut String, summary: &Summary) {
    let (Some(latency), Some(service)) = (summary.latency_us, summary.service_us) else { return };
    let (driver, connections) = (&summary.driver, summary.connections);
    for (what, l) in [("when it was to start", latency), ("when it got a connection", service)] {
        let _ = writeln!(
            text,
            "{driver}, {connections}: µs from {what}: p50 {:.0}, p90 {:.0}, p99 {:.0}, p99.9 {:.0}, max {:.0}",
            l.p50, l.p90, l.p99, l.p99_9, l.max
        );
    }
}

fn remarks(text: &mut String, summary: &Summary) {
    let (driver, connections) = (&summary.driver, summary.connections);
    for warning in &summary.warnings {
        let _ = writeln!(text, "{driver}, {connections}: {warning}");
    }
    if !summary.not_2xx.is_empty() {
        let statuses = summary.not_2xx.iter().map(|(status, count)| format!("{count} × {status}"));
        let statuses = statuses.collect::<Vec<_>>().join(", ");
        let _ = writeln!(text, "{driver}, {connections}: answers that are not 2xx: {statuses}");
    }
    if summary.sent_again > 0 {
        let again = summary.sent_again;
        let _ = writeln!(
            text,
            "{driver}, {connections}: requests sent again, as their connections were closed: {again}"
        );
    }
    if !summary.errors.is_empty() {
        let kinds = summary.errors.iter().map(|(kind, count)| format!("{count} {kind}"));
        let kinds = kinds.collect::<Vec<_>>().join(", ");
        let first = summary.first_error.as_deref().unwrap_or("");
        let _ = writeln!(text, "{driver}, {connections}: errors: {kinds}; the first: {first}");
    }
    let other = summary.figures.cpu_other_us_per_request.median;
    if other > 0.02 * summary.figures.cpu_us_per_request.median {
        let _ = writeln!(
            text,
            "{driver}, {connections}: and {other:.2} µs/req in threads that are not the client's"
        );
    }
}

fn spread(spread: &Spread) -> String {
    format!("{:.2} ({:.2}–{:.2})", spread.median, spread.min, spread.max)
}
