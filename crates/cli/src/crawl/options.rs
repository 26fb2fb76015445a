//! What is typed, and what it comes to.
//!
//! Knows the options of `ringdove crawl`. Must not begin anything.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args as Group;
use ringdove::{Allowance, Config, Politeness, Timeouts};
use ringdove_crawl::canonical::{Rule, Rules};
use ringdove_crawl::crawl::{Budget, CrawlConfig, Recrawl};
use ringdove_crawl::scope::Reach;
use url::Url;

use super::watch::Address;
use crate::options::lookup::{LookupArgs, ResolverArgs};
use crate::options::politeness::Delay;
use crate::options::values::{DriverChoice, Size, at_least_one};

/// Crawl a part of the web into WARC files: politely, by robots.txt, and such that the same command goes on whatever ended the one
/// before.
#[derive(Debug, Group)]
pub(crate) struct CrawlArgs {
    /// Where to begin; what has no scheme is http
    #[arg(value_name = "SEED")]
    pub(super) seeds: Vec<String>,

    /// More seeds, a line each; blank lines and those that begin with # are passed over
    #[arg(short, long, value_name = "FILE")]
    pub(super) input: Option<PathBuf>,

    /// The folder of this crawl: what is queued and what is done, the WARC files, the log. The same one goes on
    #[arg(long, value_name = "JOB", required_unless_present = "dry_run")]
    pub(super) dir: Option<PathBuf>,

    /// What the crawler calls itself: a name, by which a robots.txt may speak of it, and somewhere in it a contact (an
    /// address of mail, or a URL): 'ourbot/1.0 (+https://our.example/bot)'
    #[arg(long, value_name = "TEXT")]
    user_agent: String,

    /// Tell what would be done with this URL, its canonical form, scope, robots.txt and whether it has been seen, and
    /// fetch nothing but its robots.txt
    #[arg(long, value_name = "URL")]
    pub(super) dry_run: Option<String>,

    /// How far from the seeds it goes: host (whatever the scheme and port), subdomains, prefix (up to the last slash) or all
    #[arg(long, value_name = "REACH", default_value_t)]
    pub(super) scope: Reach,

    /// Least time between a host's answer and the next request to it: seconds, or with a unit, as 100ms, 2s or 1m; 0 for none. A
    /// Crawl-delay lengthens it
    #[arg(long, value_name = "TIME", default_value = "500ms", value_parser = delay)]
    delay: Duration,

    /// Hosts that are asked at once, each one thing at a time; those that wait for others of their domain or address are not among them
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = at_least_one)]
    parallel: usize,

    /// Connect to loopback, private and other special addresses, too, which is refused otherwise
    #[arg(long)]
    allow_private: bool,

    /// Switch a rule of canonical URLs on, or off with a - before it: fragment, login, percent and empty-query are on; host-dot,
    /// session, tracking and sort-query are off
    #[arg(long, value_name = "[-]RULE[,…]", value_delimiter = ',', allow_hyphen_values = true)]
    canonical: Vec<Switch>,

    /// Write what was kept before as a revisit (WARC 1.1, 6.7), by the digest of its body
    #[arg(long)]
    revisits: bool,

    /// Name pages whose text is nearly the same as that of one that was kept before (a simhash of 64 bits that differs in three at most): in the log, and in
    /// the metadata of the WARC files. All are kept
    #[arg(long)]
    near_duplicates: bool,

    /// Begin another WARC file after so many bytes; k, M and G are powers of 1024
    #[arg(long, value_name = "BYTES", default_value = "1G")]
    pub(super) warc_size: Size,

    /// Keep no more of a body than this
    #[arg(long, value_name = "BYTES", default_value = "16M")]
    max_body: Size,

    /// Bytes of all bodies that are on their way; where these are taken, a body is kept up to its share of them
    #[arg(long, value_name = "BYTES", default_value = "256M")]
    max_bodies: Size,

    /// How long the whole of a transfer may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,

    /// Serve what the crawl is at: a page for a browser, and figures for Prometheus at /metrics. A port of this machine (0 for any that is
    /// free), or an address with one
    #[arg(long, value_name = "[ADDRESS:]PORT")]
    pub(super) metrics: Option<Address>,

    /// Say nothing of the progress
    #[arg(short, long)]
    pub(super) quiet: bool,

    #[command(flatten)]
    budget: BudgetArgs,

    #[command(flatten)]
    gates: GateArgs,

    #[command(flatten)]
    recrawl: RecrawlArgs,

    /// Which driver: auto, ring, poll or epoll
    #[arg(long, value_name = "DRIVER", default_value = "auto")]
    pub(super) driver: DriverChoice,

    #[command(flatten)]
    lookup: LookupArgs,

    #[command(flatten)]
    resolver: ResolverArgs,
}

/// When pages are fetched again.
#[derive(Debug, Group)]
#[command(next_help_heading = "Fetching again")]
struct RecrawlArgs {
    /// Fetch pages again when their time has come, in this run or a later one, by If-None-Match and If-Modified-Since where they have said
    /// anything for that: sooner those that have changed, and later those that have not
    #[arg(long)]
    recrawl: bool,

    /// After how long a page is fetched again the first time: seconds, or with a unit, as 30m or 24h
    #[arg(long, value_name = "TIME", default_value = "24h", requires = "recrawl")]
    recrawl_first: Delay,

    /// No sooner than this, however often it changes
    #[arg(long, value_name = "TIME", default_value = "1h", requires = "recrawl")]
    recrawl_least: Delay,

    /// No later than this, however seldom
    #[arg(long, value_name = "TIME", default_value = "720h", requires = "recrawl")]
    recrawl_most: Delay,
}

/// What is owed to those who have several hosts.
#[derive(Debug, Group)]
#[command(next_help_heading = "Politeness")]
struct GateArgs {
    /// Least time between the beginnings of two requests to all hosts of one registrable domain: seconds, or with a unit
    #[arg(long, value_name = "TIME")]
    delay_per_domain: Option<Delay>,

    /// Requests at once to all hosts of one registrable domain
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    concurrency_per_domain: Option<usize>,

    /// Least time between the beginnings of two requests to one IP address, whatever the names that lead there
    #[arg(long, value_name = "TIME")]
    delay_per_address: Option<Delay>,

    /// Requests at once to one IP address
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    concurrency_per_address: Option<usize>,
}

#[derive(Debug, Group)]
#[command(next_help_heading = "Budgets")]
struct BudgetArgs {
    /// End after so many pages, those of earlier runs included; a page that is fetched again counts once
    #[arg(long, value_name = "N")]
    max_pages: Option<u64>,

    /// End after so many bytes of bodies, those of earlier runs included; of a page that is fetched again the first alone
    #[arg(long, value_name = "BYTES")]
    max_bytes: Option<Size>,

    /// End this run after so long: seconds, or with a unit
    #[arg(long, value_name = "TIME")]
    max_time: Option<Delay>,

    /// Go no further than so many links from a seed
    #[arg(long, value_name = "N")]
    max_depth: Option<u32>,

    /// Leave a host after so many pages; one that is fetched again counts once
    #[arg(long, value_name = "N")]
    max_host_pages: Option<u64>,

    /// Leave a host after so many bytes of bodies; of a page that is fetched again the first alone
    #[arg(long, value_name = "BYTES")]
    max_host_bytes: Option<Size>,

    /// Queue no more than so many URLs of a host, those of earlier runs included
    #[arg(long, value_name = "N")]
    max_host_urls: Option<u64>,
}

/// A rule of URLs that is to be on, or off.
#[derive(Debug, Clone, Copy)]
struct Switch {
    rule: Rule,
    is_on: bool,
}

impl std::str::FromStr for Switch {
    type Err = String;

    fn from_str(text: &str) -> Result<Switch, String> {
        let (name, is_on) = text.strip_prefix('-').map_or((text, true), |name| (name, false));
        Ok(Switch { rule: name.parse()?, is_on })
    }
}

impl CrawlArgs {
    /// The seeds, those of the file included.
    pub(super) fn seeds(&self) -> Result<Vec<Url>, String> {
        let file = match &self.input {
            Some(path) => fs::read_to_string(path)
                .map_err(|error| format!("cannot read -i {}: {error}", path.display()))?,
            None => String::new(),
        };
        let lines = file.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let typed = self.seeds.iter().map(String::as_str);
        typed.chain(lines).map(seed).collect()
    }

    pub(super) fn config(&self) -> CrawlConfig {
        let usual = CrawlConfig::new(&self.user_agent);
        let rules = self.canonical.iter().fold(Rules::default(), |rules, switch| {
            if switch.is_on { rules.with(switch.rule) } else { rules.without(switch.rule) }
        });
        CrawlConfig {
            delay: self.delay,
            budget: self.budget.budget(),
            rules,
            max_body: usize::try_from(self.max_body.0).unwrap_or(usize::MAX),
            max_bodies: usize::try_from(self.max_bodies.0).unwrap_or(usize::MAX),
            parallel: self.parallel,
            allow_private: self.allow_private,
            timeouts: Timeouts { total: Some(Duration::from_secs(self.timeout)), ..usual.timeouts },
            revisits: self.revisits,
            near_duplicates: self.near_duplicates,
            recrawl: self.recrawl.recrawl(),
            ..usual
        }
    }

    /// The engine's, as far as it is not the crawl's.
    pub(super) fn engine(&self) -> Config {
        let names = self.lookup.service();
        let politeness = self.gates.politeness();
        self.resolver.apply(Config { names, politeness, ..Config::default() })
    }
}

impl RecrawlArgs {
    fn recrawl(&self) -> Option<Recrawl> {
        let [first, least, most] =
            [self.recrawl_first, self.recrawl_least, self.recrawl_most].map(|time| time.0);
        self.recrawl.then_some(Recrawl { first, least, most })
    }
}

impl GateArgs {
    fn politeness(&self) -> Politeness {
        let allowance = |delay: Option<Delay>, concurrency| {
            let interval = delay.map(|delay| delay.0);
            Allowance { interval, concurrency }
        };
        Politeness {
            per_domain: allowance(self.delay_per_domain, self.concurrency_per_domain),
            per_address: allowance(self.delay_per_address, self.concurrency_per_address),
            ..Politeness::default()
        }
    }
}

impl BudgetArgs {
    fn budget(&self) -> Budget {
        Budget {
            pages: self.max_pages,
            bytes: self.max_bytes.map(|size| size.0),
            time: self.max_time.map(|time| time.0),
            depth: self.max_depth,
            host_pages: self.max_host_pages,
            host_bytes: self.max_host_bytes.map(|size| size.0),
            host_urls: self.max_host_urls,
        }
    }
}

/// A URL that can be begun from.
pub(super) fn seed(text: &str) -> Result<Url, String> {
    let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = Url::parse(&whole).map_err(|error| format!("no URL: {text}: {error}"))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(format!("no crawler fetches {other}: {text}")),
    }
}

fn delay(text: &str) -> Result<Duration, &'static str> {
    match text {
        "0" | "0s" | "0ms" => Ok(Duration::ZERO),
        text => text.parse::<Delay>().map(|delay| delay.0),
    }
}
