//! Connections whose every operation is the ring's: opened, sent on, received from and closed by SQEs. (What no SQE does
//! without the risk of a wait is done by system calls: binding a socket, and connecting a Unix socket.)
//!
//! Knows which memory each operation lends to the kernel and for how long (`docs/ring-ownership.md`). Must not
//! know what the bytes mean. Invariants: commands change what is wanted, and what follows is pushed at once or,
//! if the queue has no room, before the next wait; a provided buffer is lent for one event and goes back with
//! the next; a send's memory is given back at its CQE, or at the notification of a send without copy; what could
//! not be brought to rest is leaked.

mod entry;
mod event;
mod trial;

use std::collections::VecDeque;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use io_uring::{cqueue, squeue};

use super::buffers::{BufferId, BufferRing, Buffers};
use super::clock;
use super::closes;
use super::count::{self, Counter};
use super::errno::Errno;
use super::file::{FileDone, FileOp};
use super::files::Files;
use super::leases::ReceiveBuffers;
use super::op::{self, Op};
use super::patience::Patience;
use super::readiness::Interest;
use super::ring::{Cqe, DROP_PATIENCE, InUse, Options, Report, Ring, SetupError, ZeroCopy};
use super::slots::{LoanId, SendSlot, SendSlots};
use super::socket::Refused;
use super::stream::{Fact, Heard, Recv, Send, Socket, Stream, Want};
use super::token::{Kind, Token};
use crate::dial::{Dial, Transport};
use crate::id::{Id, Slab};
use crate::limits;
use crate::time::Time;
use entry::{
    Copies, consider_zero_copy, make_socket, needs_system_calls, push_chain, recv_op, send_op,
    send_token,
};
use trial::Found;

pub use super::socket::Step;
pub use entry::Entry;
pub use event::{Event, StreamEvent};

/// What a [`Streams`] has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Streams: places in the table of direct descriptors. At most RLIMIT_NOFILE.
    pub streams: u32,
    /// What is received into.
    pub buffers: Buffers,
}

/// The name of a stream, until it is closed.
pub type StreamId = Id<Entry>;

/// Many connections on one ring.
///
/// * Commands: [`open`](Streams::open), [`reopen`](Streams::reopen), [`send`](Streams::send),
///   [`set_recv`](Streams::set_recv), [`close`](Streams::close), [`watch`](Streams::watch).
/// * The turn: [`submit_and_wait`](Streams::submit_and_wait), then [`take_event`](Streams::take_event) until there
///   is none.
/// * The end: [`shutdown`](Streams::shutdown), or drop.
pub struct Streams {
    ring: Ring,
    entries: Slab<Entry>,
    /// CQEs owed for all streams together.
    owed: usize,
    /// Streams that the caller has closed.
    closed: usize,
    /// Streams that want operations for which the queue had no room.
    unsettled: Vec<StreamId>,
    /// A CLOSE was pushed that the kernel may not have seen: the place that it empties is not to be filled yet.
    closing: bool,
    /// Streams that wait for a buffer, in that order; closed ones among them.
    queue: VecDeque<StreamId>,
    /// Closed streams that wait for notifications, and until when, in that order; streams that are gone among them.
    lingering: VecDeque<(Time, StreamId)>,
    buffers: Option<BufferRing>,
    slots: Option<SendSlots>,
    files: Box<Files>,
    /// The kernel was told how many workers it may have for them.
    has_workers: bool,
    /// The buffer lent with the last event.
    lent: Option<BufferId>,
    /// Whose piece that is, if it receives in pieces: whether it goes on is for whoever looks at it to say.
    piece: Option<StreamId>,
    room: Room,
    /// Counts waits, wrapping.
    turn: u32,
    /// Options of sockets can be set by an operation.
    sets_options: bool,
    /// What is closed is let go of when what is older is over.
    closes_late: bool,
    /// Closes since receives were begun anew, where that is so.
    held: usize,
    zero_copy: ZeroCopy,
    patience: Duration,
}

/// The one buffer group.
const GROUP: u16 = 0;

/// SQEs of the longest chain: SOCKET, URING_CMD, CONNECT, LINK_TIMEOUT, SEND, RECV.
const CHAIN: u32 = 6;

impl Streams {
    /// A ring of the calling thread, with room for streams.
    ///
    /// # Errors
    ///
    /// When io_uring is refused, or too old for what is done here: multishot receives into provided buffers by
    /// direct descriptors want Linux 6.0.
    pub fn new(options: &Options, room: Room) -> Result<Streams, SetupError> {
        let mut ring = Ring::new(options)?;
        if !ring.io_uring().params().is_feature_skip_cqe_on_success() {
            return Err(SetupError::Lacks("IORING_FEAT_CQE_SKIP (Linux 5.17)"));
        }
        let registered = |what| move |errno| SetupError::Registration(what, errno);
        count::add(Counter::RingRegister, 1);
        ring.io_uring()
            .submitter()
            .register_files_sparse(room.streams)
            .map_err(|error| registered("FILES2 (direct descriptors)")(error.into()))?;
        let buffers = BufferRing::register(ring.io_uring(), GROUP, room.buffers)
            .map_err(registered("PBUF_RING (provided buffers)"))?;
        let Found { sets_options, zero_copy } = trial::run(&mut ring, options.zero_copy)?;
        // alone it waits for nobody
        let may_wait = room.streams >= closes::PLACES;
        let closes_late = options.closes_late || may_wait && closes::are_late(&mut ring)?;
        let zero_copy = match zero_copy {
            // who does not read could be reset, but too late
            ZeroCopy::Auto if closes_late => ZeroCopy::Never,
            zero_copy => zero_copy,
        };
        Ok(Streams {
            ring,
            entries: Slab::new(),
            owed: 0,
            closed: 0,
            unsettled: Vec::new(),
            closing: false,
            queue: VecDeque::new(),
            lingering: VecDeque::new(),
            buffers: Some(buffers),
            slots: Some(SendSlots::new()),
            files: Box::default(),
            has_workers: false,
            lent: None,
            piece: None,
            room,
            turn: 0,
            sets_options,
            closes_late,
            held: 0,
            zero_copy,
            patience: DROP_PATIENCE,
        })
    }

    /// What the kernel gave of what was asked for.
    pub fn report(&self) -> &Report {
        self.ring.report()
    }

    /// What there is room for.
    pub fn room(&self) -> Room {
        self.room
    }

    /// Whether TCP_NODELAY is set on the ring (Linux 6.7).
    pub fn sets_nodelay(&self) -> bool {
        self.sets_options
    }

    /// Whether the kernel lets go of a socket that is closed only when all operations are over that were begun before, on
    /// whichever stream (before Linux 6.13). Peers are told of the end by a SHUTDOWN there, and receives are
    /// begun anew now and then.
    pub fn closes_late(&self) -> bool {
        self.closes_late
    }

    /// When large sends go without a copy: never where the kernel has no such sends.
    pub fn zero_copy(&self) -> ZeroCopy {
        self.zero_copy
    }

    /// Streams whose memory is still held: open, or closed but owed CQEs.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// CQEs that the kernel has yet to post or the caller to take.
    pub fn owed(&self) -> usize {
        self.owed + self.lent() + self.files.owed() + self.ring.owed()
    }

    /// What its streams and polls hold.
    pub fn in_use(&self) -> InUse {
        InUse {
            streams: self.len(),
            owed: self.owed(),
            buffers: self.buffers_held(),
            slots: self.slots_taken(),
            files: self.files.owed(),
            ..self.ring.in_use()
        }
    }

    /// For whoever keeps what it receives.
    pub fn receive_buffers(&self) -> ReceiveBuffers {
        self.buffers.as_ref().map(BufferRing::receive_buffers).unwrap_or_default()
    }

    /// Provided buffers in use: lent, or in completions not yet taken.
    pub fn buffers_held(&self) -> usize {
        self.buffers.as_ref().map_or(0, |buffers| buffers.taken().into())
            + self.ring.buffers_reaped()
    }

    /// Send slots that hold bytes to be sent, or sent bytes that the kernel still holds.
    pub fn slots_taken(&self) -> usize {
        self.slots.as_ref().map_or(0, SendSlots::taken)
    }

    /// Notifications of sends without a copy that are to come.
    fn lent(&self) -> usize {
        self.slots.as_ref().map_or(0, SendSlots::lent)
    }

    /// Opens a stream, TCP if `dial` is but an address: events carry `user`. The connect fails at `deadline`. `fill`
    /// writes what is to be sent first and says how much that is; it is sent by whichever attempt connects. What
    /// is sent at a time, first or later, is one datagram if such are.
    ///
    /// # Errors
    ///
    /// `EMFILE`: the table of direct descriptors is full. `ENOMEM`: there is no memory for what is to be sent. Others:
    /// the socket could not be bound, or a Unix socket not connected. There is no stream.
    pub fn open(
        &mut self,
        dial: impl Into<Dial>,
        user: u64,
        deadline: Option<Time>,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<StreamId, Refused> {
        self.begin(dial.into(), Stream::new, user, deadline, fill)
    }

    /// As [`open`](Self::open), for a stream of which what is received comes in pieces from the beginning: see
    /// [`set_in_pieces`](Self::set_in_pieces).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn open_in_pieces(
        &mut self,
        dial: impl Into<Dial>,
        user: u64,
        deadline: Option<Time>,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<StreamId, Refused> {
        self.begin(dial.into(), Stream::in_pieces, user, deadline, fill)
    }

    fn begin(
        &mut self,
        dial: Dial,
        stream: impl FnOnce(bool) -> Stream,
        user: u64,
        deadline: Option<Time>,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<StreamId, Refused> {
        if self.entries.len() >= self.room.streams as usize {
            return Err(Refused { step: Step::Socket, errno: Errno::EMFILE });
        }
        let mut state = stream(dial.transport == Transport::Datagram);
        state.tells = self.closes_late;
        let id = self.entries.insert(Entry {
            state,
            user,
            dial,
            deadline,
            slot: None,
            more: false,
            unsettled: false,
            zero_copy: false,
            copies: Copies::Unknown,
        });
        // nothing is filled for a socket that there is not
        if let Err(refused) = self.make(id).and_then(|()| self.fill_first(id, fill)) {
            self.close(id, &[]);
            return Err(refused);
        }
        self.settle(id);
        Ok(id)
    }

    /// Has what is to be sent first written.
    fn fill_first(
        &mut self,
        id: StreamId,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<(), Refused> {
        let refused = |errno| Refused { step: Step::Socket, errno };
        let Some(slots) = &mut self.slots else { return Err(refused(Errno::ENOMEM)) };
        let slot = slots.fill(fill).map_err(refused)?;
        if let (Some(slot), Some(entry)) = (slot, self.entries.get_mut(id)) {
            entry.slot = Some(slot);
            entry.state.send = Send::Ready { sent: 0, waits: true };
        }
        Ok(())
    }

    /// Tries another address after [`StreamEvent::ConnectFailed`] or [`StreamEvent::DeadlinePassed`].
    ///
    /// # Errors
    ///
    /// As [`Streams::open`]; the stream is as before, to be reopened or closed.
    pub fn reopen(
        &mut self,
        id: StreamId,
        dial: impl Into<Dial>,
        deadline: Option<Time>,
    ) -> Result<(), Refused> {
        let Some(entry) = self.entries.get_mut(id) else { return Ok(()) };
        entry.state.reopen();
        entry.dial = dial.into();
        entry.deadline = deadline;
        self.make(id)?;
        self.settle(id);
        Ok(())
    }

    /// Makes the stream's socket by system calls, if it is one that needs them, and puts it into the stream's place of
    /// the table.
    fn make(&mut self, id: StreamId) -> Result<(), Refused> {
        let Some(Entry { dial, state, .. }) = self.entries.get(id) else { return Ok(()) };
        if !needs_system_calls(dial) || state.socket != Socket::Wanted {
            return Ok(());
        }
        let made = self.make_and_install(id);
        if let Some(entry) = self.entries.get_mut(id) {
            match made {
                Ok(()) => entry.state.made(),
                Err(_) => entry.state.not_made(),
            }
        }
        made
    }

    fn make_and_install(&mut self, id: StreamId) -> Result<(), Refused> {
        let refused = |errno| Refused { step: Step::Socket, errno };
        // what was closed before holds ports, and the place, until the kernel knows of it
        if self.closing {
            self.ring.submit_all().map_err(refused)?;
            self.closing = false;
        }
        let Some(entry) = self.entries.get(id) else { return Ok(()) };
        let socket = make_socket(&entry.dial)?;
        count::add(Counter::RingRegister, 1);
        let submitter = self.ring.io_uring().submitter();
        let updated = submitter.register_files_update(id.slot() as u32, &[socket.as_raw_fd()]);
        updated.map(drop).map_err(|error| refused(error.into()))
    }

    /// Whether [`Streams::send`] would take bytes: one send is in flight at a time.
    pub fn can_send(&self, id: StreamId) -> bool {
        self.entries.get(id).is_some_and(|entry| {
            entry.state.socket == Socket::Connected && entry.state.send == Send::Idle
        })
    }

    /// Sends what `fill` writes into the buffer (64 KiB); it says how much that is, and whether there is more to be sent.
    /// If there is not, the event that says that it was sent may come 10 ms late, unless another one comes
    /// before. Does nothing unless [`Streams::can_send`].
    ///
    /// # Errors
    ///
    /// `ENOMEM`: there is no memory for what is to be sent.
    pub fn send(
        &mut self,
        id: StreamId,
        fill: impl FnOnce(&mut [u8]) -> (usize, bool),
    ) -> Result<(), Errno> {
        if !self.can_send(id) {
            return Ok(());
        }
        let (Some(entry), Some(slots)) = (self.entries.get_mut(id), &mut self.slots) else {
            return Ok(());
        };
        let mut more = false;
        entry.slot = slots.fill(|buffer| {
            let filled;
            (filled, more) = fill(buffer);
            filled
        })?;
        if entry.slot.is_some() {
            entry.state.send = Send::Ready { sent: 0, waits: false };
            entry.more = more;
            self.settle(id);
        }
        Ok(())
    }

    /// Whether bytes are to be received. They are from the beginning; after it was switched off, what the kernel
    /// had received already still comes.
    pub fn set_recv(&mut self, id: StreamId, wants: bool) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        if entry.state.wants_recv != wants {
            entry.state.wants_recv = wants;
            self.settle(id);
        }
    }

    /// Whether what is received comes one buffer at a time, since it may have to wait: what a receive that goes on by itself
    /// has brought before it is switched off may be a megabyte, and ten thousand of these are too much.
    pub fn set_in_pieces(&mut self, id: StreamId, in_pieces: bool) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        if entry.state.in_pieces != in_pieces {
            entry.state.in_pieces = in_pieces;
            self.settle(id);
        }
    }

    /// Asks how many of the bytes sent the peer has not acknowledged: an event says it where the kernel can.
    ///
    /// # Errors
    ///
    /// As [`Ring::poll_add`]; nothing was asked.
    pub fn ask_unacknowledged(&mut self, id: StreamId) -> Result<(), Errno> {
        self.ring.make_room(1)?;
        let connected = |entry: &&mut Entry| entry.state.socket == Socket::Connected;
        let Some(entry) = self.entries.get_mut(id).filter(connected) else { return Ok(()) };
        entry.state.asked();
        self.owed += 1;
        let op = Op::Unacknowledged { direct: id.slot() as u32 };
        self.ring.push(op, Token::new(Kind::Unacknowledged, id), squeue::Flags::empty());
        Ok(())
    }

    /// Streams that are closed, but not yet as far as the kernel is concerned, except for those that wait for their peers.
    pub fn closing(&self) -> usize {
        self.closed.saturating_sub(self.lingering.len())
    }

    /// Closes a stream, whatever it is doing, after one attempt to send `last_words`. No event of it comes
    /// any more. What was sent without a copy and not acknowledged by the peer is waited for, for some seconds; then the
    /// connection is reset.
    pub fn close(&mut self, id: StreamId, last_words: &[u8]) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        self.closed += usize::from(entry.state.open);
        if entry.state.close()
            && let Some(slot) = entry.slot.take()
            && let Some(slots) = &mut self.slots
        {
            slots.give_back(slot);
        }
        let can_speak = entry.state.socket == Socket::Connected && entry.state.send == Send::Idle;
        if can_speak && let Some(slots) = &mut self.slots {
            let speak = |buffer: &mut [u8]| {
                let len = last_words.len().min(buffer.len());
                buffer[..len].copy_from_slice(&last_words[..len]);
                len
            };
            if let Ok(slot @ Some(_)) = slots.fill(speak) {
                entry.slot = slot;
                entry.state.send = Send::Ready { sent: 0, waits: false };
            }
        }
        self.settle(id);
        if self.entries.get(id).is_some_and(|entry| entry.state.lent > 0 && !entry.state.hurries) {
            // from the next wait on: until then it is not known what time it is
            self.lingering.push_back((Time::NEVER, id));
        }
        self.free_if_over(id);
    }

    /// Polls an fd for what can be received, with an event for each change.
    ///
    /// # Errors
    ///
    /// As [`Ring::poll_add`].
    pub fn watch(&mut self, fd: RawFd) -> Result<(), Errno> {
        self.ring.poll_multishot(fd, Interest::RECV, 0).map(drop)
    }

    /// Has the kernel do something to a file; [`Streams::take_file`] tells what became of it, with `user`.
    ///
    /// # Errors
    ///
    /// The operation, if the ring has none for it, or no room: it is for a thread to do.
    pub fn start_file(&mut self, user: u64, op: FileOp) -> Result<(), FileOp> {
        if !self.has_workers {
            self.has_workers = true;
            count::add(Counter::RingRegister, 1);
            // a kernel that has no such bound has one of its own
            let mut most = [limits::FILE_THREADS as u32, 0];
            let _ = self.ring.io_uring().submitter().register_iowq_max_workers(&mut most);
        }
        self.files.start(&mut self.ring, user, op)
    }

    /// What became of an operation on a file, as far as [`Streams::take_event`] has come to it.
    pub fn take_file(&mut self) -> Option<(u64, FileDone)> {
        self.files.take_done()
    }

    /// Has the kernel write to this eventfd whenever something completes: see [`Ring::notify`].
    ///
    /// # Errors
    ///
    /// As [`Ring::notify`].
    pub fn notify(&self, eventfd: RawFd) -> Result<(), Errno> {
        self.ring.notify(eventfd)
    }

    /// How soon to submit or take something although nothing completes; `None`: not at all.
    pub fn next_work(&mut self) -> Option<Duration> {
        if self.ring.has_work() || !self.queue.is_empty() {
            return Some(Duration::ZERO);
        }
        let retries = !(self.unsettled.is_empty() && self.lingering.is_empty());
        retries.then_some(limits::SUBMIT_AGAIN)
    }

    /// Submits what was commanded, waits until there is a completion or it is `until`: see
    /// [`Ring::submit_and_wait`].
    ///
    /// # Errors
    ///
    /// As [`Ring::submit_and_wait`].
    pub fn submit_and_wait(&mut self, now: Time, until: Option<Time>) -> Result<(), Errno> {
        self.prepare();
        // what found no room does not wait for what others wait for
        let until = match until {
            _ if self.unsettled.is_empty() => until,
            None => Some(now + limits::SUBMIT_AGAIN),
            Some(until) => Some(until.min(now + limits::SUBMIT_AGAIN)),
        };
        let until =
            if self.lingering.is_empty() { until } else { self.hurry_lingering(now, until) };
        // whoever was served may have nothing to receive: the next in the queue do not wait for that
        let until = if self.queue.is_empty() { until } else { Some(now) };
        self.ring.submit_and_wait(now, until)
    }

    /// Submits what was commanded, and has the kernel post all that has completed: see [`Ring::submit_and_look`].
    ///
    /// # Errors
    ///
    /// As [`Ring::submit_and_wait`].
    pub fn submit_and_look(&mut self) -> Result<(), Errno> {
        self.prepare();
        self.ring.submit_and_look()
    }

    /// As [`Ring::posts_as_asked`].
    pub fn posts_as_asked(&self) -> bool {
        self.ring.posts_as_asked()
    }

    /// Whether the last look has brought all that the kernel had for a stream, as far as the caller takes it.
    pub fn is_quiet(&self, id: StreamId) -> bool {
        self.entries.get(id).is_none_or(|entry| entry.state.is_quiet(self.turn))
    }

    /// Gives back what was lent, and pushes what had no room yet.
    fn prepare(&mut self) {
        self.return_lent();
        let wanted = (2 * self.entries.len()).max(limits::LEAST_BUFFERS.into());
        if let Some(buffers) = &mut self.buffers {
            buffers.publish(wanted);
        }
        // a kernel thread that submits has yet to see whether there are buffers for those served last
        if !self.queue.is_empty() && !self.ring.thread_is_behind() {
            self.serve_queue();
        }
        for id in std::mem::take(&mut self.unsettled) {
            if let Some(entry) = self.entries.get_mut(id) {
                entry.unsettled = false;
                self.settle(id);
                self.free_if_over(id);
            }
        }
        // all of them cost no more than the closes that they are begun anew for
        if self.held >= limits::HELD_CLOSES.max(self.entries.len()) {
            self.begin_receives_anew();
        }
        self.turn = self.turn.wrapping_add(1);
    }

    /// Has receives of before the last closes end, so that the kernel lets go of what was closed: what was heard of one that
    /// was cancelled, it is armed again.
    #[cold]
    fn begin_receives_anew(&mut self) {
        let is_armed = |entry: &Entry| {
            let armed = matches!(entry.state.recv, Recv::Armed { .. });
            armed && entry.state.socket == Socket::Connected
        };
        let armed = self.entries.iter().filter(|(_, entry)| is_armed(entry));
        for id in armed.map(|(id, _)| id).collect::<Vec<_>>() {
            if self.push(id, Want::CancelRecv).is_err() {
                // those that were pushed are no longer armed
                return;
            }
        }
        self.held = 0;
    }

    /// Has closed streams wait no longer that have waited long enough. When to do so again, if before `until`.
    #[cold]
    fn hurry_lingering(&mut self, now: Time, until: Option<Time>) -> Option<Time> {
        let new = self.lingering.iter_mut().rev().take_while(|(until, _)| *until == Time::NEVER);
        new.for_each(|(until, _)| *until = now + limits::LINGER);
        while let Some(&(at, id)) = self.lingering.front() {
            if let Some(entry) = self.entries.get_mut(id) {
                if at > now {
                    return Some(until.map_or(at, |until| until.min(at)));
                }
                entry.state.hurries = true;
                self.settle(id);
                self.free_if_over(id);
            }
            self.lingering.pop_front();
        }
        until
    }

    /// The next event of the completions reaped.
    pub fn take_event(&mut self) -> Option<Event<'_>> {
        self.return_lent();
        let (user, heard, len) = loop {
            let cqe = self.ring.pop()?;
            match cqe.kind() {
                Some(kind) if kind >= Kind::Socket => {
                    if let Some(heard) = self.handle(kind, &cqe) {
                        break heard;
                    }
                }
                Some(Kind::File) => self.files.complete(&cqe),
                _ => {
                    if let Some(completion) = self.ring.settle(&cqe) {
                        return Some(Event::Poll(completion));
                    }
                }
            }
        };
        let event = match heard {
            Heard::Nothing | Heard::Lost => return None,
            Heard::Connected => StreamEvent::Connected,
            Heard::ConnectFailed { step: Kind::Socket | Kind::Nodelay, errno } => {
                StreamEvent::ConnectFailed(Refused { step: Step::Socket, errno })
            }
            Heard::ConnectFailed { errno, .. } => {
                StreamEvent::ConnectFailed(Refused { step: Step::Connect, errno })
            }
            Heard::DeadlinePassed => StreamEvent::DeadlinePassed,
            Heard::Sent(bytes) => StreamEvent::Sent(bytes),
            Heard::SendFailed(errno) => StreamEvent::SendFailed(errno),
            Heard::Received => match (&self.buffers, self.lent) {
                (Some(buffers), Some(id)) => StreamEvent::Received(buffers.bytes(id, len)),
                _ => StreamEvent::Received(&[]),
            },
            Heard::Ended => StreamEvent::Ended,
            Heard::RecvFailed(errno) => StreamEvent::RecvFailed(errno),
            Heard::Unacknowledged(bytes) => StreamEvent::Unacknowledged(bytes),
        };
        Some(Event::Stream(user, event))
    }

    /// Whether completions are waiting to be taken.
    pub fn has_events(&self) -> bool {
        self.ring.has_reaped()
    }

    /// The CQEs reaped and not yet taken, as the kernel wrote them.
    pub fn reaped(&self) -> impl Iterator<Item = &Cqe> {
        self.ring.reaped()
    }

    /// Takes in one CQE of a stream; what its owner is to hear.
    fn handle(&mut self, kind: Kind, cqe: &Cqe) -> Option<(u64, Heard, usize)> {
        let buffer = cqueue::buffer_select(cqe.flags()).map(BufferId);
        if let (Some(buffer), Some(buffers)) = (buffer, &mut self.buffers) {
            buffers.take(buffer);
            self.lent = Some(buffer);
        }
        if kind == Kind::SendZc && cqe.notifies() {
            self.handle_notification(cqe);
            return None;
        }
        let id = self.stream_of(kind, cqe);
        let Some((id, entry)) = id.and_then(|id| Some((id, self.entries.get_mut(id)?))) else {
            count::add(Counter::StaleCqes, 1);
            self.return_lent();
            return None;
        };
        let size = self.buffers.as_ref().map_or(0, BufferRing::size);
        let fact = Fact {
            kind,
            res: cqe.result(),
            more: cqe.more(),
            turn: self.turn,
            full: cqe.result() as u32 == size,
            is_late: cqe.result() == -Errno::ECANCELED.raw() && entry.is_late(),
        };
        let owed = entry.state.owed;
        let heard = entry.state.handle(fact);
        self.owed = self.owed + entry.state.owed as usize - owed as usize;
        if matches!(kind, Kind::Send | Kind::SendZc) {
            entry.zero_copy = false;
            let done = entry.slot.as_ref().is_none_or(|slot| entry.state.has_sent(slot.len()));
            if done && let (Some(slot), Some(slots)) = (entry.slot.take(), &mut self.slots) {
                slots.give_back(slot);
            }
        }
        let user = entry.user;
        if kind == Kind::Recv && entry.state.recv == Recv::Queued {
            count::add(Counter::BuffersExhausted, 1);
            self.queue.push_back(id);
        }
        if heard == Heard::Received && entry.state.in_pieces {
            self.piece = Some(id);
        } else if entry.state.want().is_some() {
            self.settle(id);
        }
        let heard = if heard == Heard::Lost { self.connect_again(id) } else { heard };
        self.free_if_over(id);
        if heard != Heard::Received {
            self.return_lent();
        }
        (heard != Heard::Nothing).then_some((user, heard, cqe.result() as usize))
    }

    /// The connect of this stream was lost: it is made again, as it was. What is to be heard of that.
    #[cold]
    fn connect_again(&mut self, id: StreamId) -> Heard {
        let lost = self.entries.get(id).map(|entry| (entry.dial.clone(), entry.deadline));
        let Some((dial, deadline)) = lost else { return Heard::Nothing };
        match self.reopen(id, dial, deadline) {
            Ok(()) => Heard::Nothing,
            Err(Refused { step: Step::Connect, errno }) => {
                Heard::ConnectFailed { step: Kind::Connect, errno }
            }
            Err(Refused { errno, .. }) => Heard::ConnectFailed { step: Kind::Socket, errno },
        }
    }

    /// Whose CQE it is. That of a send without copy names a loan, which lasts as long as there is more to come.
    fn stream_of(&mut self, kind: Kind, cqe: &Cqe) -> Option<StreamId> {
        if kind != Kind::SendZc {
            return Some(cqe.token().id());
        }
        let loan = cqe.token().id();
        if cqe.more() {
            return self.slots.as_ref()?.lender(loan).map(StreamId::from_bits);
        }
        self.end_loan(loan)
    }

    /// The kernel has let go of a slot. Says whose it was, who may be gone; `None` if it was nobody's.
    fn end_loan(&mut self, loan: LoanId) -> Option<StreamId> {
        let lender = StreamId::from_bits(self.slots.as_mut()?.end_loan(loan)?);
        if let Some(entry) = self.entries.get_mut(lender) {
            entry.state.lent -= 1;
        }
        Some(lender)
    }

    /// The kernel has let go of what was sent without a copy, and says whether it was.
    fn handle_notification(&mut self, cqe: &Cqe) {
        let lender = self.end_loan(cqe.token().id());
        let Some(lender) = lender else { return count::add(Counter::StaleCqes, 1) };
        let copied = cqe.result() & op::COPIED != 0;
        count::add(Counter::ZeroCopyCopied, copied.into());
        // the stream may be gone, and another one in its place
        if let Some(entry) = self.entries.get_mut(lender) {
            entry.copies = if copied { Copies::Yes } else { Copies::No };
            self.settle(lender);
            self.free_if_over(lender);
        }
    }

    fn return_lent(&mut self) {
        if let (Some(buffer), Some(buffers)) = (self.lent.take(), &mut self.buffers) {
            buffers.give_back(buffer);
        }
        if let Some(id) = self.piece.take() {
            self.settle(id);
        }
    }

    /// Arms receives that wait for a buffer, one for each that the kernel has. One that fails all the same has seen
    /// others fill all of these: there are no more failures than buffers filled.
    fn serve_queue(&mut self) {
        let with_kernel = self.buffers.as_ref().map_or(0, BufferRing::with_kernel);
        let mut free = with_kernel.saturating_sub(self.ring.buffers_reaped());
        // those served do not queue again behind those who are not
        let mut queue = std::mem::take(&mut self.queue);
        while free > 0
            && let Some(id) = queue.pop_front()
        {
            let Some(entry) = self.entries.get_mut(id) else { continue };
            entry.state.unqueue();
            if entry.state.want().is_some() {
                free -= 1;
                self.settle(id);
            }
        }
        self.queue = queue;
    }

    /// Pushes whatever a stream wants; what does not go now goes before the next wait.
    fn settle(&mut self, id: StreamId) {
        while let Some(entry) = self.entries.get_mut(id)
            && let Some(want) = entry.state.want()
        {
            if !self.queue.is_empty() && entry.state.queue() {
                self.queue.push_back(id);
            } else if self.push(id, want).is_err() {
                if let Some(entry) = self.entries.get_mut(id)
                    && !entry.unsettled
                {
                    entry.unsettled = true;
                    self.unsettled.push(id);
                }
                return;
            }
        }
    }

    fn push(&mut self, id: StreamId, want: Want) -> Result<(), Errno> {
        self.ring.make_room(match want {
            Want::Open => CHAIN,
            Want::Close => 2,
            _ => 1,
        })?;
        let Some(entry) = self.entries.get_mut(id) else { return Ok(()) };
        let direct = id.slot() as u32;
        let none = squeue::Flags::empty();
        let token = |kind| Token::new(kind, id);
        let cancel = |target| Op::Cancel { target };
        let (token, op, flags) = match want {
            Want::Open => {
                let owed = entry.state.owed;
                push_chain(&mut self.ring, id, entry, self.sets_options);
                entry.state.pushed(want);
                self.owed += (entry.state.owed - owed) as usize;
                return Ok(());
            }
            Want::CancelConnect => (token(Kind::CancelConnect), cancel(token(Kind::Connect)), none),
            Want::CancelSend => (token(Kind::CancelSend), cancel(send_token(id, entry)), none),
            Want::CancelRecv => (token(Kind::CancelRecv), cancel(token(Kind::Recv)), none),
            Want::Send => {
                if let Some(slots) = &mut self.slots {
                    consider_zero_copy(self.zero_copy, slots, id, entry);
                }
                (send_token(id, entry), send_op(direct, entry), none)
            }
            Want::Recv { multishot } => {
                (token(Kind::Recv), recv_op(direct, &entry.state, multishot), none)
            }
            Want::Shutdown => (token(Kind::Shutdown), Op::Shutdown { direct }, none),
            Want::Close => {
                self.closing = true;
                self.held += usize::from(self.closes_late);
                if entry.state.lent > 0 && self.sets_options {
                    let silent = squeue::Flags::SKIP_SUCCESS;
                    self.ring.push(Op::Linger { direct }, token(Kind::Linger), silent);
                }
                (token(Kind::Close), Op::Close { direct }, squeue::Flags::SKIP_SUCCESS)
            }
        };
        self.ring.push(op, token, flags);
        // a small one is all but sure to be sent whole, so that nothing is to be done about it
        let small = entry.slot.as_ref().is_some_and(SendSlot::is_small);
        let done = matches!(op, Op::Send { wait: false, .. }) && small && !entry.more;
        // what a cancel found speaks for itself; what it did not find had not begun, and begins while it is waited
        if done || matches!(op, Op::Cancel { .. }) {
            self.ring.expect_at_once();
        }
        let owed = entry.state.owed;
        entry.state.pushed(want);
        self.owed += (entry.state.owed - owed) as usize;
        Ok(())
    }

    fn free_if_over(&mut self, id: StreamId) {
        if !self.entries.get(id).is_some_and(|entry| entry.state.is_over()) {
            return;
        }
        let Some(entry) = self.entries.remove(id) else { return };
        self.closed -= 1;
        if let (Some(slot), Some(slots)) = (entry.slot, &mut self.slots) {
            slots.give_back(slot);
        }
    }

    /// Ends the ring: closes all streams and waits until the kernel has let go of all memory, as long as no `patience`
    /// passes in which it lets go of nothing. Peers who have not acknowledged what was sent without a copy get a quarter
    /// of that; then their connections are reset. Returns how many CQEs were still owed: not zero only if
    /// the kernel did not cancel in time, and then what it may yet touch is leaked.
    pub fn shutdown(mut self, patience: Duration) -> usize {
        (self.patience, self.ring.patience) = (Duration::ZERO, patience);
        self.come_to_rest(patience)
    }

    /// Has its drop leave all as it is, for a process that was forked since this was made: queues, connections and what
    /// is in flight are the other process's, who sees the same.
    pub fn abandon(&mut self) {
        self.ring.abandon();
    }

    fn come_to_rest(&mut self, patience: Duration) -> usize {
        let ids: Vec<_> = self.entries.iter().map(|(id, _)| id).collect();
        for id in ids {
            self.close(id, &[]);
        }
        let mut now = clock::now();
        let grace = now + patience / 4;
        self.lingering.iter_mut().for_each(|(until, _)| *until = grace.min(*until));
        // who wants its files whole has waited for them
        self.files.cancel(&mut self.ring);
        // a notification, for which a peer may be waited, lengthens no wait
        let in_flight = |s: &Streams| s.owed + s.files.owed() + s.entries.len();
        let mut patience = Patience::new(patience, now, in_flight(self));
        while in_flight(self) + self.lent() > 0 && !patience.ends(now, in_flight(self)) {
            match self.submit_and_wait(now, Some(patience.until())) {
                Ok(()) | Err(Errno::EAGAIN | Errno::EBUSY) => {}
                Err(_) => break,
            }
            while self.take_event().is_some() {}
            now = clock::now();
        }
        if self.owed == 0 {
            // what was settled last may have wanted its CLOSE; should that fail, the ring closes all
            let _ = self.ring.submit_all();
        }
        self.owed + self.files.owed() + self.lent()
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        if self.ring.is_abandoned() {
            return;
        }
        let leaked = self.come_to_rest(self.patience);
        count::add(Counter::LeakedCqes, leaked as u64);
        if self.files.owed() > 0 || self.ring.is_broken() {
            // the kernel may yet read names and bytes, write what it looks at, or write to a descriptor
            std::mem::take(&mut self.files).leak();
        }
        if self.owed > 0 || self.ring.is_broken() {
            // the kernel may yet receive into the buffers and read what was to be sent
            if let Some(buffers) = self.buffers.take() {
                buffers.leak();
            }
            if let Some(slots) = self.slots.take() {
                slots.leak();
            }
        } else if let Some(slots) = self.slots.take() {
            // or hold some of what was sent
            slots.leak_lent();
        }
    }
}
