//! One seed from its beginning to its end.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Method;
use ringdove::engine::{
    Body, Config, ConnectionId, Engine, MIN_FILL, Message, Options, Output, Paused, Request,
    TransferId,
};
use ringdove::error::{Cause, Operation};
use ringdove::{Allowance, HttpVersions, Politeness, RedirectPolicy, Time, Timeouts};
use ringdove_test_support::h2::{End, Server, pattern};

use super::app::{Seen, Source, Watcher};
use super::script::{self, Asked};
use crate::network::{ECONNREFUSED, ECONNRESET, EPIPE};
use crate::plan::MS;
use crate::random::Random;

/// Batches without anything happening, or time passing, that may follow each other.
const IDLE_BATCHES: u32 = 3;
const BATCHES: u32 = 200_000;

#[derive(Debug)]
enum Event {
    Add(usize),
    Remove(usize),
    Pause(usize, Paused),
    Resume(usize),
    SetLimits(usize, usize),
    SetPoliteness(Politeness),
    CloseIdle,
    Connected(u64, bool),
    ToServer(u64, Vec<u8>),
    ToClient(u64, Inbound),
}

#[derive(Debug)]
enum Inbound {
    Bytes(Vec<u8>),
    End,
    Reset,
}

pub(super) struct World {
    engine: Engine,
    random: Random,
    seed: u64,
    trace: bool,
    /// All behave.
    kind: bool,
    carried: bool,
    latency: u64,
    /// Most bytes that arrive at a time.
    cut: usize,
    now: u64,
    events: BTreeMap<(u64, u64), Event>,
    count: u64,
    links: BTreeMap<u64, Link>,
    asked: Asked,
    transfers: Vec<Transfer>,
    by_id: BTreeMap<u64, usize>,
    progress: bool,
    pub(super) succeeded: u64,
    pub(super) failed: u64,
}

/// A connection with both its ends.
struct Link {
    id: ConnectionId,
    server: Server,
    connected: bool,
    /// By the client.
    closed: bool,
    /// By the server.
    ended: bool,
    unsent: Vec<u8>,
    under_way: usize,
    capacity: usize,
    server_has: u64,
    client_has: u64,
    /// The network is gone after so many bytes to the client.
    breaks: Option<usize>,
}

#[derive(Default)]
struct Transfer {
    id: Option<TransferId>,
    method: Method,
    body: Vec<u8>,
    seen: Rc<RefCell<Seen>>,
    wants_resume: Arc<AtomicBool>,
    over: bool,
}

impl World {
    pub(super) fn new(seed: u64, trace: bool) -> World {
        let mut random = Random::new(seed ^ 0x6832);
        let carried = random.chance(50);
        let config = Config {
            names: ringdove::engine::NameService::System,
            max_connections: random.size(1, 4),
            max_per_origin: random.size(1, 4),
            keep_idle: Duration::from_millis(random.range(1, 60_000)),
            politeness: politeness(&mut random),
            seed: Some(1),
            ..Config::default()
        };
        let mut world = World {
            engine: Engine::new(config).with_carried_deadlines(carried),
            seed,
            trace,
            kind: random.chance(40),
            carried,
            latency: random.below(10 * MS),
            cut: random.pick(&[1, 7, 1_000, 16_384, 16_384]),
            now: 0,
            events: BTreeMap::new(),
            count: 0,
            links: BTreeMap::new(),
            asked: Asked::default(),
            transfers: Vec::new(),
            by_id: BTreeMap::new(),
            progress: false,
            succeeded: 0,
            failed: 0,
            random,
        };
        world.plan_events();
        world
    }

    fn plan_events(&mut self) {
        let most = if self.random.chance(5) { 120 } else { 12 };
        for nth in 0..self.random.size(1, most) {
            self.transfers.push(Transfer::default());
            let at = if self.random.chance(60) { 0 } else { self.random.below(500 * MS) };
            self.push(at, Event::Add(nth));
            if self.random.chance(8) {
                let at = at + self.random.below(300 * MS);
                self.push(at, Event::Remove(nth));
            }
            if self.random.chance(15) {
                let paused = self.random.pick(&[
                    Paused::BOTH,
                    Paused { receiving: true, sending: false },
                    Paused { receiving: false, sending: true },
                ]);
                let at = at + self.random.below(100 * MS);
                let most = self.random.pick(&[300, 100_000]);
                let until = at + self.random.range(1, most) * MS;
                self.push(at, Event::Pause(nth, paused));
                self.push(until, Event::Resume(nth));
            }
        }
        for _ in 0..if self.random.chance(20) { 3 } else { 0 } {
            let at = self.random.below(500 * MS);
            let event = match self.random.below(3) {
                0 => Event::CloseIdle,
                1 => Event::SetPoliteness(politeness(&mut self.random)),
                _ => Event::SetLimits(self.random.size(1, 6), self.random.size(1, 6)),
            };
            self.push(at, event);
        }
    }

    fn push(&mut self, at: u64, event: Event) {
        self.count += 1;
        self.events.insert((at, self.count), event);
    }

    pub(super) fn run(&mut self) {
        let (mut batches, mut idle) = (0, 0);
        while let Some(at) = self.next_time() {
            let before = self.now;
            self.now = before.max(at);
            self.progress = false;
            self.batch();
            idle = if self.progress || self.now > before { 0 } else { idle + 1 };
            batches += 1;
            assert!(idle < IDLE_BATCHES, "the loop spins");
            assert!(batches < BATCHES, "the loop does not come to an end");
        }
        self.check_end();
    }

    fn next_time(&self) -> Option<u64> {
        let engine = self.engine.next_time().map(Time::as_nanos);
        let deadlines = self.open().map(|link| self.engine.level(link.id).deadline);
        let carried = deadlines.filter(|at| self.carried && *at != Time::NEVER).min();
        let event = self.events.keys().next().map(|&(at, _)| at);
        [engine, carried.map(Time::as_nanos), event].into_iter().flatten().min()
    }

    fn open(&self) -> impl Iterator<Item = &Link> {
        self.links.values().filter(|link| !link.closed)
    }

    fn batch(&mut self) {
        self.engine.advance(Time::from_nanos(self.now));
        while let Some(entry) = self.events.first_entry()
            && entry.key().0 <= self.now
        {
            let event = entry.remove();
            self.progress = true;
            self.say(|| format!("{event:?}"));
            self.happen(event);
            if self.random.chance(50) {
                self.drain();
            }
        }
        let now = Time::from_nanos(self.now);
        let ids: Vec<_> = self.open().map(|link| link.id).collect();
        for id in ids {
            if self.carried && self.engine.level(id).deadline <= now {
                self.engine.handle_deadline(id);
            }
        }
        self.engine.expire();
        self.drain();
        if self.engine.running() == 0 {
            self.engine.rest();
        }
        self.resume_who_wants();
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Add(nth) => self.add(nth),
            Event::Remove(nth) => self.remove(nth),
            Event::Pause(nth, paused) => self.set_paused(nth, paused),
            Event::Resume(nth) => self.set_paused(nth, Paused::default()),
            Event::SetLimits(all, per_origin) => self.engine.set_limits(all, per_origin),
            Event::SetPoliteness(politeness) => self.engine.set_politeness(politeness),
            Event::CloseIdle => self.engine.close_idle(),
            Event::Connected(key, is_there) => self.connected(key, is_there),
            Event::ToServer(key, bytes) => self.serve(key, &bytes),
            Event::ToClient(key, what) => self.arrive(key, what),
        }
    }

    // the application

    fn add(&mut self, nth: usize) {
        let random = &mut self.random;
        let method = random.pick(&[&Method::GET, &Method::POST, &Method::PUT, &Method::HEAD]);
        let has_body = [Method::POST, Method::PUT].contains(method) && random.chance(80);
        let most = random.pick(&[10, 1_000, 20_000]);
        let body = if has_body { pattern("body", random.size(0, most)) } else { Vec::new() };
        let port = random.pick(&[80, 80, 80, 8080]);
        let url = format!("http://10.0.0.1:{port}/t/{nth}");
        let mut request =
            Request::new(method.clone(), &url).unwrap().options(options(random, self.kind));
        if has_body && random.chance(20) {
            request = request.field("Expect", "100-continue").unwrap();
        }
        let transfer = &mut self.transfers[nth];
        if has_body && random.chance(50) {
            let source = Source {
                body: body.clone(),
                at: 0,
                random: random.fork(),
                wants_resume: transfer.wants_resume.clone(),
                // what cannot go back to its beginning may not be sent again
                rewinds: self.kind || random.chance(50),
            };
            let length = random.chance(50).then_some(body.len() as u64);
            request = request.body(Body::Stream { source: Box::new(source), length });
        } else if has_body {
            request = request.body(body.clone());
        }
        let watcher = Watcher {
            seen: transfer.seen.clone(),
            pause_at: random.chance(15).then(|| random.below(3_000) as usize),
            abort_at: random.chance(3).then(|| random.below(3_000) as usize),
        };
        let id = self.engine.add(request, Box::new(watcher)).unwrap();
        (transfer.id, transfer.method, transfer.body) = (Some(id), method.clone(), body);
        self.by_id.insert(id.to_bits(), nth);
    }

    fn remove(&mut self, nth: usize) {
        let transfer = &mut self.transfers[nth];
        let Some(id) = transfer.id else { return };
        let is_done = transfer.seen.borrow().done;
        assert_eq!(self.engine.remove(id).is_none(), is_done, "a handler is given back once");
        transfer.seen.borrow_mut().removed = !is_done;
        transfer.over |= !is_done;
    }

    fn set_paused(&mut self, nth: usize, paused: Paused) {
        let transfer = &self.transfers[nth];
        let Some(id) = transfer.id.filter(|_| !transfer.over && !transfer.seen.borrow().done)
        else {
            return;
        };
        transfer.seen.borrow_mut().paused = paused.receiving;
        self.engine.set_paused(id, paused);
    }

    fn resume_who_wants(&mut self) {
        for nth in 0..self.transfers.len() {
            let transfer = &self.transfers[nth];
            let source = transfer.wants_resume.swap(false, Ordering::Relaxed);
            let handler = std::mem::take(&mut transfer.seen.borrow_mut().wants_resume);
            if source || handler {
                let at = self.now + self.random.below(100 * MS);
                self.push(at, Event::Resume(nth));
            }
        }
    }

    // the driver

    fn drain(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            self.say(|| format!("  {output:?}"));
            match output {
                Output::Connect { connection, .. } => self.connect(connection),
                Output::Close { connection, last_words } => self.close(connection, &last_words),
                Output::Level { connection } => self.drive(connection.to_bits()),
                other => panic!("wants {other:?}"),
            }
        }
        while let Some(message) = self.engine.poll_message() {
            self.progress = true;
            self.check_message(&message);
        }
    }

    fn connect(&mut self, id: ConnectionId) {
        let random = &mut self.random;
        // what comes byte by byte is slow to simulate
        let largest = if self.cut < 100 { 1_000 } else { 150_000 };
        let plan = script::plan(random, (self.kind, largest), &self.asked, self.seed);
        let server = Server::new(plan);
        let link = Link {
            id,
            server,
            connected: false,
            closed: false,
            ended: false,
            unsent: Vec::new(),
            under_way: 0,
            capacity: random.pick(&[300, 4_096, 65_536]),
            server_has: 0,
            client_has: 0,
            breaks: (!self.kind && random.chance(10)).then(|| random.size(0, 20_000)),
        };
        self.links.insert(id.to_bits(), link);
        let is_there = self.kind || random.chance(90);
        let at = self.now + random.below(20 * MS);
        let slow = if random.chance(5) { 800 * MS } else { 0 };
        self.push(at + slow, Event::Connected(id.to_bits(), is_there));
    }

    fn connected(&mut self, key: u64, is_there: bool) {
        let Some(link) = self.links.get_mut(&key).filter(|link| !link.closed) else { return };
        link.connected = is_there;
        match is_there {
            true => self.engine.handle_connected(link.id),
            false => self.engine.handle_failed(link.id, Operation::Connect, ECONNREFUSED),
        }
        self.drive(key);
        self.pump(key);
    }

    fn close(&mut self, id: ConnectionId, last_words: &[u8]) {
        let Some(link) = self.links.get_mut(&id.to_bits()) else { return };
        assert!(!std::mem::replace(&mut link.closed, true), "closed twice");
        if link.connected && link.unsent.is_empty() && !last_words.is_empty() {
            let at = link.server_has.max(self.now + self.latency);
            self.push(at, Event::ToServer(id.to_bits(), last_words.to_vec()));
        }
    }

    /// Sends what there is to send, as far as the network takes it.
    fn drive(&mut self, key: u64) {
        for _ in 0..1_000 {
            let Some(link) = self.links.get_mut(&key) else { return };
            if !link.connected || link.closed {
                return;
            }
            if link.unsent.is_empty() {
                if !self.engine.level(link.id).send {
                    return;
                }
                let most = self.random.pick(&[MIN_FILL, 700, 16_384]);
                let mut buffer = vec![0; self.random.size(MIN_FILL, most)];
                let filled = self.engine.fill(link.id, &mut buffer);
                if filled == 0 {
                    assert!(!self.engine.level(link.id).send, "wants to send, and fills nothing");
                    return;
                }
                buffer.truncate(filled);
                link.unsent = buffer;
            }
            // where all behave what was said before the end is read before the network says so
            if link.ended && !self.kind && self.random.chance(50) {
                return self.engine.handle_failed(link.id, Operation::Send, EPIPE);
            }
            let taken = link.unsent.len().min(link.capacity - link.under_way);
            if taken == 0 {
                return;
            }
            let bytes: Vec<_> = link.unsent.drain(..taken).collect();
            link.under_way += taken;
            link.server_has = link.server_has.max(self.now + self.latency + self.random.below(MS));
            let (at, id) = (link.server_has, link.id);
            self.push(at, Event::ToServer(key, bytes));
            self.engine.handle_sent(id, taken);
        }
        panic!("sends without end");
    }

    fn arrive(&mut self, key: u64, what: Inbound) {
        let Some(link) = self.links.get(&key).filter(|link| !link.closed) else { return };
        let id = link.id;
        let takes = self.engine.level(id).recv;
        match what {
            Inbound::Bytes(bytes) if takes => self.engine.handle_received(id, &bytes),
            Inbound::End if takes => self.engine.handle_end(id),
            Inbound::Reset => self.engine.handle_failed(id, Operation::Recv, ECONNRESET),
            _ => {}
        }
        self.drive(key);
    }

    // the server

    fn serve(&mut self, key: u64, bytes: &[u8]) {
        let Some(link) = self.links.get_mut(&key) else { return };
        link.under_way = link.under_way.saturating_sub(bytes.len());
        if !link.ended {
            link.server.receive(bytes);
            let violations = &link.server.seen().violations;
            assert!(violations.is_empty(), "{violations:?}");
        }
        self.pump(key);
        self.drive(key);
    }

    /// Puts on the network what a server has to say.
    fn pump(&mut self, key: u64) {
        loop {
            let Some(link) = self.links.get_mut(&key) else { return };
            if link.ended || link.closed {
                return;
            }
            let mut wire = link.server.transmit();
            let mut end = link.server.end().map(|end| match end {
                End::Close => Inbound::End,
                End::Abort => Inbound::Reset,
            });
            if let Some(left) = &mut link.breaks {
                wire.truncate(*left);
                *left -= wire.len();
                if *left == 0 {
                    end = Some(self.random.pick(&[true, false]))
                        .and_then(|resets| resets.then_some(Inbound::Reset));
                    link.ended = true;
                }
            }
            link.ended |= end.is_some();
            let (is_last, mut at) = (wire.is_empty(), link.client_has);
            let pieces = wire.chunks(self.cut).map(|piece| Inbound::Bytes(piece.to_vec()));
            for what in pieces.chain(end) {
                at = at.max(self.now + self.latency + self.random.below(MS));
                self.count += 1;
                self.events.insert((at, self.count), Event::ToClient(key, what));
            }
            link.client_has = at;
            if is_last {
                return;
            }
        }
    }

    // what must hold

    fn check_message(&mut self, message: &Message) {
        let nth = self.by_id[&message.transfer.to_bits()];
        self.say(|| format!("  {nth} is over: {:?}", message.outcome));
        let transfer = &mut self.transfers[nth];
        assert!(!std::mem::replace(&mut transfer.over, true), "{nth} is over twice");
        let seen = transfer.seen.borrow();
        assert!(seen.done, "the handler of {nth} was not told");
        match &message.outcome.result {
            Ok(_) => {
                self.succeeded += 1;
                assert!(!seen.paused && !seen.aborted, "{nth} ends well: {seen:?}");
                let on = if seen.hops > 0 { "/on" } else { "" };
                let wanted = pattern(&format!("/t/{nth}{on}"), seen.body.len());
                assert!(seen.body == wanted, "the body of {nth}");
                assert_eq!(message.outcome.report.body_received, seen.body.len() as u64);
            }
            Err(error) => {
                self.failed += 1;
                let is_meant = seen.aborted && matches!(error.cause, Cause::Aborted(_));
                assert!(is_meant || !self.kind, "{nth} fails where all behave: {error:?}");
            }
        }
    }

    fn check_end(&mut self) {
        let left: Vec<_> = (0..self.transfers.len()).filter(|&n| !self.transfers[n].over).collect();
        assert!(left.is_empty(), "nothing will ever happen to {left:?}");
        assert!(self.engine.is_empty(), "something is left: {:?}", self.engine.stats());
        assert_eq!(self.open().count(), 0, "connections that were not closed");
        let mut processed = BTreeSet::new();
        for request in self.links.values().flat_map(|link| &link.server.seen().requests) {
            let post = request.method() == "POST" && request.processed;
            let is_first = !post || processed.insert(request.path().to_owned());
            assert!(is_first, "{} was processed twice", request.path());
            let nth = request.path().split('/').nth(2).and_then(|nth| nth.parse::<usize>().ok());
            let transfer = &self.transfers[nth.expect("a path of a transfer")];
            if request.complete && !request.path().ends_with("/on") {
                assert!(request.body == transfer.body, "the body of {}", request.path());
            }
        }
    }

    fn say(&self, what: impl FnOnce() -> String) {
        if self.trace {
            eprintln!("{:>12?} {}", Duration::from_nanos(self.now), what());
        }
    }
}

/// None at all for most seeds.
fn politeness(random: &mut Random) -> Politeness {
    if random.chance(75) {
        return Politeness::default();
    }
    let mut allowance = || Allowance {
        interval: random.chance(40).then(|| Duration::from_millis(random.range(1, 200))),
        concurrency: random.chance(40).then(|| random.size(1, 3)),
    };
    let (per_origin, per_address) = (allowance(), allowance());
    Politeness { per_origin, per_address, ..Politeness::default() }
}

fn options(random: &mut Random, kind: bool) -> Arc<Options> {
    let mut timeouts = Timeouts::default();
    if !kind && random.chance(30) {
        let tight = Some(Duration::from_millis(random.range(0, 300)));
        match random.below(4) {
            0 => timeouts.first_byte = tight,
            1 => timeouts.idle = tight,
            2 => timeouts.queue = tight,
            _ => timeouts.total = tight,
        }
    }
    Arc::new(Options {
        versions: HttpVersions::Http2,
        redirects: Some(RedirectPolicy::default()),
        max_rate: random.chance(8).then(|| random.range(20_000, 1_000_000)),
        retry: (!kind && random.chance(10)).then(Arc::default),
        timeouts,
        ..Options::default()
    })
}
