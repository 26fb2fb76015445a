//! The run: a crawl in its folder, until it ends or somebody ends it.
//!
//! Knows folders, signals and the terminal.

use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, IsTerminal as _, Write as _};
use std::path::Path;
use std::time::Duration;

use ringdove::sys::{clock, random};
use ringdove::{Driver, Time};
use ringdove_crawl::crawl::{
    Crawl, CrawlError, End, Explained, Log, Parts, StandardExtract, Tally, WarcSink,
};
use ringdove_crawl::frontier::{DiskFrontier, Frontier as _, Seen};
use ringdove_crawl::scope::SeedScope;
use ringdove_crawl::warc::WriterConfig;

use super::CrawlArgs;
use super::options::seed;
use super::watch::Watch;
use crate::interrupt::Interrupts;
use crate::options::values::DriverChoice;
use crate::status::{Status, print};

/// How often the progress is told: on a terminal, and elsewhere.
const TOLD: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

pub(crate) fn run(args: &CrawlArgs) -> Status {
    let status = match &args.dry_run {
        Some(url) => explain(args, url),
        None => crawl(args),
    };
    status.unwrap_or_else(|why| {
        eprintln!("ringdove crawl: {why}");
        Status::Usage
    })
}

fn crawl(args: &CrawlArgs) -> Result<Status, String> {
    let seeds = args.seeds()?;
    let job = args.dir.as_deref().ok_or("--dir is missing")?;
    if seeds.is_empty() && !job.join("frontier").exists() {
        return Err("there are no seeds".to_owned());
    }
    let mut watch = args.metrics.map(Watch::begin).transpose()?;
    let mut crawl = open(args, job, &seeds)?;
    crawl.add_seeds(&seeds).map_err(told)?;
    let waker = crawl.waker().map_err(told)?;
    let interrupts = Interrupts::listen(waker)?;
    let mut progress = Progress::new(args.quiet);
    let end = loop {
        if interrupts.count() > 0 {
            break None;
        }
        if let Some(end) = crawl.turn(TOLD.0).map_err(told)? {
            break Some(end);
        }
        progress.tell(&crawl);
        if let Some(watch) = &mut watch {
            watch.tell(&crawl);
        }
    };
    let tally = crawl.stop().map_err(told)?;
    progress.end(&tally, end);
    Ok(match end {
        Some(_) => Status::Done,
        None => Status::Interrupted(interrupts.last()),
    })
}

/// A crawl in its folder, or in none that stays for a question.
fn open(args: &CrawlArgs, job: &Path, seeds: &[url::Url]) -> Result<Crawl, String> {
    let config = args.config();
    config.token().map_err(told)?;
    let own = |error: io::Error| format!("{}: {error}", job.display());
    fs::create_dir_all(job).map_err(own)?;
    let frontier = DiskFrontier::open(&job.join("frontier"));
    let frontier = frontier.map_err(|error| format!("{}: {error}", job.display()))?;
    let mark = frontier.mark().map_err(|error| error.to_string())?;
    let seed = random::seed().ok_or("the kernel has no randomness")?;
    let writer = WriterConfig {
        folder: job.join("warc"),
        prefix: "crawl".to_owned(),
        max_bytes: args.warc_size.0,
        info: vec![
            ("software".to_owned(), format!("ringdove/{}", env!("CARGO_PKG_VERSION"))),
            ("http-header-user-agent".to_owned(), config.user_agent.clone()),
            ("robots".to_owned(), "RFC 9309".to_owned()),
        ],
        seed: *seed.first_chunk().expect("32 bytes have 16"),
    };
    let log =
        OpenOptions::new().create(true).append(true).open(job.join("crawl.log")).map_err(own)?;
    let parts = Parts {
        scope: Box::new(SeedScope::new(&scope_seeds(job, seeds)?, args.scope)),
        extract: Box::new(StandardExtract),
        sink: Box::new(WarcSink::open(writer, mark.as_deref()).map_err(own)?),
        log: Log::new(Box::new(BufWriter::new(log))),
        frontier: Box::new(frontier),
    };
    let engine = config.engine(args.engine());
    let driver = match args.driver {
        DriverChoice::Auto => Driver::auto(engine),
        DriverChoice::Only(kind) => Driver::new(kind, engine),
    };
    Crawl::new(driver.map_err(|error| error.to_string())?, config, parts).map_err(told)
}

/// The seeds of this run and of those before, which `JOB/seeds` has: what was in scope stays.
fn scope_seeds(job: &Path, seeds: &[url::Url]) -> Result<Vec<url::Url>, String> {
    let path = job.join("seeds");
    let own = |error: io::Error| format!("{}: {error}", path.display());
    let before = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(own(error)),
    };
    let mut all: Vec<url::Url> = before.lines().filter_map(|line| line.parse().ok()).collect();
    let new: Vec<_> = seeds.iter().filter(|seed| !all.contains(seed)).cloned().collect();
    if !new.is_empty() {
        let mut file = OpenOptions::new().create(true).append(true).open(&path).map_err(own)?;
        let lines: String = new.iter().map(|seed| format!("{seed}\n")).collect();
        file.write_all(lines.as_bytes()).map_err(own)?;
        all.extend(new);
    }
    Ok(all)
}

fn explain(args: &CrawlArgs, url: &str) -> Result<Status, String> {
    let url = seed(url)?;
    let mut seeds = args.seeds()?;
    let aside = tempfile::tempdir().map_err(|error| error.to_string())?;
    let job = args.dir.as_deref().unwrap_or(aside.path());
    if seeds.is_empty() && !job.join("seeds").exists() {
        seeds.push(url.clone());
    }
    let Explained { canonical, scope, trap, robots, delay, seen } =
        open(args, job, &seeds)?.explain(&url).map_err(told)?;
    let is_fetched = scope.is_ok() && trap.is_ok() && robots.is_ok() && seen != Some(Seen::Done);
    let said = |result: Result<(), String>| result.err().unwrap_or_else(|| "yes".to_owned());
    let seen = match seen {
        None => "not seen",
        Some(Seen::Queued) => "queued",
        Some(Seen::Done) => "done",
    };
    let text = format!(
        "canonical  {canonical}\nscope      {}\ntrap       {}\nrobots     {}\ndelay      {delay:?}\nqueue      {seen}\nfetched    {}\n",
        said(scope),
        trap.err().unwrap_or_else(|| "no".to_owned()),
        said(robots),
        if is_fetched { "yes" } else { "no" },
    );
    Ok(print(text.as_bytes()))
}

fn told(error: CrawlError) -> String {
    error.to_string()
}

/// What is said of a crawl while it runs.
struct Progress {
    quiet: bool,
    is_terminal: bool,
    last: Time,
    pages: u64,
}

impl Progress {
    fn new(quiet: bool) -> Progress {
        let is_terminal = io::stderr().is_terminal();
        Progress { quiet, is_terminal, last: clock::now(), pages: 0 }
    }

    fn tell(&mut self, crawl: &Crawl) {
        let (now, tally) = (clock::now(), crawl.tally());
        let since = now.since(self.last);
        if self.quiet || since < if self.is_terminal { TOLD.0 } else { TOLD.1 } {
            return;
        }
        let rate = (tally.fetched - self.pages) as f64 / since.as_secs_f64();
        let line =
            format!("{}, {rate:.1} pages/s, {} in flight", figures(tally), crawl.in_flight());
        // what a terminal does not take is no reason to stop
        let _ = match self.is_terminal {
            true => write!(io::stderr(), "\r\x1b[K{line}"),
            false => writeln!(io::stderr(), "{line}"),
        };
        (self.last, self.pages) = (now, tally.fetched);
    }

    fn end(&self, tally: &Tally, end: Option<End>) {
        if self.quiet {
            return;
        }
        let why = match end {
            Some(End::Everything) if tally.left > 0 || tally.hosts_left > 0 => {
                "all that can be had now is had; the same command asks for the rest"
            }
            Some(End::Everything) => "all is fetched",
            Some(End::Budget) => "the budget is spent",
            None => "stopped; the same command goes on",
        };
        let begin = if self.is_terminal { "\r\x1b[K" } else { "" };
        let _ = writeln!(io::stderr(), "{begin}{}: {why}", figures(tally));
    }
}

fn figures(tally: &Tally) -> String {
    let Tally { pages, bytes, in_part, queued, refused, failed, left, hosts_left, .. } = tally;
    format!(
        "{pages} pages ({in_part} in part), {bytes} bytes, {queued} queued, {refused} refused, {failed} failed, {left} left, \
         {hosts_left} hosts left"
    )
}
