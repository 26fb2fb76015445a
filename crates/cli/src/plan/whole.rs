//! What holds for all sets of options of a run (`--next`): how the engine is set up, and what is told.
//!
//! Knows the sets, and the limits of the process. Must not know what a set means by itself.

use std::path::Path;
use std::rc::Rc;

use ringdove::Config;
use ringdove::driver::Kind;
use ringdove::sys::{ring, rlimit};

use super::input::globs;
use super::purposes;
use super::share::Share;
use crate::options::body::StandardInput;
use crate::options::cookies::Shared;
use crate::options::fetch::{ConnectionArgs, FetchArgs};
use crate::options::ring::RingArgs;
use crate::options::values::{CountOrJar, DriverChoice};
use crate::report::trace::Trace;

/// Transfers in the engine for each connection, so that one that becomes free finds its next there.
const AHEAD: usize = 2;

/// The same where hosts have a limit of their own: the URLs of one host in a row are to leave work
/// for the others.
const AHEAD_OF_HOSTS: usize = 8;

/// Transfers in the engine, at least, where hosts hold up their own requests by themselves.
const AHEAD_OF_DELAYS: usize = 16 * 1024;

/// Descriptors that are no connections and no bodies' files: the input, the driver's own, the resolver's.
const SPARE_DESCRIPTORS: usize = 128;

/// Those of each further thread: a driver's, an input's, what wakes them.
const SPARE_DESCRIPTORS_OF_A_THREAD: usize = 16;

/// What is said of the whole run.
pub(crate) struct Whole {
    pub(crate) config: Config,
    pub(crate) driver: DriverChoice,
    pub(crate) ring: ring::Options,
    pub(crate) room: Room,
    pub(crate) shared: Shared,
    /// The first failure of a transfer ends the run.
    pub(crate) fail_early: bool,
    pub(crate) verbose: bool,
    pub(crate) quiet: bool,
    /// Where what goes over connections is written.
    pub(crate) trace: Option<Rc<Trace>>,
    /// Failures are not named.
    pub(crate) mute: bool,
    pub(crate) warnings: Vec<String>,
}

/// How much the engine has room for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    connections: usize,
    per_origin: usize,
    /// Hosts hold up their own requests.
    holds_up: bool,
}

impl Whole {
    /// Of at least one set, or of a share of what they ask for. Says in one line what stands against them.
    pub(crate) fn new(sets: &[FetchArgs], share: Share) -> Result<Whole, String> {
        sets.iter().try_for_each(check)?;
        let limit =
            rlimit::raise_open_files().map_err(|error| format!("RLIMIT_NOFILE: {error}"))?;
        let (config, mut warnings) = fit(config(sets), Descriptors::of(sets), limit.soft);
        let config = part(config, share);
        if !share.is_first() {
            warnings.clear();
        }
        let any = |said: fn(&FetchArgs) -> bool| sets.iter().any(said);
        let connection = &sets[0].connection;
        Ok(Whole {
            driver: driver(connection.driver, &connection.ring)?,
            ring: connection.ring.options(),
            room: Room {
                connections: config.max_connections,
                per_origin: config.max_per_origin,
                holds_up: sets[0].politeness.holds_up(),
            },
            config,
            shared: Shared::new(
                StandardInput { taken: takes_standard_input(sets) },
                purposes::lasting_files(sets),
            ),
            fail_early: any(|set| set.fail_early),
            verbose: any(|set| set.verbose),
            quiet: any(|set| set.quiet || set.silent),
            trace: Trace::open(sets.iter().map(|set| &set.trace))?,
            mute: any(|set| set.silent) && !any(|set| set.show_error),
            warnings,
        })
    }
}

impl Room {
    /// Transfers in the engine at once.
    pub(crate) fn window(&self, connection: &ConnectionArgs) -> usize {
        let connections = self.connections;
        match connection.timeout.and_then(|limit| limit.0) {
            // a transfer's time runs from when it is added: none is to wait here
            Some(_) => connections,
            None if self.holds_up => {
                connections.saturating_mul(AHEAD_OF_HOSTS).max(AHEAD_OF_DELAYS)
            }
            None if self.per_origin < connections => connections.saturating_mul(AHEAD_OF_HOSTS),
            None => connections.saturating_mul(AHEAD),
        }
    }
}

/// Makes of each -c what it means.
pub(crate) fn settle(sets: &mut [FetchArgs]) -> Result<(), String> {
    for (number, set) in sets.iter_mut().enumerate() {
        for given in std::mem::take(&mut set.count_or_jar) {
            match given {
                CountOrJar::Count(_) if number > 0 => {
                    return Err("-c N is about the whole run: it stands before --next".to_owned());
                }
                CountOrJar::Count(count) => set.connection.connections = count,
                CountOrJar::Jar(file) => set.cookies.set_jar(file),
            }
        }
    }
    Ok(())
}

/// What can be said against a set at first sight.
fn check(args: &FetchArgs) -> Result<(), String> {
    if args.urls.is_empty() && args.input.is_none() {
        return Err("nothing to fetch: give URLs, or a file of URLs with -i".to_owned());
    }
    if args.request.referer.as_deref().is_some_and(|referer| referer.ends_with(";auto")) {
        return Err("-e: \";auto\" is not there: Referer is the same after redirects".to_owned());
    }
    globs(&args.urls, args.target.globoff).map(drop)
}

/// The option that standard input is for already.
fn takes_standard_input(sets: &[FetchArgs]) -> Option<&'static str> {
    let mut files = sets.iter().flat_map(|set| &set.config);
    files.any(|file| file == Path::new("-")).then_some("-K")
}

/// How the engine is set up, by the first set and what all have in common. Its limits are not yet those that fit.
fn config(sets: &[FetchArgs]) -> Config {
    let args = &sets[0];
    let FetchArgs { connection, .. } = args;
    let family = args.ways.family();
    let one_family = sets.iter().all(|set| set.ways.family() == family);
    let budgets = sets.iter().map(|set| set.retry.budget());
    args.http2.apply_to_all(args.politeness.apply(args.resolver.apply(Config {
        max_connections: connection.connections,
        max_per_origin: connection.per_host.unwrap_or(usize::MAX),
        // what each transfer may be connected to is its own set's
        lookup_family: if one_family { family } else { Config::default().lookup_family },
        retry_budget: budgets.max_by_key(|budget| budget.burst).unwrap_or_default(),
        names: args.lookup.service(),
        address_policy: args.addresses.policy(),
        memory: args.coding.memory(),
        ..Config::default()
    })))
}

/// Whoever says how a ring is to be set up wants one.
fn driver(choice: DriverChoice, ring: &RingArgs) -> Result<DriverChoice, String> {
    match (choice, ring.given()) {
        (choice, None) => Ok(choice),
        (DriverChoice::Auto, Some(_)) => Ok(DriverChoice::Only(Kind::Ring)),
        (DriverChoice::Only(Kind::Epoll), Some(option)) => {
            Err(format!("{option} is about a ring, and the driver epoll has none"))
        }
        (DriverChoice::Only(kind), Some(_)) => Ok(DriverChoice::Only(kind)),
    }
}

/// What a share has of what all have together.
fn part(config: Config, share: Share) -> Config {
    let max_connections = share.part(config.max_connections);
    Config {
        max_connections,
        max_per_origin: config.max_per_origin.min(max_connections),
        max_lookups: share.part(config.max_lookups),
        memory: share.part(config.memory),
        ..config
    }
}

/// What a run needs descriptors for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Descriptors {
    threads: usize,
    /// A connection's, and those of the files that its transfer has open.
    each: usize,
}

impl Descriptors {
    fn of(sets: &[FetchArgs]) -> Descriptors {
        let any = |said: fn(&FetchArgs) -> bool| usize::from(sets.iter().any(said));
        // a body that is written, and one that is sent, each has its file open beside its connection
        let written = any(|set| set.output.writes_files());
        let sent =
            any(|set| !set.body.upload_file.is_empty() || set.body.form.files().next().is_some());
        Descriptors { threads: sets[0].connection.threads, each: 1 + written + sent }
    }

    /// Connections that there are descriptors for: each thread has at least one.
    fn connections(self, limit: usize) -> usize {
        let further = (self.threads - 1) * SPARE_DESCRIPTORS_OF_A_THREAD;
        let left = limit.saturating_sub(SPARE_DESCRIPTORS + further);
        (left / self.each).max(self.threads)
    }
}

/// As many connections as the process may have, of those asked for, and what is to be said of that.
fn fit(config: Config, needed: Descriptors, limit: u64) -> (Config, Vec<String>) {
    let most = needed.connections(usize::try_from(limit).unwrap_or(usize::MAX));
    let wanted = config.max_connections;
    let warning = (wanted > most).then(|| {
        format!(
            "--connections {wanted} is more than the limit of {limit} open files allows (RLIMIT_NOFILE): {most} \
             connections are used"
        )
    });
    let max_connections = wanted.min(most);
    let max_per_origin = config.max_per_origin.min(max_connections);
    (Config { max_connections, max_per_origin, ..config }, warning.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_and_sent_and_each_thread_have_descriptors() {
        let connections = |threads, each| Descriptors { threads, each }.connections(1024);
        assert_eq!([1, 2, 3].map(|each| connections(1, each)), [896, 448, 298]);
        assert_eq!([2, 16, 100].map(|threads| connections(threads, 1)), [880, 656, 100]);
        let config =
            Config { max_connections: 300, max_per_origin: usize::MAX, ..Config::default() };
        let needed = Descriptors { threads: 2, each: 3 };
        let (fitted, warnings) = fit(config, needed, 1024);
        assert_eq!((fitted.max_connections, fitted.max_per_origin), (293, 293));
        assert!(warnings[0].contains("1024 open files"), "{warnings:?}");
    }
}
