//! From records to tables and plots. Whatever is said about figures is computed here.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use plotters::prelude::*;
use serde_json::Value;

use crate::Failure;

/// A figure of a record.
struct Figure {
    name: &'static str,
    title: &'static str,
    digits: usize,
}

const CPU: Figure = Figure { name: "cpu_us_per_request", title: "CPU, µs per request", digits: 2 };
const FIGURES: [Figure; 4] = [
    Figure { name: "requests_per_s", title: "Requests per second", digits: 0 },
    Figure { name: "p99", title: "Latency, 99th percentile, µs", digits: 0 },
    Figure { name: "ctx_switches_per_request", title: "Context switches per request", digits: 3 },
    Figure { name: "peak_rss_kib", title: "Peak memory of the process, KiB", digits: 0 },
];
const SYSCALLS: Figure =
    Figure { name: "syscalls_per_request", title: "System calls per request", digits: 3 };

/// Colours told apart also by those who see red and green as one; then the same, dashed by eye.
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 92, 175),
    RGBColor(230, 120, 0),
    RGBColor(0, 150, 120),
    RGBColor(110, 110, 110),
    RGBColor(0, 0, 0),
    RGBColor(200, 80, 160),
    RGBColor(90, 180, 230),
    RGBColor(150, 110, 40),
];

/// Writes results.md and the plots.
pub(crate) fn write(records: &[Value], directory: &Path) -> Result<(), Failure> {
    let table = Table::new(records);
    let mut text = String::from("# Results\n\n");
    head(&mut text, records)?;
    verdicts(&mut text, &table)?;
    for group in &table.groups {
        writeln!(text, "\n## {group}\n")?;
        table.render(&mut text, group, &CPU, true)?;
        for figure in &FIGURES {
            writeln!(text)?;
            table.render(&mut text, group, figure, false)?;
        }
        writeln!(text)?;
        table.render(&mut text, group, &SYSCALLS, false)?;
    }
    failures(&mut text, records)?;
    fs::write(directory.join("results.md"), text)?;
    plot(&table, &directory.join("cpu-by-connections.svg"))
}

/// Records by case and client.
struct Table {
    groups: Vec<String>,
    /// By group, in the order of the records.
    cases: Vec<(String, String)>,
    clients: Vec<String>,
    cells: BTreeMap<(String, String), Vec<Value>>,
}

impl Table {
    fn new(records: &[Value]) -> Self {
        let mut table =
            Self { groups: vec![], cases: vec![], clients: vec![], cells: BTreeMap::new() };
        for record in records {
            let text = |key: &str| record[key].as_str().map(str::to_owned);
            let (Some(case), Some(client), Some(group)) =
                (text("case"), text("client"), text("group"))
            else {
                continue;
            };
            add_new(&mut table.groups, group.clone());
            add_new(&mut table.cases, (group, case.clone()));
            add_new(&mut table.clients, client.clone());
            table.cells.entry((case, client)).or_default().push(record.clone());
        }
        table
    }

    /// Least, median and most of a figure over the rounds.
    fn spread(&self, case: &str, client: &str, figure: &str) -> Option<(f64, f64, f64)> {
        let rounds = self.cells.get(&(case.to_owned(), client.to_owned()))?;
        let mut values: Vec<f64> = rounds.iter().filter_map(|round| value(round, figure)).collect();
        values.sort_by(f64::total_cmp);
        let (&least, &most) = (values.first()?, values.last()?);
        let middle = values.len() / 2;
        let median = match values.len() % 2 {
            0 => f64::midpoint(values[middle - 1], values[middle]),
            _ => values[middle],
        };
        Some((least, median, most))
    }

    fn median(&self, case: &str, client: &str, figure: &str) -> Option<f64> {
        self.spread(case, client, figure).map(|(_, median, _)| median)
    }

    fn render(
        &self,
        text: &mut String,
        group: &str,
        figure: &Figure,
        with_spread: bool,
    ) -> Result<(), Failure> {
        let of_group = self.cases.iter().filter(|(known, _)| known == group);
        let cases: Vec<&String> = of_group.map(|(_, case)| case).collect();
        let mut rows = String::new();
        let digits = figure.digits;
        for client in &self.clients {
            let cells = cases.iter().map(|case| match self.spread(case, client, figure.name) {
                None => "–".to_owned(),
                Some((least, median, most)) if with_spread && least < most => {
                    format!("{median:.digits$} ({least:.digits$}–{most:.digits$})")
                }
                Some((_, median, _)) => format!("{median:.digits$}"),
            });
            let cells: Vec<String> = cells.collect();
            if cells.iter().any(|cell| cell != "–") {
                writeln!(rows, "| {client} | {} |", cells.join(" | "))?;
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        let heads: Vec<&str> = cases.iter().map(|case| case.as_str()).collect();
        writeln!(text, "| {} | {} |", figure.title, heads.join(" | "))?;
        writeln!(text, "| --- |{}", " ---: |".repeat(cases.len()))?;
        text.push_str(&rows);
        Ok(())
    }
}

fn value(record: &Value, figure: &str) -> Option<f64> {
    match figure {
        "p99" => record["latency_us"]["p99"].as_f64(),
        "ctx_switches_per_request" => record[figure].as_f64().or_else(|| {
            Some(record["ctx_switches"].as_f64()? / record["requests"].as_f64()?.max(1.0))
        }),
        _ => record[figure].as_f64(),
    }
}

fn add_new<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

fn head(text: &mut String, records: &[Value]) -> Result<(), Failure> {
    let Some(record) = records.iter().find(|record| record["kernel"].is_string()) else {
        return Ok(());
    };
    let rounds =
        records.iter().filter_map(|record| record["round"].as_u64()).max().unwrap_or(0) + 1;
    let plain = |key: &str| record[key].as_str().unwrap_or("not recorded").to_owned();
    writeln!(
        text,
        "Clients against nginx on loopback, client and server on a CPU each. Linux {}, {} × {}; \
         ringdove {}, commit {}. Medians over {rounds} rounds (least–most where there are several). \
         CPU is that of the client alone, user and system; for wrk and h2load that of the whole \
         process, connecting included. Made by `scripts/bench`; every figure is in records.jsonl.\n",
        plain("kernel"),
        record["cpus"],
        plain("cpu"),
        plain("version"),
        plain("commit"),
    )?;
    if let Value::Object(vulnerabilities) = &record["vulnerabilities"] {
        let each = vulnerabilities
            .iter()
            .map(|(name, state)| format!("{name}: {}", state.as_str().unwrap_or("")));
        writeln!(text, "CPU vulnerabilities: {}.", each.collect::<Vec<_>>().join("; "))?;
    }
    Ok(())
}

/// What ringdove promises of its CPU per request, and whether it holds here.
fn verdicts(text: &mut String, table: &Table) -> Result<(), Failure> {
    let case = |connections: usize| format!("keepalive-{connections}-12b-plain");
    let cpu = |connections: usize, client: &str| table.median(&case(connections), client, CPU.name);
    let mut rows = String::new();
    for driver in ["ring", "poll", "epoll"] {
        let client = format!("ringdove {driver}");
        if let (Some(ours), Some(floor)) = (cpu(1000, &client), cpu(1000, "floor_epoll")) {
            row(
                &mut rows,
                &client,
                "of the bare epoll loop, 1,000 connections",
                ours / floor,
                1.5,
            )?;
        }
        if let (Some(ours), Some(curl)) = (cpu(1000, &client), cpu(1000, "libcurl_multi")) {
            row(&mut rows, &client, "of libcurl, 1,000 connections", ours / curl, 1.0 / 3.0)?;
        }
        let growth = |client: &str| Some(cpu(8000, client)? / cpu(64, client)?);
        if let (Some(ours), Some(floor)) = (growth(&client), growth("floor_epoll")) {
            let what = "growth from 64 to 8,000 connections, of the bare loop's";
            row(&mut rows, &client, what, ours / floor, 1.2)?;
        }
    }
    if !rows.is_empty() {
        writeln!(text, "\n## CPU per keep-alive request against its bounds\n")?;
        writeln!(
            text,
            "| client | measure | times | at most | |\n| --- | --- | ---: | ---: | --- |"
        )?;
        text.push_str(&rows);
    }
    Ok(())
}

fn row(rows: &mut String, client: &str, what: &str, is: f64, most: f64) -> Result<(), Failure> {
    let verdict = if is <= most { "holds" } else { "**missed**" };
    writeln!(rows, "| {client} | {what} | {is:.2} | {most:.2} | {verdict} |")?;
    Ok(())
}

fn failures(text: &mut String, records: &[Value]) -> Result<(), Failure> {
    let failed: Vec<_> = records.iter().filter(|record| record["failed"].is_string()).collect();
    if !failed.is_empty() {
        writeln!(text, "\n## What failed\n")?;
    }
    for record in failed {
        let plain = |key: &str| record[key].as_str().unwrap_or("").replace('\n', " ");
        writeln!(text, "* {}, {}: {}", plain("case"), plain("client"), plain("failed"))?;
    }
    Ok(())
}

/// CPU per keep-alive request by connections, both axes logarithmic.
fn plot(table: &Table, path: &Path) -> Result<(), Failure> {
    let mut lines: Vec<(&String, Vec<(f64, f64)>)> = Vec::new();
    for client in &table.clients {
        let points = [64_u32, 1000, 4000, 8000].into_iter().filter_map(|connections| {
            let case = format!("keepalive-{connections}-12b-plain");
            Some((f64::from(connections), table.median(&case, client, CPU.name)?))
        });
        let points: Vec<_> = points.collect();
        if !points.is_empty() {
            lines.push((client, points));
        }
    }
    let values = || lines.iter().flat_map(|(_, points)| points.iter().map(|point| point.1));
    if lines.is_empty() {
        return Ok(());
    }
    let (least, most) = (values().fold(f64::MAX, f64::min), values().fold(0.0, f64::max));
    let root = SVGBackend::new(path, (900, 560)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(
            "CPU µs per keep-alive request, 12 bytes, nginx on the other CPU",
            ("sans-serif", 18),
        )
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(48)
        .build_cartesian_2d((50.0..10_000.0).log_scale(), (least * 0.8..most * 1.25).log_scale())?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("connections")
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .draw()?;
    for ((client, points), colour) in lines.into_iter().zip(COLOURS.into_iter().cycle()) {
        let style = colour.stroke_width(if client.starts_with("ringdove") { 3 } else { 1 });
        chart
            .draw_series(LineSeries::new(points, style).point_size(3))?
            .label(client)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.2))
        .draw()?;
    root.present()?;
    Ok(())
}
