//! On what it was measured: without this no figure means anything.

use std::collections::BTreeMap;
use std::fs;

use serde::Serialize;

/// The machine and the program.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Machine {
    pub(super) kernel: String,
    pub(super) cpu: String,
    pub(super) cpus: usize,
    /// The CPU's vulnerabilities and what is done against each.
    pub(super) vulnerabilities: BTreeMap<String, String>,
    pub(super) version: &'static str,
    /// As `RINGDOVE_COMMIT` said when this was built.
    pub(super) commit: Option<&'static str>,
}

impl Machine {
    pub(super) fn this() -> Self {
        Self {
            kernel: line("/proc/sys/kernel/osrelease").unwrap_or_else(unknown),
            cpu: cpu_model().unwrap_or_else(unknown),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            vulnerabilities: vulnerabilities(),
            version: env!("CARGO_PKG_VERSION"),
            commit: option_env!("RINGDOVE_COMMIT"),
        }
    }
}

impl Machine {
    /// The vulnerabilities that something is done against, which costs.
    pub(super) fn mitigated(&self) -> String {
        let mitigated = self.vulnerabilities.iter().filter(|(_, state)| state.starts_with("Mit"));
        let names: Vec<_> = mitigated.map(|(name, _)| name.as_str()).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn line(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

fn cpu_model() -> Option<String> {
    let info = fs::read_to_string("/proc/cpuinfo").ok()?;
    let field = |name| info.lines().find_map(|line: &str| line.strip_prefix(name));
    let value = field("model name").or_else(|| field("CPU part"))?;
    Some(value.trim_start_matches([':', ' ', '\t']).to_owned())
}

fn vulnerabilities() -> BTreeMap<String, String> {
    let Ok(files) = fs::read_dir("/sys/devices/system/cpu/vulnerabilities") else {
        return BTreeMap::new();
    };
    let named = files.flatten().filter_map(|file| {
        let name = file.file_name().into_string().ok()?;
        let text = line(file.path().to_str()?)?;
        (text != "Not affected").then_some((name, text))
    });
    named.collect()
}
