//! Servers, the network between, and the time: all virtual.

use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::super::{
    ChannelId, Failure, Found, NameError, NameStats, Names, NamesConfig, Transport, Want,
};
use crate::dns::{Conf, Kind};
use crate::engine::ids::LookupId;
use crate::limits;
use crate::protocol::{Host, Origin};
use crate::time::Time;

type Server = Box<dyn FnMut(&Asked) -> Vec<Reply>>;

/// A query as a server sees it.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) id: u16,
    pub(super) name: String,
    pub(super) kind: RecordType,
    pub(super) edns: bool,
    pub(super) tcp: bool,
    /// The socket that it came from, which is known by its port.
    pub(super) socket: u64,
    pub(super) message: Vec<u8>,
}

#[derive(Clone)]
pub(super) enum Reply {
    Message(Duration, Vec<u8>),
    /// The connection is closed, or the port is.
    Close(Duration),
}

impl Reply {
    pub(super) fn after(time: Duration, message: Vec<u8>) -> Reply {
        Reply::Message(time, message)
    }
}

impl Asked {
    fn of(message: &[u8], tcp: bool, socket: u64) -> Asked {
        let read = Message::from_vec(message).expect("our queries are good");
        assert_eq!(read.message_type, MessageType::Query);
        let query = &read.queries[0];
        Asked {
            id: read.id,
            name: query.name().to_ascii().trim_end_matches('.').to_owned(),
            kind: query.query_type(),
            edns: read.edns.is_some(),
            tcp,
            socket,
            message: message.to_vec(),
        }
    }

    /// The number in the first label.
    pub(super) fn number(&self) -> u32 {
        number(&self.name)
    }

    pub(super) fn about(&self, name: &str) -> Asked {
        Asked { name: name.to_owned(), ..self.clone() }
    }

    pub(super) fn with_id(&self, id: u16) -> Asked {
        Asked { id, ..self.clone() }
    }

    fn reply(&self) -> Message {
        let mut message = Message::new(self.id, MessageType::Response, OpCode::Query);
        message.metadata.recursion_available = true;
        message.add_query(Query::query(name(&self.name), self.kind));
        message
    }

    /// The records, those of the other family left out.
    pub(super) fn answer(&self, records: &[Record]) -> Vec<u8> {
        let mut message = self.reply();
        let fits =
            |record: &&Record| [self.kind, RecordType::CNAME].contains(&record.record_type());
        message.add_answers(records.iter().filter(fits).cloned());
        message.to_vec().unwrap()
    }

    pub(super) fn code(&self, code: ResponseCode) -> Vec<u8> {
        self.negative(code, &[])
    }

    pub(super) fn negative(&self, code: ResponseCode, authority: &[Record]) -> Vec<u8> {
        let mut message = self.reply();
        message.metadata.response_code = code;
        message.authorities = authority.to_vec();
        message.to_vec().unwrap()
    }

    pub(super) fn nothing_without_recursion(&self) -> Vec<u8> {
        let mut message = self.reply();
        message.metadata.recursion_available = false;
        message.to_vec().unwrap()
    }

    pub(super) fn truncated(&self) -> Vec<u8> {
        let mut message = self.reply();
        message.metadata.truncation = true;
        message.to_vec().unwrap()
    }
}

fn number(name: &str) -> u32 {
    let digits: String = name
        .chars()
        .skip_while(|char| !char.is_ascii_digit())
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().unwrap_or(0)
}

fn name(text: &str) -> Name {
    Name::from_labels(text.split('.').map(str::as_bytes)).unwrap()
}

pub(super) fn four(number: u32) -> IpAddr {
    Ipv4Addr::from(0x0a00_0000 | number).into()
}

pub(super) fn six(number: u32) -> IpAddr {
    Ipv6Addr::from(0x2a00 << 112 | u128::from(number)).into()
}

pub(super) fn address(owner: &str, ttl: u32, ip: IpAddr) -> Record {
    let data = match ip {
        IpAddr::V4(ip) => RData::A(A(ip)),
        IpAddr::V6(ip) => RData::AAAA(AAAA(ip)),
    };
    Record::from_rdata(name(owner), ttl, data)
}

pub(super) fn a(owner: &str, ttl: u32, number: u32) -> Record {
    address(owner, ttl, four(number))
}

pub(super) fn aaaa(owner: &str, ttl: u32, number: u32) -> Record {
    address(owner, ttl, six(number))
}

pub(super) fn cname(owner: &str, ttl: u32, target: &str) -> Record {
    Record::from_rdata(name(owner), ttl, RData::CNAME(CNAME(name(target))))
}

pub(super) fn soa(minimum: u32) -> Record {
    let soa = SOA::new(name("ns.example"), name("admin.example"), 1, 2, 3, 4, minimum);
    Record::from_rdata(name("example"), 3600, RData::SOA(soa))
}

pub(super) fn nothing(asked: &Asked) -> Vec<u8> {
    asked.negative(ResponseCode::NoError, &[soa(30)])
}

/// A server that does anything, but never says an address that is not the name's.
pub(super) fn chaos(seed: u64) -> impl FnMut(&Asked) -> Vec<Reply> {
    let mut random = Chance(seed.wrapping_mul(0x9e37_79b9) | 1);
    move |asked| {
        let number = asked.number();
        let good = asked.answer(&[a(&asked.name, 60, number), aaaa(&asked.name, 60, number)]);
        let wait = Duration::from_millis(random.below(3) * random.below(1500));
        let message = match random.below(16) {
            0 => return Vec::new(),
            1 => return vec![Reply::Close(wait)],
            2 => return vec![Reply::after(wait, good.clone()), Reply::after(2 * wait, good)],
            3 => asked.code(ResponseCode::ServFail),
            4 => asked.code(ResponseCode::FormErr),
            5 => asked.code(ResponseCode::NXDomain),
            6 => asked.truncated(),
            7 => asked.with_id(random.below(1 << 16) as u16).answer(&[a(&asked.name, 60, number)]),
            8 => asked.about("other.example").answer(&[a("other.example", 60, 666)]),
            9 => good[..random.below(good.len() as u64) as usize].to_vec(),
            10 => asked.answer(&[cname(&asked.name, 9, &format!("m{number}.example"))]),
            11 => asked.answer(&[cname(&asked.name, 9, &asked.name)]),
            12 => nothing(asked),
            _ => good,
        };
        vec![Reply::after(wait, message)]
    }
}

struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Opened(u64),
    Failed(u64),
    Received(u64, Vec<u8>),
}

/// A look-up that is over.
pub(super) struct Done {
    pub(super) host: String,
    pub(super) number: u32,
    pub(super) at: Time,
    pub(super) result: Result<Found, NameError>,
}

pub(super) struct World {
    pub(super) names: Names,
    pub(super) config: NamesConfig,
    pub(super) now: Time,
    servers: HashMap<SocketAddr, Server>,
    /// One packet of so many is lost, each way together.
    pub(super) loss: u64,
    /// Sockets that cannot be opened.
    pub(super) exhausted: usize,
    /// The family that is tried first.
    pub(super) first: Kind,
    chance: Chance,
    events: BinaryHeap<std::cmp::Reverse<(Time, u64, Event)>>,
    sequence: u64,
    open: HashMap<u64, (SocketAddr, Transport, Vec<u8>)>,
    hosts: HashMap<LookupId, String>,
    done: Vec<Done>,
    /// How often a look-up was told that there is no socket for it.
    pub(super) starved: usize,
    pub(super) later: Vec<(Host, Found)>,
    /// Queries by name and family.
    pub(super) asked: HashMap<(String, RecordType), usize>,
    pub(super) per_server: BTreeMap<SocketAddr, usize>,
    pub(super) most_in_flight: usize,
    pub(super) udp_opened: usize,
    pub(super) tcp_opened: usize,
}

impl World {
    pub(super) const START: Time = Time::from_nanos(1_000_000_000 << 4);

    pub(super) fn new(seed: u64) -> World {
        let mut bytes = [7; 32];
        bytes[..8].copy_from_slice(&seed.to_be_bytes());
        let conf = Conf { servers: Vec::new(), ..Conf::default() };
        let config = NamesConfig { conf, ..NamesConfig::default() };
        World {
            names: Names::new(config.clone(), bytes),
            config,
            now: World::START,
            servers: HashMap::new(),
            loss: 0,
            exhausted: 0,
            first: Kind::Aaaa,
            chance: Chance(seed.wrapping_mul(0x1234_5678_9abc_def1) | 1),
            events: BinaryHeap::new(),
            sequence: 0,
            open: HashMap::new(),
            hosts: HashMap::new(),
            done: Vec::new(),
            starved: 0,
            later: Vec::new(),
            asked: HashMap::new(),
            per_server: BTreeMap::new(),
            most_in_flight: 0,
            udp_opened: 0,
            tcp_opened: 0,
        }
    }

    /// Adds a server after those that there are.
    pub(super) fn add_server(&mut self, server: impl FnMut(&Asked) -> Vec<Reply> + 'static) {
        let address = SocketAddr::from(([192, 0, 2, self.servers.len() as u8 + 1], 53));
        self.servers.insert(address, Box::new(server));
        self.config.conf.servers.push(address);
        self.reconfigure();
    }

    /// The first server.
    pub(super) fn serve(&mut self, server: impl FnMut(&Asked) -> Vec<Reply> + 'static) {
        self.add_server(server);
    }

    pub(super) fn reconfigure(&mut self) {
        self.names.set_config(self.config.clone(), self.now);
        self.act();
    }

    pub(super) fn start(&mut self, host: &str) -> LookupId {
        let url = url::Url::parse(&format!("http://{host}/")).unwrap();
        let origin = Origin::from_url(&url).unwrap();
        let lookup = LookupId::from_bits(self.hosts.len() as u64);
        self.hosts.insert(lookup, host.to_owned());
        self.names.start(lookup, origin.host(), self.first, self.now);
        lookup
    }

    /// Until all look-ups are over: those that have become so.
    pub(super) fn run(&mut self) -> Vec<Done> {
        self.act();
        while self.names.by_lookup.values().next().is_some() {
            assert!(self.now.since(World::START) < Duration::from_secs(3600), "no end");
            assert!(self.step(Time::NEVER), "nothing will happen any more");
        }
        std::mem::take(&mut self.done)
    }

    pub(super) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        self.act();
        while self.step(end) {}
        self.now = end;
    }

    /// Look-ups that have become so and were not taken by `run`.
    pub(super) fn over(&self) -> usize {
        self.done.len()
    }

    pub(super) fn packets(&self) -> usize {
        self.asked.values().sum()
    }

    pub(super) fn sockets(&self) -> usize {
        self.open.len()
    }

    pub(super) fn stats(&self) -> NameStats {
        self.names.stats()
    }

    /// Once nobody asks, nothing is left but sockets, and those not for long.
    pub(super) fn is_clean(&mut self) {
        self.run_for(Duration::from_secs(90));
        assert_eq!(self.stats().lookups, 0);
        assert!(self.names.by_lookup.is_empty());
        assert!(self.names.servers.iter().all(|server| server.is_idle()), "a server has something");
        assert_eq!((self.open.len(), self.stats().open), (0, 0));
        assert_eq!(self.names.timers.len(), 0);
        assert_eq!(self.names.poll_want(), None);
    }

    /// To the next thing that happens, if that is before `end`.
    fn step(&mut self, end: Time) -> bool {
        let event = self.events.peek().map(|event| event.0.0);
        let next = [event, self.names.next_time()].into_iter().flatten().min();
        let Some(next) = next.filter(|&next| next <= end) else { return false };
        self.now = self.now.max(next);
        while let Some(std::cmp::Reverse((at, ..))) = self.events.peek()
            && *at <= self.now
            && let Some(std::cmp::Reverse((_, _, event))) = self.events.pop()
        {
            self.happen(event);
        }
        self.names.expire(self.now);
        self.act();
        true
    }

    fn happen(&mut self, event: Event) {
        let (now, names) = (self.now, &mut self.names);
        match event {
            Event::Opened(id) => names.opened(ChannelId::from_bits(id)),
            Event::Failed(id) => {
                if let Some((_, transport, _)) = self.open.remove(&id) {
                    match transport {
                        Transport::Udp => names.failed(
                            ChannelId::from_bits(id),
                            Failure::Refused("closed".to_owned()),
                            now,
                        ),
                        Transport::Tcp => names.ended(ChannelId::from_bits(id), now),
                    }
                }
            }
            Event::Received(id, bytes) => match self.open.get(&id) {
                Some((_, Transport::Udp, _)) => {
                    names.received(ChannelId::from_bits(id), &bytes, now)
                }
                Some((_, Transport::Tcp, _)) => {
                    let (first, second) =
                        bytes.split_at(self.chance.below(bytes.len() as u64 + 1) as usize);
                    names.received(ChannelId::from_bits(id), first, now);
                    names.received(ChannelId::from_bits(id), second, now);
                }
                None => {}
            },
        }
    }

    fn later(&mut self, after: Duration, event: Event) {
        self.sequence += 1;
        self.events.push(std::cmp::Reverse((self.now + after, self.sequence, event)));
    }

    fn act(&mut self) {
        while let Some(want) = self.names.poll_want() {
            match want {
                Want::Open { channel, server, transport } => self.open(channel, server, transport),
                Want::Send { channel } => self.send(channel),
                Want::Close { channel } => {
                    self.open.remove(&channel.to_bits()).expect("only what is open is closed");
                }
                Want::Found { lookup, result } => {
                    let host = self.hosts[&lookup].clone();
                    let number = number(&host);
                    self.done.push(Done { host, number, at: self.now, result });
                }
                Want::Slow { .. } => {}
                Want::Starved { .. } => self.starved += 1,
                Want::Later { host, found, .. } => {
                    self.later.extend(found.map(|found| (host, found)))
                }
            }
        }
    }

    fn open(&mut self, channel: ChannelId, server: SocketAddr, transport: Transport) {
        if self.exhausted > 0 {
            self.exhausted -= 1;
            return self.names.failed(channel, Failure::Exhausted, self.now);
        }
        assert_eq!(self.names.channel(channel), Some((server, transport)));
        let opened = match transport {
            Transport::Udp => &mut self.udp_opened,
            Transport::Tcp => &mut self.tcp_opened,
        };
        *opened += 1;
        self.open.insert(channel.to_bits(), (server, transport, Vec::new()));
        let after =
            if transport == Transport::Tcp { Duration::from_millis(1) } else { Duration::ZERO };
        self.later(after, Event::Opened(channel.to_bits()));
    }

    fn send(&mut self, channel: ChannelId) {
        let mut out = [0; 600];
        while self.names.wants_send(channel) {
            let filled = self.names.fill(channel, &mut out);
            let in_flight: usize =
                self.names.servers.iter().map(|server| server.in_flight).max().unwrap_or(0);
            self.most_in_flight = self.most_in_flight.max(in_flight);
            let (server, transport, buffer) = self.open.get_mut(&channel.to_bits()).expect("open");
            let (server, transport) = (*server, *transport);
            match transport {
                Transport::Udp => self.deliver(channel, server, transport, &out[..filled]),
                Transport::Tcp => {
                    buffer.extend_from_slice(&out[..filled]);
                    let mut stream = std::mem::take(buffer);
                    while let Some((length, rest)) = stream.split_first_chunk::<2>() {
                        let length = usize::from(u16::from_be_bytes(*length));
                        let message = rest[..length].to_vec();
                        stream = rest[length..].to_vec();
                        self.deliver(channel, server, transport, &message);
                    }
                }
            }
        }
    }

    fn deliver(
        &mut self,
        channel: ChannelId,
        server: SocketAddr,
        transport: Transport,
        message: &[u8],
    ) {
        let asked = Asked::of(message, transport == Transport::Tcp, channel.to_bits());
        assert!(message.len() <= limits::DNS_PAYLOAD.into());
        *self.asked.entry((asked.name.clone(), asked.kind)).or_default() += 1;
        *self.per_server.entry(server).or_default() += 1;
        if transport == Transport::Udp && self.loss > 0 && self.chance.below(self.loss) == 0 {
            return;
        }
        let replies = self.servers.get_mut(&server).expect("a server of the config")(&asked);
        for reply in replies {
            match reply {
                Reply::Close(after) => self.later(after, Event::Failed(channel.to_bits())),
                Reply::Message(after, mut message) => {
                    if transport == Transport::Tcp {
                        message = [&(message.len() as u16).to_be_bytes(), &message[..]].concat();
                    }
                    self.later(after, Event::Received(channel.to_bits(), message));
                }
            }
        }
    }
}
