//! One seed from its beginning to its end: the loop, the application, the servers.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ringdove::Time;
use ringdove::engine::{Body, Engine, LookupId, Paused, Request, TransferId};

use crate::app::{Seen, Signals, Source, Watcher};
use crate::driver::{Link, Times};
use crate::gates::Gates;
use crate::network::{Event, Events, Inbound, Socket, SocketId};
use crate::plan::{BodyPlan, LookupPlan, MS, Plan, Scenario, host_name};
use crate::random::Random;
use crate::server::Step;

/// Batches in which nothing happened and no time passed that may follow each other.
const IDLE_BATCHES: u32 = 3;
/// Batches that one seed may take.
const BATCHES: u32 = 400_000;
/// The end of time: every wait of every transfer is over long before.
const END: u64 = 3_600_000 * MS;

pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) scenario: Scenario,
    pub(crate) random: Random,
    pub(crate) now: u64,
    pub(crate) events: Events,
    pub(crate) sockets: Vec<Socket>,
    pub(crate) links: BTreeMap<u64, Link>,
    pub(crate) lookups: BTreeMap<u64, LookupId>,
    /// How often each host's name was looked up.
    pub(crate) looked_up: BTreeMap<usize, u32>,
    pub(crate) transfers: Vec<Transfer>,
    pub(crate) by_id: BTreeMap<u64, usize>,
    pub(crate) limits: Limits,
    pub(crate) gates: Gates,
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
    removed: u64,
    /// Something came of the batch.
    pub(crate) progress: bool,
    trace: bool,
}

/// A transfer as the application knows it.
#[derive(Default)]
pub(crate) struct Transfer {
    pub(crate) id: Option<TransferId>,
    pub(crate) seen: Rc<RefCell<Seen>>,
    pub(crate) signals: Signals,
    pub(crate) added: u64,
    /// When the first batch after its addition began, by which it is admitted.
    pub(crate) admitted: Option<u64>,
    /// All sockets that it was on.
    pub(crate) sockets: Vec<SocketId>,
    /// How often a server saw its request.
    pub(crate) processed: u8,
    /// The system had no room for it, once.
    pub(crate) exhausted: bool,
    pub(crate) resumed: u64,
    /// Resumed, which takes effect with the next batch.
    resuming: bool,
    /// When things happened on the connection that was closed under it.
    pub(crate) times: Option<Times>,
    pub(crate) over: bool,
}

/// What the limits allow, while connections over a lowered one wither away.
pub(crate) struct Limits {
    pub(crate) max: usize,
    pub(crate) per_origin: usize,
    pub(crate) allowed: usize,
    pub(crate) allowed_per_origin: BTreeMap<(usize, u16), usize>,
}

impl World {
    pub(crate) fn new(seed: u64, trace: bool) -> World {
        let mut random = Random::new(seed);
        let scenario = Scenario::new(&mut random);
        let mut engine =
            Engine::new(scenario.config.clone()).with_carried_deadlines(scenario.carried_deadlines);
        for (host, plan) in scenario.hosts.iter().enumerate() {
            if plan.lookup == LookupPlan::Override && !plan.literal {
                let url = format!("http://{}/", host_name(host));
                let name = Request::get(&url).unwrap().head().origin().host().clone();
                let addresses: Arc<[_]> =
                    (0..plan.addresses.len()).map(|index| plan.address(host, index)).collect();
                for port in [80, 443, 8080, 8443] {
                    engine.set_override(name.clone(), port, addresses.clone());
                }
            }
        }
        let limits = Limits {
            max: scenario.config.max_connections,
            per_origin: scenario.config.max_per_origin,
            allowed: 0,
            allowed_per_origin: BTreeMap::new(),
        };
        let gates = Gates::new(&scenario.config);
        let mut world = World {
            transfers: scenario.plans.iter().map(|_| Transfer::default()).collect(),
            engine,
            scenario,
            random,
            now: 0,
            events: Events::default(),
            sockets: Vec::new(),
            links: BTreeMap::new(),
            lookups: BTreeMap::new(),
            looked_up: BTreeMap::new(),
            by_id: BTreeMap::new(),
            limits,
            gates,
            succeeded: 0,
            failed: 0,
            removed: 0,
            progress: false,
            trace,
        };
        world.plan_events();
        world
    }

    fn plan_events(&mut self) {
        for plan in &self.scenario.plans {
            self.events.push(plan.added, Event::Add(plan.id));
            if let Some(at) = plan.removed {
                self.events.push(plan.added + at, Event::Remove(plan.id));
            }
            if let Some((at, how_long)) = plan.paused {
                self.events.push(plan.added + at, Event::Pause(plan.id));
                self.events.push(plan.added + at + how_long, Event::Resume(plan.id));
            }
        }
        for &(at, max, per_origin) in &self.scenario.limits {
            self.events.push(at, Event::SetLimits(max, per_origin));
        }
        for &(at, rules) in &self.scenario.rules {
            self.events.push(at, Event::SetRules(rules));
        }
        if let Some(at) = self.scenario.close_idle {
            self.events.push(at, Event::CloseIdle);
        }
    }

    /// Runs until nothing is left to happen.
    pub(crate) fn run(&mut self) {
        self.say(|world| format!("{:#?}", world.scenario));
        let mut idle_batches = 0;
        let close_idle = self.random.chance(50);
        let mut batches = 0;
        while let Some(at) = self.next_time() {
            let before = self.now;
            let wait = at > before;
            let late = if wait { self.random.below(self.scenario.lateness + 1) } else { 0 };
            self.now = before.max(at) + late;
            self.progress = false;
            self.batch();
            let progress = self.progress || self.now > before;
            idle_batches = if progress { 0 } else { idle_batches + 1 };
            assert!(idle_batches < IDLE_BATCHES, "the loop spins: nothing happens, no time passes");
            batches += 1;
            assert!(batches < BATCHES, "the loop does not come to an end");
            assert!(self.now < END, "the end of time");
            if close_idle && self.engine.running() == 0 && self.transfers_over() {
                self.engine.close_idle();
            }
        }
        self.check_end();
    }

    fn next_time(&self) -> Option<u64> {
        let engine = self.engine.next_time().map(Time::as_nanos);
        let carried = self.links.values().map(|link| link.deadline).filter(|&at| at != u64::MAX);
        let carried = if self.scenario.carried_deadlines { carried.min() } else { None };
        [engine, carried, self.events.next_time()].into_iter().flatten().min()
    }

    fn batch(&mut self) {
        self.say(|_| "batch".to_owned());
        self.engine.advance(self.time());
        for transfer in &mut self.transfers {
            if transfer.id.is_some() {
                transfer.admitted.get_or_insert(self.now);
            }
            if std::mem::take(&mut transfer.resuming) {
                transfer.resumed = self.now;
            }
        }
        let mut due: Vec<_> = std::iter::from_fn(|| self.events.pop_due(self.now)).collect();
        self.progress |= !due.is_empty();
        let salt = self.random.below(u64::MAX);
        due.sort_by_key(|event| Random::new(event.group() ^ salt).below(u64::MAX));
        for event in due {
            self.happen(event);
            if self.random.chance(50) {
                self.drain();
            }
        }
        self.report_deadlines();
        self.engine.expire();
        self.note_handed_on();
        self.drain();
        if self.engine.running() == 0 {
            self.engine.rest();
        }
        self.resume_who_wants();
        self.check_batch();
    }

    fn happen(&mut self, event: Event) {
        self.say(|_| format!("{event:?}"));
        match event {
            Event::Add(plan) => self.add(plan),
            Event::Remove(plan) => self.remove(plan),
            Event::Pause(plan) => self.pause(plan),
            Event::Resume(plan) => self.resume(plan),
            Event::SetLimits(max, per_origin) => self.set_limits(max, per_origin),
            Event::SetRules(rules) => self.set_rules(rules),
            Event::CloseIdle => self.engine.close_idle(),
            Event::Resolved(lookup, result) => {
                self.lookups.remove(&lookup.to_bits());
                self.engine.handle_resolved(lookup, result);
            }
            Event::Connected(socket, result) => self.connected(socket, result),
            Event::Sent(socket) => self.writable(socket),
            Event::ToClient(socket, what) => self.arrive(socket, what),
            Event::ToServer(socket, bytes) => self.serve(socket, &bytes),
            Event::Step(socket) => self.step(socket),
            Event::IdleClose(socket) => self.close_if_idle(socket),
            Event::Stale(connection) => self.stale(connection),
        }
    }

    // the application

    fn add(&mut self, index: usize) {
        let plan = &self.scenario.plans[index];
        let transfer = &mut self.transfers[index];
        let watcher = Watcher::new(plan, transfer.seen.clone());
        let request = request(plan, &self.scenario, &transfer.signals, &mut self.random);
        let id = self.engine.add(request, Box::new(watcher)).expect("a request in order");
        transfer.id = Some(id);
        transfer.added = self.now;
        self.by_id.insert(id.to_bits(), index);
    }

    fn remove(&mut self, index: usize) {
        let transfer = &mut self.transfers[index];
        let Some(id) = transfer.id else { return };
        let handler = self.engine.remove(id);
        self.note_handed_on();
        let transfer = &mut self.transfers[index];
        let was_done = transfer.seen.borrow().done;
        assert_eq!(handler.is_none(), was_done, "a handler is given back once");
        if !was_done {
            transfer.seen.borrow_mut().removed = true;
            transfer.over = true;
            self.removed += 1;
        }
        assert!(self.engine.remove(id).is_none(), "a handler is given back once");
    }

    fn pause(&mut self, index: usize) {
        let transfer = &mut self.transfers[index];
        let is_done = transfer.seen.borrow().done;
        let Some(id) = transfer.id.filter(|_| !transfer.over && !is_done) else { return };
        let paused = match self.random.below(3) {
            0 => Paused { receiving: true, sending: false },
            1 => Paused { receiving: false, sending: true },
            _ => Paused::BOTH,
        };
        // what the handler has paused before goes on if only the other direction is
        transfer.seen.borrow_mut().paused = paused.receiving;
        transfer.signals.paused.store(paused.sending, Ordering::Relaxed);
        transfer.resuming = paused != Paused::BOTH;
        self.engine.set_paused(id, paused);
    }

    fn resume(&mut self, index: usize) {
        let transfer = &mut self.transfers[index];
        let Some(id) = transfer.id.filter(|_| !transfer.over) else { return };
        transfer.seen.borrow_mut().paused = false;
        transfer.signals.paused.store(false, Ordering::Relaxed);
        transfer.resuming = true;
        self.engine.resume(id);
    }

    /// Whoever paused without saying for how long goes on some time later.
    fn resume_who_wants(&mut self) {
        for (index, transfer) in self.transfers.iter_mut().enumerate() {
            let source = transfer.signals.wants_resume.swap(false, Ordering::Relaxed);
            let handler = std::mem::take(&mut transfer.seen.borrow_mut().wants_resume);
            if source || handler {
                let at = self.now + self.random.below(80 * MS);
                self.events.push(at, Event::Resume(index));
            }
        }
    }

    fn set_limits(&mut self, max: usize, per_origin: usize) {
        self.drain();
        self.check_limits();
        self.engine.set_limits(max, per_origin);
        (self.limits.max, self.limits.per_origin) = (max, per_origin);
    }

    pub(crate) fn transfers_over(&self) -> bool {
        self.transfers.iter().all(|transfer| transfer.over)
    }

    // the servers

    fn serve(&mut self, id: SocketId, bytes: &[u8]) {
        let socket = &mut self.sockets[id];
        socket.taken(bytes.len());
        if socket.ended {
            if !socket.cut {
                socket.cut = true;
                socket.say(id, Inbound::Reset, true, (self.now, &mut self.events));
            }
            return self.unblock(id);
        }
        let host = socket.host;
        let authority = self.scenario.hosts[host].authority(host, socket.address.port());
        let plain = socket.tls.as_mut().map(|tls| tls.read(bytes));
        socket.flush(id, self.now, &mut self.events);
        let bytes = plain.as_deref().unwrap_or(bytes);
        let plans = &self.scenario.plans;
        for index in socket.server.receive(bytes, plans, &authority, &mut self.random) {
            assert_eq!(plans[index].host, host, "request {index} at another host");
            let transfer = &mut self.transfers[index];
            transfer.processed += 1;
            let again = transfer.processed > 1;
            let idempotent = plans[index].method.is_idempotent();
            assert!(!again || idempotent, "request {index} is not idempotent, and came twice");
        }
        self.next_step(id);
        self.unblock(id);
    }

    fn next_step(&mut self, id: SocketId) {
        let socket = &mut self.sockets[id];
        if socket.stepping {
            return;
        }
        if let Some(&(after, _)) = socket.server.script.front() {
            socket.stepping = true;
            self.events.push(self.now + after, Event::Step(id));
        }
    }

    fn step(&mut self, id: SocketId) {
        let socket = &mut self.sockets[id];
        socket.stepping = false;
        let Some((_, step)) = socket.server.script.pop_front() else { return };
        let what = match step {
            Step::Write(bytes) => Inbound::Bytes(bytes),
            Step::End => Inbound::End,
            Step::Reset => Inbound::Reset,
        };
        if !matches!(what, Inbound::Bytes(_)) {
            socket.ended = true;
            socket.cut |= socket.server.poisoned;
        }
        // a server in order says that it ends, one that is not may not
        let clean = !socket.cut || self.random.chance(50);
        socket.say(id, what, clean, (self.now, &mut self.events));
        let idle = socket.server.is_idle() && !socket.server.poisoned;
        if idle && self.random.chance(self.scenario.idle_closes) {
            let at = self.now + self.random.below(200 * MS);
            self.events.push(at, Event::IdleClose(id));
        }
        self.next_step(id);
    }

    fn close_if_idle(&mut self, id: SocketId) {
        let socket = &mut self.sockets[id];
        if socket.server.is_idle() && !socket.server.poisoned && !socket.ended {
            socket.ended = true;
            socket.cut = true;
            let clean = self.random.chance(50);
            socket.say(id, Inbound::End, clean, (self.now, &mut self.events));
        }
    }

    // the end

    fn check_end(&mut self) {
        assert!(self.transfers_over(), "nothing will ever happen to the transfers that are left");
        assert!(self.engine.is_empty(), "something is left: {:?}", self.engine.stats());
        assert!(self.links.is_empty(), "the driver was not told to close {:?}", self.links.keys());
        assert!(self.lookups.is_empty(), "look-ups that nobody waits for were not abandoned");
        let open = self.sockets.iter().filter(|socket| !socket.closed).count();
        assert_eq!(open, 0, "sockets that are open still");
        let stats = self.engine.stats();
        assert_eq!(stats.succeeded, self.succeeded);
        assert_eq!(stats.failed, self.failed);
        assert_eq!(stats.removed, self.removed);
        assert_eq!(stats.added, stats.succeeded + stats.failed + stats.removed);
    }

    // shared

    pub(crate) fn time(&self) -> Time {
        Time::from_nanos(self.now)
    }

    pub(crate) fn say(&self, what: impl FnOnce(&World) -> String) {
        if self.trace {
            let now = Duration::from_nanos(self.now);
            eprintln!("{now:>12?} {}", what(self));
        }
    }
}

fn request(plan: &Plan, scenario: &Scenario, signals: &Signals, random: &mut Random) -> Request {
    let mut request = Request::new(plan.method.clone(), &plan.url(&scenario.hosts))
        .expect("a URL in order")
        .options(plan.options.clone());
    if plan.padding > 0 {
        request = request.field("x-padding", "x".repeat(plan.padding)).expect("a field in order");
    }
    match plan.body {
        BodyPlan::None => request,
        BodyPlan::Memory { size } => request.body(crate::plan::body_of(plan.id, 1, size)),
        BodyPlan::Stream { size, known, .. } => request.body(Body::Stream {
            length: known.then_some(size as u64),
            source: Box::new(Source::new(plan, random.fork(), signals)),
        }),
    }
}
