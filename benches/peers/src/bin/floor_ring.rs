//! The least that a client on io_uring can do: canned requests with SEND, responses through a
//! multishot RECV into provided buffers, direct descriptors, one system call per batch.
//!
//! A connection is opened by one linked chain, SOCKET → CONNECT → SEND → RECV, of which all but the
//! RECV are silent unless they fail; then the first that fails is the only completion of the chain.
//! Without keep-alive the chain of the next request begins with the CLOSE of the last one, and its
//! RECV is single-shot, since it would otherwise outlive the descriptor.

use std::alloc::{Layout, alloc_zeroed, handle_alloc_error};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddrV4;
use std::process::ExitCode;
use std::ptr;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::{BufRingEntry, DestinationSlot, Fixed};
use io_uring::{IoUring, cqueue, opcode, squeue};
use ringdove_peers::canned::{self, Exchange, GOOD};
use ringdove_peers::{Failure, Meter, Plan, process};

const SUBMISSIONS: u32 = 4096;
const GROUP: u16 = 0;

fn main() -> ExitCode {
    ringdove_peers::run("floor_ring", env!("PEER_IO_URING_VERSION"), |plan, meter| {
        let exchanges = canned::exchanges(&plan, &meter)?;
        // Leaked: the kernel may still read and write what operations point to while it takes the
        // ring down, which is after the process has ended.
        Floor::new(&plan, &meter, exchanges.leak())?.run()
    })
}

struct Floor<'a> {
    plan: &'a Plan,
    meter: &'a Meter,
    exchanges: &'static [Exchange],
    addresses: &'static [libc::sockaddr_in],
    ring: IoUring,
    buffers: ProvidedBuffers,
    connections: Vec<Connection>,
    /// The next to be used is in front.
    idle: VecDeque<u32>,
}

#[derive(Clone, Copy, Default)]
struct Connection {
    /// There is a socket in the slot.
    open: bool,
    /// A request is under way.
    busy: bool,
    received: usize,
}

/// What an operation was for; with the slot it is the user data.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Close,
    Socket,
    Connect,
    /// Within the opening chain.
    FirstSend,
    Send,
    Receive,
}

impl<'a> Floor<'a> {
    fn new(
        plan: &'a Plan,
        meter: &'a Meter,
        exchanges: &'static [Exchange],
    ) -> Result<Self, Failure> {
        let slots = plan.open_connections();
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_submit_all()
            .setup_no_sqarray()
            .setup_cqsize(SUBMISSIONS * 8)
            .build(SUBMISSIONS)?;
        ring.submitter().register_ring_fd()?;
        ring.submitter().register_files_sparse(slots as u32)?;
        let largest = exchanges.iter().map(|exchange| exchange.response_bytes).max();
        let buffers = ProvidedBuffers::register(&ring, largest.unwrap_or(0), slots)?;
        let addresses: Vec<_> = exchanges.iter().map(|exchange| raw(exchange.address)).collect();
        Ok(Self {
            plan,
            meter,
            exchanges,
            addresses: addresses.leak(),
            ring,
            buffers,
            connections: vec![Connection::default(); slots],
            idle: (0..slots as u32).collect(),
        })
    }

    fn run(&mut self) -> Result<(), Failure> {
        for _ in 0..self.plan.connections {
            self.start_next()?;
        }
        let mut completions = Vec::with_capacity(SUBMISSIONS as usize * 8);
        while !self.meter.finished() && !process::expired() {
            match self.ring.submit_and_wait(1) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            }
            completions.extend(self.ring.completion());
            for completion in completions.drain(..) {
                self.on_completion(&completion)?;
            }
            self.buffers.publish();
        }
        Ok(())
    }

    fn start_next(&mut self) -> io::Result<()> {
        if self.meter.claim().is_none() {
            return Ok(());
        }
        let slot = self.idle.pop_front().expect("as many slots as requests in flight");
        let connection = &mut self.connections[slot as usize];
        let reuse = connection.open && self.plan.keepalive;
        *connection = Connection { open: connection.open, busy: true, received: 0 };
        if reuse {
            let send = self.send(slot).user_data(token(Kind::Send, slot));
            return self.push(&[send.flags(squeue::Flags::SKIP_SUCCESS)]);
        }
        self.open(slot)
    }

    fn open(&mut self, slot: u32) -> io::Result<()> {
        let occupied = std::mem::replace(&mut self.connections[slot as usize].open, true);
        let destination = DestinationSlot::try_from_slot_target(slot).expect("a small number");
        let socket = opcode::Socket::new(libc::AF_INET, libc::SOCK_STREAM, 0);
        let address = &raw const self.addresses[slot as usize % self.addresses.len()];
        let address_bytes = size_of::<libc::sockaddr_in>() as u32;
        let silent = |kind, entry: squeue::Entry| {
            let flags = squeue::Flags::IO_LINK | squeue::Flags::SKIP_SUCCESS;
            entry.flags(flags).user_data(token(kind, slot))
        };
        let chain = [
            silent(Kind::Close, opcode::Close::new(Fixed(slot)).build()),
            silent(Kind::Socket, socket.file_index(Some(destination)).build()),
            silent(
                Kind::Connect,
                opcode::Connect::new(Fixed(slot), address.cast(), address_bytes).build(),
            ),
            silent(Kind::FirstSend, self.send(slot)),
            self.receive(slot),
        ];
        self.push(if occupied { &chain } else { &chain[1..] })
    }

    fn send(&self, slot: u32) -> squeue::Entry {
        let request = &self.exchanges[slot as usize % self.exchanges.len()].request;
        opcode::Send::new(Fixed(slot), request.as_ptr(), request.len() as u32)
            .flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL)
            .build()
    }

    fn receive(&self, slot: u32) -> squeue::Entry {
        let entry = if self.plan.keepalive {
            opcode::RecvMulti::new(Fixed(slot), GROUP).build()
        } else {
            opcode::Recv::new(Fixed(slot), ptr::null_mut(), 0)
                .buf_group(GROUP)
                .build()
                .flags(squeue::Flags::BUFFER_SELECT)
        };
        entry.user_data(token(Kind::Receive, slot))
    }

    /// Entries of one chain: they are submitted together.
    fn push(&mut self, entries: &[squeue::Entry]) -> io::Result<()> {
        let room = {
            let queue = self.ring.submission();
            queue.capacity() - queue.len()
        };
        if room < entries.len() {
            self.ring.submit()?;
        }
        // SAFETY: requests and addresses are leaked; received bytes go to provided buffers, which
        // are leaked too.
        unsafe { self.ring.submission().push_multiple(entries) }.map_err(io::Error::other)
    }

    fn on_completion(&mut self, completion: &cqueue::Entry) -> io::Result<()> {
        let (kind, slot) = split(completion.user_data());
        let result = completion.result();
        match kind {
            // Closed and opened again only as the answer to the end of the RECV, which follows.
            Kind::Send => Ok(()),
            Kind::Close | Kind::Socket => {
                self.connections[slot as usize].open = false;
                self.fail(slot, result)
            }
            Kind::Connect | Kind::FirstSend => self.fail(slot, result),
            Kind::Receive => self.on_receive(slot, result, completion.flags()),
        }
    }

    fn on_receive(&mut self, slot: u32, result: i32, flags: u32) -> io::Result<()> {
        let armed = cqueue::more(flags);
        let received = match usize::try_from(result) {
            Ok(0) => return self.fail(slot, -libc::ECONNRESET),
            Ok(received) => received,
            Err(_) if result == -libc::ENOBUFS => {
                self.buffers.publish();
                return self.push(&[self.receive(slot)]);
            }
            Err(_) => return self.fail(slot, result),
        };
        let connection = &mut self.connections[slot as usize];
        let first = connection.received == 0;
        connection.received += received;
        let expected = self.exchanges[slot as usize % self.exchanges.len()].response_bytes;
        let (total, busy) = (connection.received, connection.busy);
        let buffer = cqueue::buffer_select(flags).expect("a RECV with data has a buffer");
        let good = busy
            && total <= expected
            && (!first || self.buffers.bytes(buffer, received).starts_with(GOOD));
        self.buffers.give_back(buffer);
        if !good {
            self.meter.failure("not the response that was expected");
            return Err(io::Error::other("the server does not keep to the canned response"));
        }
        if !armed && (self.plan.keepalive || total < expected) {
            self.push(&[self.receive(slot)])?;
        }
        if total == expected {
            self.meter.success();
            self.release(slot)?;
        }
        Ok(())
    }

    /// The connection is of no use any more, and nothing of it is under way.
    fn fail(&mut self, slot: u32, result: i32) -> io::Result<()> {
        if !self.connections[slot as usize].busy {
            // An idle connection was closed by the server: it is opened again for the next request.
            return self.close(slot);
        }
        self.meter.failure(io::Error::from_raw_os_error(-result));
        if self.plan.keepalive {
            self.close(slot)?;
        }
        self.release(slot)
    }

    fn close(&mut self, slot: u32) -> io::Result<()> {
        if !std::mem::take(&mut self.connections[slot as usize].open) {
            return Ok(());
        }
        let close = opcode::Close::new(Fixed(slot)).build().flags(squeue::Flags::SKIP_SUCCESS);
        self.push(&[close.user_data(token(Kind::Close, slot))])
    }

    fn release(&mut self, slot: u32) -> io::Result<()> {
        self.connections[slot as usize].busy = false;
        self.idle.push_back(slot);
        self.start_next()
    }
}

/// A ring of buffers that the kernel takes from for each RECV.
struct ProvidedBuffers {
    ring: *mut BufRingEntry,
    bytes: *mut u8,
    buffer_bytes: usize,
    entries: u16,
    tail: u16,
}

impl ProvidedBuffers {
    /// As many as there are connections where responses are small, so that all may answer at once.
    /// Where they are large, few enough to stay in the cache: they are used in turn, all of them.
    fn register(ring: &IoUring, response_bytes: usize, connections: usize) -> io::Result<Self> {
        let (buffer_bytes, entries) = if response_bytes <= 16 << 10 {
            let wanted = connections.next_power_of_two().clamp(256, 1 << 15) as u16;
            (response_bytes.next_power_of_two().max(512), wanted)
        } else {
            (64 << 10, 2 * connections.next_power_of_two().clamp(8, 128) as u16)
        };
        let mut buffers = Self {
            ring: allocate(size_of::<BufRingEntry>() * usize::from(entries)).cast(),
            bytes: allocate(buffer_bytes * usize::from(entries)),
            buffer_bytes,
            entries,
            tail: 0,
        };
        // SAFETY: the ring is page-aligned, has as many entries, and is never freed.
        unsafe {
            ring.submitter().register_buf_ring_with_flags(buffers.ring as u64, entries, GROUP, 0)
        }?;
        for id in 0..entries {
            buffers.give_back(id);
        }
        buffers.publish();
        Ok(buffers)
    }

    /// What the kernel has received into a buffer that it has handed over.
    fn bytes(&self, id: u16, length: usize) -> &[u8] {
        assert!(id < self.entries && length <= self.buffer_bytes);
        // SAFETY: within the allocation; the kernel has handed over the buffer and does not touch
        // it again before `publish`, which needs `&mut self`.
        unsafe {
            std::slice::from_raw_parts(self.bytes.add(usize::from(id) * self.buffer_bytes), length)
        }
    }

    fn give_back(&mut self, id: u16) {
        assert!(id < self.entries);
        let index = usize::from(self.tail & (self.entries - 1));
        // SAFETY: both are within their allocations; the kernel reads entries before the published
        // tail alone, and this is the one after the last.
        unsafe {
            let entry = &mut *self.ring.add(index);
            entry.set_addr(self.bytes.add(usize::from(id) * self.buffer_bytes) as u64);
            entry.set_len(self.buffer_bytes as u32);
            entry.set_bid(id);
        }
        self.tail = self.tail.wrapping_add(1);
    }

    fn publish(&mut self) {
        // SAFETY: the tail is in the first entry, aligned for u16, and shared with the kernel, which
        // only reads it.
        let tail = unsafe { AtomicU16::from_ptr(BufRingEntry::tail(self.ring).cast_mut()) };
        tail.store(self.tail, Ordering::Release);
    }
}

/// Page-aligned memory for the kernel, never freed.
fn allocate(bytes: usize) -> *mut u8 {
    let layout = Layout::from_size_align(bytes, 4096).expect("some megabytes");
    // SAFETY: the size is not zero.
    let memory = unsafe { alloc_zeroed(layout) };
    if memory.is_null() {
        handle_alloc_error(layout);
    }
    memory
}

fn raw(address: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr { s_addr: address.ip().to_bits().to_be() },
        sin_zero: [0; 8],
    }
}

const KINDS: [Kind; 6] =
    [Kind::Close, Kind::Socket, Kind::Connect, Kind::FirstSend, Kind::Send, Kind::Receive];

fn token(kind: Kind, slot: u32) -> u64 {
    (kind as u64) << 32 | u64::from(slot)
}

fn split(token: u64) -> (Kind, u32) {
    (KINDS[(token >> 32) as usize], token as u32)
}
