//! Large bodies that never end beside small requests, and transfers that are paused: how much of the driver each gets.

use std::cell::Cell;
use std::io::Write;
use std::net::TcpStream;
use std::rc::Rc;
use std::time::{Duration, Instant};

use ringdove::driver::Kind;
use ringdove::sys::count::{self, Counter};
use ringdove::{Flow, Handler, Request, TransferId};

use crate::in_step::{Server, heard};
use crate::run::{Run, on_every_driver};

on_every_driver! {
    endless_bodies_hold_up_nobody,
    paused_transfers_hold_nothing_and_cost_nothing,
}

const BODIES: usize = 8;

const A_WHILE: Duration = Duration::from_millis(50);

/// Turns from the arrival of a small answer to its delivery: where large bodies have all the ring's buffers, it gets one
/// in the turn after.
const TURNS: u32 = 2;

/// Bytes of endless bodies that a driver may take in meanwhile: eight receives of 64 KiB each in a turn, or the 64 buffers
/// of 32 KiB that the ring has for few streams.
const MOST_BYTES: u64 = 4 * 1024 * 1024;

/// Bytes that never end, as many as the sockets take.
struct Flood {
    streams: Vec<TcpStream>,
    transfers: Vec<TransferId>,
    /// What arrived of all of them.
    arrived: Rc<Cell<u64>>,
}

/// Counts.
struct Arrivals(Rc<Cell<u64>>);

impl Handler for Arrivals {
    fn body(&mut self, chunk: &[u8]) -> Flow {
        self.0.set(self.0.get() + chunk.len() as u64);
        Flow::Continue
    }
}

impl Flood {
    fn start(server: &Server, run: &mut Run) -> Flood {
        let arrived = Rc::new(Cell::new(0));
        let mut flood = Flood { streams: Vec::new(), transfers: Vec::new(), arrived };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 1_u64 << 50);
        for _ in 0..BODIES {
            let request = Request::get(&server.url("/flood")).expect("a good URL");
            let handler = Box::new(Arrivals(Rc::clone(&flood.arrived)));
            flood.transfers.push(run.driver.add(request, handler).expect("it can be added"));
            let mut stream = server.accept(run);
            stream.write_all(head.as_bytes()).expect("the socket takes it");
            flood.streams.push(stream);
        }
        let heads = (BODIES * head.len()) as u64;
        run.turn_until("all heads", |run| run.driver.stats().received >= heads);
        flood
    }

    /// Fills all sockets, then has the driver take a turn.
    fn turn(&mut self, run: &mut Run) {
        for stream in &mut self.streams {
            while let Ok(1..) = stream.write(&[7; 64 * 1024]) {}
        }
        run.turn(Duration::ZERO);
    }

    fn end(self, run: &mut Run) {
        self.transfers.into_iter().for_each(|id| drop(run.driver.remove(id).expect("it runs")));
    }
}

fn endless_bodies_hold_up_nobody(kind: Kind) {
    let server = Server::start();
    let mut run = Run::new(kind);
    let mut transfer = run.get(&server.url("/small"));
    let mut small = server.accept(&mut run);
    let mut flood = Flood::start(&server, &mut run);
    let mut waited = Vec::new();
    loop {
        small.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nsmall").expect("writes");
        let before = flood.arrived.get();
        let delivered = (0..TURNS).any(|_| {
            flood.turn(&mut run);
            transfer.is_done()
        });
        assert!(delivered, "more than {TURNS} turns");
        transfer.assert_response(200, b"small");
        waited.push(flood.arrived.get() - before);
        if waited.len() == 100 {
            break;
        }
        transfer = run.get(&server.url("/small"));
        let asked = (0..1000).any(|_| {
            flood.turn(&mut run);
            heard(&mut small)
        });
        assert!(asked, "no request comes");
    }
    assert!(waited.iter().all(|bytes| (1..=MOST_BYTES).contains(bytes)), "{waited:?}");
    flood.end(&mut run);
}

fn paused_transfers_hold_nothing_and_cost_nothing(kind: Kind) {
    let server = Server::start();
    let mut run = Run::new(kind);
    let mut flood = Flood::start(&server, &mut run);
    // first before anything of the bodies comes, then as they flow
    for most in [0, MOST_BYTES, MOST_BYTES] {
        let before = flood.arrived.get();
        run.turn_until("they flow", |run| {
            if most > 0 {
                flood.turn(run);
            }
            flood.arrived.get() >= before + most
        });
        flood.transfers.iter().for_each(|&id| run.driver.pause(id).expect("it runs"));
        let received = run.driver.stats().received;
        // what the kernel had received before it heard of the pause
        run.turn(Duration::ZERO);
        for _ in 0..5 {
            flood.turn(&mut run);
        }
        let settled = run.driver.stats().received;
        assert!(settled - received <= most, "{} bytes came", settled - received);
        let (before, start) = (count::snapshot(), Instant::now());
        let turns = (1..).find(|_| {
            run.turn(A_WHILE);
            start.elapsed() >= 3 * A_WHILE
        });
        assert!(turns <= Some(6), "{turns:?} turns for nothing");
        assert_eq!(run.driver.stats().received, settled);
        let counts = count::snapshot().since(&before);
        for work in [Counter::Sqes, Counter::Cqes, Counter::Recv, Counter::EpollCtl] {
            assert_eq!(counts.get(work), 0, "{counts:?}");
        }
        if let Some(held) = run.driver.ring_in_use() {
            assert_eq!((held.buffers, held.slots), (0, 0), "{held:?}");
        }
        flood.transfers.iter().for_each(|&id| run.driver.resume(id).expect("it runs"));
    }
    flood.end(&mut run);
}
