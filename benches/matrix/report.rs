//! From records to tables and plots. Whatever is said about figures is computed here.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::Failure;
use crate::plot::{self, Line};

/// A figure of a record.
#[derive(Clone, Copy)]
struct Figure {
    name: &'static str,
    title: &'static str,
    digits: usize,
}

const CPU: Figure = Figure { name: "cpu_us_per_request", title: "CPU, µs per request", digits: 2 };
const SYSCALLS: Figure =
    Figure { name: "syscalls_per_request", title: "System calls per request", digits: 3 };
const P99: Figure = Figure { name: "p99", title: "Latency, 99th percentile, µs", digits: 0 };
/// Beside the first, which are shown for each group.
const OTHERS: [Figure; 5] = [
    Figure {
        name: "server_cpu_us_per_request",
        title: "CPU of the server, µs per request",
        digits: 2,
    },
    Figure { name: "requests_per_s", title: "Requests per second", digits: 0 },
    P99,
    Figure { name: "ctx_switches_per_request", title: "Context switches per request", digits: 3 },
    Figure { name: "peak_rss_kib", title: "Peak memory of the process, KiB", digits: 0 },
];
const DRIVERS: [&str; 3] = ["ringdove ring", "ringdove poll", "ringdove epoll"];

/// Writes results.md and the plots.
pub(crate) fn write(records: &[Value], directory: &Path) -> Result<(), Failure> {
    let table = Table::new(records);
    let mut text = String::from("# Results\n\n");
    head(&mut text, records)?;
    bounds(&mut text, &table)?;
    drivers(&mut text, &table)?;
    for group in &table.groups {
        writeln!(text, "\n## {group}\n")?;
        table.render(&mut text, group, &CPU, true)?;
        for figure in std::iter::once(&SYSCALLS).chain(&OTHERS) {
            writeln!(text)?;
            table.render(&mut text, group, figure, false)?;
        }
    }
    troubles(&mut text, records)?;
    losses(&mut text, &table)?;
    fs::write(directory.join("results.md"), text)?;
    for (figure, name) in
        [(&CPU, "cpu-by-connections.svg"), (&SYSCALLS, "syscalls-by-connections.svg")]
    {
        let lines = lines(&table, figure);
        if !lines.is_empty() {
            let title = format!("{}: keep-alive, 12 bytes, nginx on the other CPU", figure.title);
            fs::write(directory.join(name), plot::svg(&title, &lines)?)?;
        }
    }
    Ok(())
}

/// The one in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

/// Records by case and client.
struct Table {
    groups: Vec<String>,
    /// By group, in the order of the records.
    cases: Vec<(String, String)>,
    clients: Vec<String>,
    cells: BTreeMap<(String, String), Vec<Value>>,
}

/// Over rounds.
#[derive(Clone, Copy)]
struct Spread {
    least: f64,
    median: f64,
    most: f64,
    rounds: usize,
}

impl Spread {
    fn of(values: Vec<f64>) -> Option<Self> {
        let least = values.iter().copied().reduce(f64::min)?;
        let most = values.iter().copied().reduce(f64::max)?;
        let rounds = values.len();
        median(values).map(|median| Self { least, median, most, rounds })
    }
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
        // as they stand in the first case, which may lack some
        let order = |name: &String| DRIVERS.iter().position(|driver| driver == name).unwrap_or(9);
        table.clients.sort_by_key(order);
        table
    }

    fn records(&self, case: &str, client: &str) -> &[Value] {
        self.cells.get(&(case.to_owned(), client.to_owned())).map_or(&[], Vec::as_slice)
    }

    fn spread(&self, case: &str, client: &str, figure: &Figure) -> Option<Spread> {
        let records = self.records(case, client);
        if lost(records, figure) > 0 {
            return None;
        }
        let counted = records.iter().filter_map(|record| counted(record, figure)).collect();
        let rounds = records.iter().filter_map(|record| value(record, figure)).collect();
        Spread::of(counted).or_else(|| Spread::of(rounds))
    }

    fn median(&self, case: &str, client: &str, figure: &Figure) -> Option<f64> {
        self.spread(case, client, figure).map(|spread| spread.median)
    }

    /// One client's figure, of another's in the same round.
    fn ratio(&self, case: &str, ours: &str, theirs: &str, figure: &Figure) -> Option<Spread> {
        if [ours, theirs].iter().any(|client| lost(self.records(case, client), figure) > 0) {
            return None;
        }
        let of_round = |client: &str, round: &Value| {
            let mut records = self.records(case, client).iter();
            records.find(|record| record["round"] == *round).and_then(|it| value(it, figure))
        };
        let ours = self.records(case, ours).iter().filter(|record| record["round"].is_u64());
        let pairs = ours.filter_map(|record| {
            Some(value(record, figure)? / of_round(theirs, &record["round"])?)
        });
        Spread::of(pairs.collect())
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
        for client in &self.clients {
            let cells = cases.iter().map(|case| self.cell(case, client, figure, with_spread));
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

    fn cell(&self, case: &str, client: &str, figure: &Figure, with_spread: bool) -> String {
        let digits = figure.digits;
        let failed = |record: &Value| record["failed"].is_string();
        match self.spread(case, client, figure) {
            Some(Spread { least, median, most, .. }) if with_spread && least < most => {
                format!("{median:.digits$} ({least:.digits$}–{most:.digits$})")
            }
            Some(Spread { median, .. }) => format!("{median:.digits$}"),
            None if self.records(case, client).iter().any(failed) => "failed".to_owned(),
            None => "–".to_owned(),
        }
    }
}

/// In how many rounds a figure that is the difference of two runs came out at or below zero. It is none then, in no
/// round: those that are left say what chance has added.
fn lost(records: &[Value], figure: &Figure) -> usize {
    let of_run = |record: &&Value| record["round"].is_u64() && record["whole_process"] == true;
    let is_lost = |record: &&Value| {
        figure.name == CPU.name && !value(record, figure).is_some_and(|value| value > 0.0)
    };
    records.iter().filter(of_run).filter(is_lost).count()
}

/// What was counted from outside, before the rounds, and goes before what a client says itself.
fn counted(record: &Value, figure: &Figure) -> Option<f64> {
    record[format!("counted_{}", figure.name)].as_f64()
}

fn value(record: &Value, figure: &Figure) -> Option<f64> {
    match figure.name {
        "p99" => record["latency_us"]["p99"].as_f64(),
        "ctx_switches_per_request" => record[figure.name].as_f64().or_else(|| {
            Some(record["ctx_switches"].as_f64()? / record["requests"].as_f64()?.max(1.0))
        }),
        name => record[name].as_f64(),
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
    let all = |key: &str| {
        let mut known = Vec::new();
        for record in records {
            add_new(&mut known, record[key].as_str().unwrap_or("not recorded"));
        }
        known.join(" and ")
    };
    writeln!(
        text,
        "Clients against nginx (nghttpd where a case says so) on loopback, client and server on a CPU each. Linux {}, {} × {}; \
         ringdove {}, commit {}. Medians over the rounds (least–most where there are several); \
         \"failed\" and \"–\" have their reasons at the end. CPU is that of the client alone, user and \
         system; for wrk and h2load that of the whole process, less that of a short run. System calls \
         are ringdove's own count, and perf's of all others; of wrk and h2load it is the difference \
         of two runs. Made by \
         `scripts/bench`; every figure is in records.jsonl.\n",
        all("kernel"),
        record["cpus"],
        all("cpu"),
        all("version"),
        all("commit"),
    )?;
    let stolen = records.iter().filter_map(|record| record["stolen"].as_f64()).collect();
    if let Some(Spread { median, most, .. }) = Spread::of(stolen) {
        writeln!(
            text,
            "Of the CPUs' time the hypervisor took {:.1} % in a measurement (the median; {:.1} % in the \
             worst) for others.\n",
            100.0 * median,
            100.0 * most
        )?;
    }
    if let Value::Object(vulnerabilities) = &record["vulnerabilities"] {
        let each = vulnerabilities
            .iter()
            .map(|(name, state)| format!("{name}: {}", state.as_str().unwrap_or("")));
        writeln!(text, "CPU vulnerabilities: {}.", each.collect::<Vec<_>>().join("; "))?;
    }
    Ok(())
}

/// What ringdove promises, and whether it holds here.
fn bounds(text: &mut String, table: &Table) -> Result<(), Failure> {
    const KEPT: &str = "keepalive-1000-12b-plain";
    const SPREAD: &str = "keepalive-1000-12b-plain-4000hosts";
    const NEW: &str = "new-1000-12b-plain";
    const LARGE: &str = "keepalive-8-10m-plain";
    let mut rows = Rows { table, text: String::new() };
    for driver in DRIVERS {
        rows.ratio(driver, KEPT, &CPU, "floor_epoll", 1.5);
        rows.ratio(driver, KEPT, &CPU, "libcurl_multi", 1.0 / 3.0);
        rows.growth_of_floor(driver, 1.2);
    }
    let ring = DRIVERS[0];
    for (case, peer, most) in [
        (KEPT, "floor_ring", 1.35),
        (KEPT, "floor_epoll", 1.35),
        (KEPT, "libcurl_multi", 1.0 / 4.0),
        (KEPT, "reqwest_client", 1.0 / 2.5),
        (KEPT, "hyper_bare", 1.0),
        (SPREAD, "reqwest_client", 1.0 / 3.0),
        (SPREAD, "libcurl_multi", 1.0 / 10.0),
        (NEW, "libcurl_multi", 1.0 / 1.5),
        (NEW, DRIVERS[2], 1.0),
        (LARGE, "floor_epoll", 1.0),
    ] {
        rows.ratio(ring, case, &CPU, peer, most);
    }
    const HTTP2: &str = "http2-1x100-12b-plain-nghttpd";
    rows.ratio(ring, HTTP2, &CPU, "h2load", 1.25);
    rows.ratio(ring, HTTP2, &CPU, "hyper_http2", 1.0 / 2.0);
    rows.growth(ring, 1.3);
    for case in [KEPT, NEW] {
        rows.most(ring, case, &SYSCALLS, 0.3);
    }
    for (_, case) in table.cases.iter().filter(|(_, case)| case.starts_with("rate")) {
        rows.ratio(ring, case, &P99, DRIVERS[2], 1.05);
    }
    if !rows.text.is_empty() {
        writeln!(
            text,
            "\n## Bounds\n\nRatios are of pairs: two clients in the same round. The median counts.\n\n\
             | client | case | figure | is | least–most | pairs | at most | |\n\
             | --- | --- | --- | ---: | ---: | ---: | ---: | --- |"
        )?;
        text.push_str(&rows.text);
    }
    Ok(())
}

/// The rows of the table of bounds.
struct Rows<'a> {
    table: &'a Table,
    text: String,
}

impl Rows<'_> {
    fn ratio(&mut self, ours: &str, case: &str, figure: &Figure, theirs: &str, most: f64) {
        let Some(spread) = self.table.ratio(case, ours, theirs, figure) else { return };
        self.row(ours, case, &format!("{} ÷ {theirs}", figure.title), spread, most);
    }

    fn most(&mut self, ours: &str, case: &str, figure: &Figure, most: f64) {
        let Some(spread) = self.table.spread(case, ours, figure) else { return };
        self.row(ours, case, figure.title, spread, most);
    }

    fn growth(&mut self, ours: &str, most: f64) {
        let Some(growth) = growth(self.table, ours) else { return };
        self.row(ours, "64 to 8,000 connections", "growth of CPU", growth, most);
    }

    fn growth_of_floor(&mut self, ours: &str, most: f64) {
        let both = growth(self.table, ours).zip(growth(self.table, "floor_epoll"));
        let Some((growth, floor)) = both else { return };
        let median = growth.median / floor.median;
        let ratio = Spread { least: median, median, most: median, rounds: growth.rounds };
        self.row(ours, "64 to 8,000 connections", "growth of CPU ÷ floor_epoll's", ratio, most);
    }

    fn row(&mut self, client: &str, case: &str, figure: &str, is: Spread, most: f64) {
        let verdict = if is.median <= most { "holds" } else { "**missed**" };
        let Spread { least, median, most: greatest, rounds } = is;
        let between =
            if least < greatest { format!("{least:.2}–{greatest:.2}") } else { String::new() };
        let _ = writeln!(
            self.text,
            "| {client} | {case} | {figure} | {median:.2} | {between} | {rounds} | {most:.2} | \
             {verdict} |"
        );
    }
}

/// Of CPU per keep-alive request from few connections to many: of medians, since these are two
/// cases.
fn growth(table: &Table, client: &str) -> Option<Spread> {
    let of = |connections: usize| {
        table.spread(&format!("keepalive-{connections}-12b-plain"), client, &CPU)
    };
    let (many, few) = (of(8000)?, of(64)?);
    let median = many.median / few.median;
    let rounds = many.rounds.min(few.rounds);
    Some(Spread { least: median, median, most: median, rounds })
}

/// Where the ring pays, and where epoll is as good.
fn drivers(text: &mut String, table: &Table) -> Result<(), Failure> {
    let mut rows = String::new();
    for (_, case) in table.cases.iter().filter(|(_, case)| !case.starts_with("rate")) {
        let calls = DRIVERS.map(|driver| {
            let calls = table.median(case, driver, &SYSCALLS);
            calls.map_or_else(|| "–".to_owned(), |calls| format!("{calls:.2}"))
        });
        let ratios = [DRIVERS[0], DRIVERS[1]].map(|ours| {
            let ratio = table.ratio(case, ours, DRIVERS[2], &CPU);
            ratio.map_or_else(
                || "– | –".to_owned(),
                |ratio| {
                    let Spread { least, median, most, .. } = ratio;
                    format!("{median:.2} ({least:.2}–{most:.2}) | {}", cheaper(ours, ratio))
                },
            )
        });
        if ratios.iter().any(|ratio| ratio != "– | –") {
            writeln!(rows, "| {case} | {} | {} |", ratios.join(" | "), calls.join(" / "))?;
        }
    }
    if !rows.is_empty() {
        writeln!(
            text,
            "\n## Ring and poll against epoll\n\nCPU per request, of epoll's in the same round. Where \
             not all rounds agree, neither is called cheaper.\n\n\
             | case | ring ÷ epoll | cheaper | poll ÷ epoll | cheaper | system calls: ring / poll / epoll |\n\
             | --- | ---: | --- | ---: | --- | ---: |"
        )?;
        text.push_str(&rows);
    }
    Ok(())
}

fn cheaper(ours: &str, ratio: Spread) -> &str {
    if ratio.most < 1.0 {
        ours.trim_start_matches("ringdove ")
    } else if ratio.least > 1.0 {
        "epoll"
    } else {
        "neither"
    }
}

/// Each reason once.
fn troubles(text: &mut String, records: &[Value]) -> Result<(), Failure> {
    for (kind, title) in [
        ("failed", "What failed"),
        ("unsupported", "What was not measured"),
        ("lost", "What could not be told from chance"),
    ] {
        let mut cases: BTreeMap<(String, String), Vec<&str>> = BTreeMap::new();
        for record in records.iter().filter(|record| record[kind].is_string()) {
            let plain = |key: &str| record[key].as_str().unwrap_or("");
            let why = plain(kind).split_whitespace().collect::<Vec<_>>().join(" ");
            add_new(cases.entry((plain("client").to_owned(), why)).or_default(), plain("case"));
        }
        if !cases.is_empty() {
            writeln!(text, "\n## {title}\n")?;
        }
        for ((client, why), cases) in cases {
            writeln!(text, "* {client}: {why}: {}", cases.join(", "))?;
        }
    }
    Ok(())
}

/// Which figures are none, since two runs differed by less than chance.
fn losses(text: &mut String, table: &Table) -> Result<(), Failure> {
    let mut rows = String::new();
    for ((case, client), records) in &table.cells {
        let lost = lost(records, &CPU);
        if lost > 0 {
            let rounds = records.iter().filter(|record| record["round"].is_u64()).count();
            writeln!(rows, "* {client}, {case}: in {lost} of {rounds} rounds")?;
        }
    }
    if !rows.is_empty() {
        writeln!(
            text,
            "\n## CPU that could not be told from chance\n\nThe CPU of a whole process, less that of a short run, came out at or below \
             zero; the rounds that are left would say what chance added to them:\n"
        )?;
        text.push_str(&rows);
    }
    Ok(())
}

/// A figure of keep-alive requests, by connections, of each client that has one.
fn lines(table: &Table, figure: &Figure) -> Vec<Line> {
    let of_client = |client: &String| {
        let points = [64_u32, 1000, 4000, 8000].into_iter().filter_map(|connections| {
            let case = format!("keepalive-{connections}-12b-plain");
            let value = table.median(&case, client, figure).filter(|value| *value > 0.0)?;
            Some((f64::from(connections), value))
        });
        Line { client: client.clone(), points: points.collect() }
    };
    let lines = table.clients.iter().map(of_client);
    lines.filter(|line| !line.points.is_empty()).collect()
}
