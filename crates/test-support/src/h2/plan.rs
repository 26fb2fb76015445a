//! What a server does on one connection.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::record::SeenRequest;
use super::script::Script;

/// What a server does on a connection. `Plan::new()` answers each request by 404.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(super) settings: Option<Vec<(u16, u32)>>,
    pub(super) opening: Script,
    pub(super) paths: BTreeMap<String, Script>,
    pub(super) each: Option<Each>,
    pub(super) credit: Credit,
    pub(super) order: Order,
    pub(super) acknowledges: bool,
    pub(super) answers_pings: bool,
}

/// When the client may send more of its bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credit {
    /// As soon as something came, as much again.
    AtOnce,
    /// Once a window is used up, so many bytes. The window of the connection begins with 65,535 whatever is said, those of
    /// streams with the setting.
    WhenEmpty(u32),
    /// Never: a script [grants](Script::grant) it.
    Never,
}

/// Which streams have their turn first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Each sends a frame, and then the next has its turn.
    Turns,
    /// The oldest goes as far as it can, then the one after it.
    OldestFirst,
    /// The newest goes as far as it can, then the one before it.
    NewestFirst,
}

/// Answers by request.
#[derive(Clone)]
pub(super) struct Each(pub(super) Arc<dyn Fn(&SeenRequest) -> Script + Send + Sync>);

impl fmt::Debug for Each {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Each")
    }
}

impl Plan {
    /// 404 for every path, no settings of its own, credit at once, streams by turns.
    pub fn new() -> Plan {
        Plan {
            settings: Some(Vec::new()),
            opening: Script::new(),
            paths: BTreeMap::new(),
            each: None,
            credit: Credit::AtOnce,
            order: Order::Turns,
            acknowledges: true,
            answers_pings: true,
        }
    }

    /// What is done about requests for this path (up to, not with, a `?`).
    pub fn path(mut self, path: &str, script: Script) -> Plan {
        self.paths.insert(path.to_owned(), script);
        self
    }

    /// What is done about requests for all other paths.
    pub fn each(mut self, script: impl Fn(&SeenRequest) -> Script + Send + Sync + 'static) -> Plan {
        self.each = Some(Each(Arc::new(script)));
        self
    }

    /// The settings that the connection begins with.
    pub fn settings(mut self, list: &[(u16, u32)]) -> Plan {
        self.settings = Some(list.to_vec());
        self
    }

    /// The connection does not begin with SETTINGS, unless the opening has them.
    pub fn without_settings(mut self) -> Plan {
        self.settings = None;
        self
    }

    /// What is done from the beginning on, after the first SETTINGS, beside all requests. It has steps about the connection.
    pub fn opening(mut self, script: Script) -> Plan {
        self.opening = script;
        self
    }

    /// When the client may send more.
    pub fn credit(mut self, credit: Credit) -> Plan {
        self.credit = credit;
        self
    }

    /// Which streams have their turn first.
    pub fn order(mut self, order: Order) -> Plan {
        self.order = order;
        self
    }

    /// The client's SETTINGS are not acknowledged.
    pub fn never_acknowledge(mut self) -> Plan {
        self.acknowledges = false;
        self
    }

    /// PINGs are not answered.
    pub fn never_pong(mut self) -> Plan {
        self.answers_pings = false;
        self
    }

    pub(super) fn script(&self, request: &SeenRequest) -> Script {
        let path = request.field(":path").unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default();
        match (self.paths.get(path), &self.each) {
            (Some(script), _) => script.clone(),
            (None, Some(each)) => each.0(request),
            (None, None) => Script::new().await_body().head(404, &[]).bytes("no such path\n"),
        }
    }
}
