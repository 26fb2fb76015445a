//! The system's files about names: read when the first name is looked up, and again when they have changed.
//!
//! Knows where the files are. Must not know what stands in them, nor how a name is looked up. Invariants: who looks no
//! name up reads no file; the files are looked at once a second at most, and only while transfers are added.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::dns::{Conf, Hosts, Switch};
use crate::engine::{Config, Engine, Family, LookupId, NameService, NamesConfig};
use crate::limits;
use crate::protocol::Host;
use crate::sys::{interface, random};
use crate::time::Time;

/// resolv.conf(5), hosts(5) and nsswitch.conf(5).
const FILES: [&str; 3] = ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf"];

/// How long it is not looked whether they have changed.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How an engine's names are looked up, as far as that is the driver's.
pub(super) struct NameFiles {
    service: NameService,
    /// All that is not in the files.
    config: NamesConfig,
    /// As they were when they were read.
    stamps: [Option<Stamp>; 3],
    /// When to look again; never before they were read.
    look_at: Time,
    /// Transfers that had been added when it was last looked.
    added: u64,
}

/// What changes with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    changed: (i64, i64),
    size: u64,
}

impl NameFiles {
    pub(super) fn new(config: &Config) -> Self {
        let defaults = NamesConfig::default();
        let names = NamesConfig {
            ipv4: config.lookup_family != Some(Family::V6),
            ipv6: config.lookup_family != Some(Family::V4),
            max_queries: config.server_queries.unwrap_or(defaults.max_queries).max(1),
            queries_per_second: config.server_queries_per_second,
            deadline: config.lookup_deadline,
            patience: config.serve_stale.map(|_| limits::STALE_AFTER),
            ..defaults
        };
        let service = config.names.clone();
        Self { service, config: names, stamps: [None; 3], look_at: Time::NEVER, added: 0 }
    }

    /// Has the engine look a name up itself, for which it has the files with the first. False if the system is to.
    pub(super) fn hand_back(
        &mut self,
        engine: &mut Engine,
        now: Time,
        lookup: LookupId,
        host: &Host,
    ) -> bool {
        if matches!(self.service, NameService::System) {
            return false;
        }
        if self.look_at == Time::NEVER {
            self.read(engine, now);
        }
        engine.take_lookup(lookup, host)
    }

    /// Has the engine know of files that have changed.
    #[inline]
    pub(super) fn refresh(&mut self, engine: &mut Engine, now: Time) {
        if now >= self.look_at {
            self.look(engine, now);
        }
    }

    #[cold]
    fn look(&mut self, engine: &mut Engine, now: Time) {
        self.look_at = now + LOOK_AGAIN;
        // what is known already may be out of date, too
        let added = engine.stats().added;
        if std::mem::replace(&mut self.added, added) != added && stamps() != self.stamps {
            self.read(engine, now);
        }
    }

    fn read(&mut self, engine: &mut Engine, now: Time) {
        // before the files: what changes meanwhile is seen the next time
        self.stamps = stamps();
        self.look_at = now + LOOK_AGAIN;
        let [conf, hosts, switch] = FILES.map(|path| read(Path::new(path)));
        let mut conf = Conf::parse(&conf, interface::index);
        let mut switch = Switch::parse(&switch);
        if let NameService::Servers(servers) = &self.service {
            conf.servers = servers.clone();
            switch = Switch::default();
        }
        let hosts = Arc::new(Hosts::parse(&hosts));
        let config = NamesConfig { conf, hosts, ..self.config.clone() };
        // without a seed queries could be foreseen: then the system looks names up
        if let Some(seed) = random::seed() {
            engine.set_names(config, switch, seed);
        }
    }
}

fn stamps() -> [Option<Stamp>; 3] {
    FILES.map(|path| fs::metadata(path).ok().as_ref().map(stamp))
}

fn stamp(file: &Metadata) -> Stamp {
    Stamp {
        file: (file.dev(), file.ino()),
        changed: (file.mtime(), file.mtime_nsec()),
        size: file.len(),
    }
}

/// A file, as far as it counts; nothing if there is none.
fn read(path: &Path) -> Vec<u8> {
    use std::io::Read;
    let mut bytes = Vec::new();
    if let Ok(file) = fs::File::open(path) {
        // what was read before an error counts
        let _ = file.take(limits::HOSTS_FILE as u64).read_to_end(&mut bytes);
    }
    bytes
}
