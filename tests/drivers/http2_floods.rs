//! What floods by HTTP/2 cost: the memory and the CPU of who is flooded, and what becomes of others that he has to do.
//!
//! The server is a process of its own, so that what is measured is the client's. `scripts/http2` says the figures.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ringdove::driver::Kind;
use ringdove::sys::usage;
use ringdove::{Config, HttpVersions, Options, Request, TlsPolicy};
use tempfile::TempDir;

use crate::http2::speaking;
use crate::run::{Run, at_size, is_long, on_every_driver};
use ringdove_test_support::certs::Authority;
use ringdove_test_support::child::Guarded;
use ringdove_test_support::h2::{Peer, Plan, Script, Setup, cases, pattern};
use ringdove_test_support::{PATIENCE, eventually};

on_every_driver! {
    floods_are_ended_and_cost_little,
}

/// A flood may have this much more resident than what is no flood, in KiB: some of it is what the kernel is given to receive into.
const MOST_KIB: u64 = 4096;

/// Transfers from elsewhere that go on beside each flood.
const OTHERS: usize = 20;
const BODY: usize = 50_000;

/// What a client has to do with: the server, and how it is spoken with.
struct Served {
    _server: Guarded,
    _directory: TempDir,
    ca: PathBuf,
    /// Of those that go on.
    others: String,
    /// Of each row, and each round of it: the base of its URLs.
    rows: Vec<Vec<String>>,
}

/// What one round cost.
struct Cost {
    cpu: Duration,
    kib: u64,
    /// What became of the request that was flooded.
    verdict: String,
}

fn floods_are_ended_and_cost_little(kind: Kind) {
    let served = Served::start();
    for (row, bases) in names().zip(&served.rows) {
        let costs: Vec<_> = bases.iter().map(|base| served.cost(kind, base)).collect();
        let cpu = costs.iter().map(|cost| cost.cpu).min().expect("one round at least");
        let kib = costs.iter().map(|cost| cost.kib).max().expect("one round at least");
        let verdict = &costs[0].verdict;
        if is_long() {
            println!("measured: {kind}, {row}: {} µs, {kib} KiB; {verdict}", cpu.as_micros());
        }
        assert!(kib < MOST_KIB, "{row}: {kib} KiB");
        assert_eq!(verdict == "ok", row.starts_with("nothing"), "{row}: {verdict}");
    }
}

/// Each flood in plaintext and over TLS, after what is none.
fn names() -> impl Iterator<Item = String> {
    let floods = cases::floods().map(|case| case.what);
    let whats = std::iter::once("nothing").chain(floods);
    whats.flat_map(|what| ["plain", "TLS"].map(|way| format!("{what}, {way}")))
}

impl Served {
    fn start() -> Served {
        let directory = tempfile::tempdir().expect("a directory");
        let log = directory.path().join("log");
        let exe = std::env::current_exe().expect("the path of this test binary");
        let argv = ["env", &format!("{SERVES}=1"), &exe.display().to_string(), "--ignored"];
        let which = ["--exact", "http2_floods::serves_the_floods", "--nocapture"];
        let argv: Vec<_> = argv.iter().chain(&which).map(|&word| word.to_owned()).collect();
        let server = Guarded::spawn(&argv, &log).expect("a shell");
        let line = || {
            let text = fs::read_to_string(&log).unwrap_or_default();
            let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
            whole.lines().find_map(|line| line.split_once(READY).map(|(_, rest)| rest.to_owned()))
        };
        assert!(eventually(PATIENCE, || line().is_some()), "{:?}", fs::read_to_string(&log));
        let line = line().expect("it is there");
        let mut words = line.split_whitespace().map(str::to_owned);
        let ca = words.next().expect("a path").into();
        let others = words.next().expect("a URL");
        let bases: Vec<_> = words.collect();
        let rows = bases.chunks(rounds()).map(<[String]>::to_vec).collect();
        Served { _server: server, _directory: directory, ca, others, rows }
    }

    /// Of both requests to this one, while others go on.
    fn cost(&self, kind: Kind, base: &str) -> Cost {
        let policy = TlsPolicy::builder().only_these_roots().add_roots_file(&self.ca).build();
        let tls = Some(policy.expect("a good policy"));
        let mut run = Run::with(kind, Config { tls, ..Config::default() });
        let prior = Arc::new(speaking(HttpVersions::Http2));
        // all that is needed once is there
        self.goes_on(&mut run, &prior, || {});
        // the peak is what is resident now (proc(5))
        fs::write("/proc/self/clear_refs", "5").expect("it is ours");
        let resident = usage::resident_kib().expect("/proc tells");
        let before = usage::of_thread().expect("usage");
        let options = if base.starts_with("https") { Arc::default() } else { prior.clone() };
        let tried = cases::PATHS.map(|path| {
            let request = Request::get(&format!("{base}{path}")).expect("a good URL");
            run.add(request.options(Arc::<Options>::clone(&options)))
        });
        let mut cost = None;
        self.goes_on(&mut run, &prior, || {
            let cpu = usage::of_thread().expect("usage").since(&before).cpu();
            let peak = usage::peak_resident_kib().expect("/proc tells");
            cost = Some((cpu, peak.saturating_sub(resident)));
        });
        let (cpu, kib) = cost.expect("it is over");
        let verdict = match &tried[0].outcome().result {
            Ok(_) => "ok".to_owned(),
            Err(error) => format!("{error}"),
        };
        Cost { cpu, kib, verdict }
    }

    /// Transfers that nobody may harm, beside whatever else there is; `over` is called as soon as all are over.
    fn goes_on(&self, run: &mut Run, options: &Arc<Options>, over: impl FnOnce()) {
        let paths: Vec<_> = (0..OTHERS).map(|nth| format!("/{nth}")).collect();
        let ask = |path: &String| {
            let request = Request::get(&format!("{}{path}", self.others)).expect("a good URL");
            run.add(request.options(options.clone()))
        };
        let others: Vec<_> = paths.iter().map(ask).collect();
        run.finish();
        over();
        for (path, transfer) in paths.iter().zip(&others) {
            transfer.assert_response(200, &pattern(path, BODY));
        }
    }
}

// the server

/// Set for the process that serves.
const SERVES: &str = "RINGDOVE_SERVES";
const READY: &str = "ready: ";

fn rounds() -> usize {
    at_size(1, 5)
}

/// Says where everything is, and is killed when nobody needs it any more.
#[test]
#[ignore = "the tests of floods start it"]
fn serves_the_floods() {
    if std::env::var_os(SERVES).is_none() {
        return;
    }
    let authority = Authority::new();
    let identity = authority.server();
    let harmless =
        Plan::new().each(|_| Script::new().await_body().head(200, &[]).bytes(cases::BODY));
    let plans = std::iter::once(harmless.clone()).chain(cases::floods().map(cases::Case::plan));
    let mut peers = Vec::new();
    for plan in plans {
        let setup = Setup::new(plan).then(harmless.clone());
        let by_tls = setup.clone().tls(identity.server_config_that_speaks(&["h2"]));
        for setup in [setup, by_tls] {
            peers.extend((0..rounds()).map(|_| setup.clone().start()));
        }
    }
    let others = Plan::new().each(|_| Script::ok(BODY as u64)).start();
    let bases: Vec<_> = peers.iter().map(|peer: &Peer| peer.url("")).collect();
    println!("{READY}{} {} {}", authority.ca_file().display(), others.url(""), bases.join(" "));
    loop {
        std::thread::park();
    }
}
