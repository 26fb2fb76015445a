//! One connection on the ring: its states, what it wants of the kernel, what each CQE makes of it.
//!
//! Knows the table "Streams" of `docs/ring-ownership.md`, and is it. Must not know the ring or any memory. Pure,
//! so that every order of CQEs can be tried without a kernel. Invariants: what is wanted follows from the state
//! alone; at most one SEND and one RECV are in flight; nothing is heard of a stream that the caller has closed.

use super::errno::Errno;
use super::token::Kind;
use crate::limits;

/// What the kernel holds of a stream, and what the caller wants of it.
#[derive(Debug)]
pub(super) struct Stream {
    /// The caller has not closed it.
    pub(super) open: bool,
    /// The caller takes what is received.
    pub(super) wants_recv: bool,
    pub(super) socket: Socket,
    pub(super) send: Send,
    pub(super) recv: Recv,
    /// What comes are datagrams: one that is empty is no end.
    datagrams: bool,
    /// CQEs that the kernel will post.
    pub(super) owed: u32,
    /// Notifications that it will post of what was sent without a copy.
    pub(super) lent: u32,
    /// Closed, it does not wait for these any more.
    pub(super) hurries: bool,
    /// It took more than its share of buffers, or there are too few: it gets one at a time.
    over_budget: bool,
    /// What comes may have to wait, so that it is received piece by piece: a receive that goes on by itself brings up to
    /// 1 MiB before it can be stopped (the kernel's 32 tries).
    pub(super) in_pieces: bool,
    /// Buffers taken in the turn of this number.
    taken: (u32, u32),
    /// Questions what the peer has yet to acknowledge that are not answered.
    asks: u32,
    /// A CLOSE is late here: the peer is told of the end by a SHUTDOWN first.
    pub(super) tells: bool,
}

/// The direct descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Socket {
    /// None yet: the chain that opens it is to be pushed.
    Wanted,
    /// There is one, made by system calls: the rest of the chain is to be pushed.
    Made,
    /// The chain is in flight and owes so many CQEs. `tries` counts attempts to cancel it. `unmade` is why there is no
    /// socket: whoever begins the chain finds none, and speaks next.
    Opening {
        owes: u8,
        cancelling: bool,
        tries: u8,
        unmade: Option<Errno>,
    },
    Connected,
    /// It could not be connected; the descriptor is to be closed.
    Broken,
    /// Closed: a SHUTDOWN is in flight.
    Telling,
    /// Closed, and the peer was told; the descriptor is to be closed.
    Told,
    /// There is none (any more). Only a caller who has not closed the stream can have another one opened.
    None,
}

/// The bytes given to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Send {
    Idle,
    /// To be pushed, from byte `sent` on: as far as the socket takes it at once, or to wait for that.
    Ready {
        sent: u32,
        waits: bool,
    },
    InFlight {
        sent: u32,
        waits: bool,
        cancelling: bool,
    },
    /// It failed as it does when the peer is gone, which may have said something before: that comes first.
    Failed(Errno),
}

/// The receiving operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Recv {
    Off,
    Armed {
        multishot: bool,
    },
    Stopping {
        multishot: bool,
    },
    /// There was no buffer, or others waited for one: it is armed when it is its turn.
    Queued,
    /// The peer's FIN or an error has come: there is nothing more to receive.
    Ended,
}

/// An operation to be pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    Open,
    CancelConnect,
    CancelSend,
    CancelRecv,
    Send,
    Recv { multishot: bool },
    Shutdown,
    Close,
}

/// What the caller is to hear of a CQE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    Nothing,
    /// No byte was sent; the stream has no socket.
    ConnectFailed {
        step: Kind,
        errno: Errno,
    },
    /// The linked deadline of the connect passed; as above.
    DeadlinePassed,
    /// The connect went with the thread that had begun it: it is to be made again.
    Lost,
    Connected,
    Sent(u32),
    SendFailed(Errno),
    Received,
    Ended,
    RecvFailed(Errno),
    Unacknowledged(u32),
}

/// A CQE of a stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fact {
    pub(super) kind: Kind,
    pub(super) res: i32,
    /// F_MORE.
    pub(super) more: bool,
    /// The number of the turn.
    pub(super) turn: u32,
    /// It filled the buffer that it names.
    pub(super) full: bool,
    /// The deadline of its connect has passed: asked of a connect that was cancelled alone.
    pub(super) is_late: bool,
}

impl Stream {
    /// A stream whose socket is to be opened, with nothing to send first yet.
    pub(super) fn new(datagrams: bool) -> Stream {
        Stream {
            open: true,
            wants_recv: true,
            socket: Socket::Wanted,
            send: Send::Idle,
            recv: Recv::Off,
            datagrams,
            owed: 0,
            lent: 0,
            hurries: false,
            over_budget: false,
            in_pieces: false,
            taken: (0, 0),
            asks: 0,
            tells: false,
        }
    }

    /// One that receives in pieces.
    pub(super) fn in_pieces(datagrams: bool) -> Stream {
        Stream { in_pieces: true, ..Stream::new(datagrams) }
    }

    /// The next operation to be pushed, if any.
    pub(super) fn want(&self) -> Option<Want> {
        match self.socket {
            Socket::Wanted | Socket::Made if self.open => Some(Want::Open),
            // a connect that was cancelled is on its way to the peer, and a Unix socket is connected as it is made
            Socket::Broken | Socket::Made => Some(self.end()),
            Socket::Told => Some(Want::Close),
            Socket::Opening { cancelling: false, tries, .. } if !self.open => {
                // which of the chain's operations is in flight is not known
                let flight = self.send != Send::Idle;
                Some(if flight && tries % 2 == 1 { Want::CancelSend } else { Want::CancelConnect })
            }
            Socket::Connected => self.want_connected(),
            // a cancel may have missed what began before the descriptor was closed
            Socket::Telling | Socket::None if !self.open => self.want_end(),
            Socket::Wanted | Socket::Opening { .. } | Socket::Telling | Socket::None => None,
        }
    }

    fn want_connected(&self) -> Option<Want> {
        let multishot = !(self.over_budget || self.in_pieces);
        match self.recv {
            Recv::Off if self.open && self.wants_recv => return Some(Want::Recv { multishot }),
            Recv::Armed { multishot: armed } if !self.wants_recv || (armed && !multishot) => {
                return Some(Want::CancelRecv);
            }
            Recv::Off | Recv::Armed { .. } => {}
            Recv::Stopping { .. } | Recv::Queued | Recv::Ended => {}
        }
        if let Send::Ready { .. } = self.send {
            return Some(Want::Send);
        }
        if !self.open
            && let Some(cancel) = self.want_end()
        {
            return Some(cancel);
        }
        // until all was acknowledged, no FIN could be; and only who has a descriptor can be reset
        let lingers = self.lent > 0 && !self.hurries;
        (!self.open && !lingers).then(|| self.end())
    }

    /// What ends its socket. The peer of a datagram socket hears of no end.
    fn end(&self) -> Want {
        let tells = self.tells && !self.open && !self.datagrams;
        if tells { Want::Shutdown } else { Want::Close }
    }

    /// The next operation of a closed stream that has to be cancelled, if any.
    fn want_end(&self) -> Option<Want> {
        if let Recv::Armed { .. } = self.recv {
            return Some(Want::CancelRecv);
        }
        let waits = matches!(self.send, Send::InFlight { waits: true, cancelling: false, .. });
        waits.then_some(Want::CancelSend)
    }

    /// What was wanted has been pushed.
    pub(super) fn pushed(&mut self, want: Want) {
        match want {
            Want::Open => {
                let owes = if let Send::Ready { sent, waits } = self.send {
                    self.send = Send::InFlight { sent, waits, cancelling: false };
                    self.recv = Recv::Armed { multishot: !self.in_pieces };
                    2
                } else {
                    1
                };
                self.socket = Socket::Opening { owes, cancelling: false, tries: 0, unmade: None };
                self.owed += u32::from(owes);
            }
            Want::CancelConnect | Want::CancelSend | Want::CancelRecv => {
                self.set_cancelling(true, want);
                self.owed += 1;
            }
            Want::Send => {
                if let Send::Ready { sent, waits } = self.send {
                    self.send = Send::InFlight { sent, waits, cancelling: false };
                }
                self.owed += 1;
            }
            Want::Recv { multishot } => {
                self.recv = Recv::Armed { multishot };
                self.owed += 1;
            }
            Want::Shutdown => {
                self.socket = Socket::Telling;
                self.owed += 1;
            }
            Want::Close => self.socket = Socket::None,
        }
    }

    fn set_cancelling(&mut self, now: bool, what: Want) {
        if let Socket::Opening { cancelling, tries, .. } = &mut self.socket {
            *cancelling = now;
            *tries = tries.wrapping_add(now.into());
            return;
        }
        match (&mut self.send, &mut self.recv, what) {
            (Send::InFlight { cancelling, .. }, _, Want::CancelSend) => *cancelling = now,
            (_, recv @ Recv::Armed { .. }, Want::CancelRecv) if now => {
                if let Recv::Armed { multishot } = *recv {
                    *recv = Recv::Stopping { multishot };
                }
            }
            (_, recv @ Recv::Stopping { .. }, Want::CancelRecv) if !now => {
                if let Recv::Stopping { multishot } = *recv {
                    *recv = Recv::Armed { multishot };
                }
            }
            _ => {}
        }
    }

    /// The caller gives another address, after the last one failed.
    pub(super) fn reopen(&mut self) {
        if self.open && matches!(self.socket, Socket::Broken | Socket::None) {
            self.socket = Socket::Wanted;
        }
    }

    /// Its socket has been made, but for the rest of the chain.
    pub(super) fn made(&mut self) {
        if self.socket == Socket::Wanted {
            self.socket = Socket::Made;
        }
    }

    /// Its socket could not be made: as after a chain that failed.
    pub(super) fn not_made(&mut self) {
        if self.socket == Socket::Wanted {
            self.socket = Socket::None;
        }
    }

    /// Others wait for a buffer: it does too, if it has had its share.
    pub(super) fn queue(&mut self) -> bool {
        let queues = self.want() == Some(Want::Recv { multishot: false });
        if queues {
            self.recv = Recv::Queued;
        }
        queues
    }

    /// It is its turn: there is a buffer for it, one.
    pub(super) fn unqueue(&mut self) {
        if self.recv == Recv::Queued {
            self.recv = Recv::Off;
            self.over_budget = true;
        }
    }

    /// The caller is done with it. Says whether what was to be sent, if anything, can be dropped.
    pub(super) fn close(&mut self) -> bool {
        self.open = false;
        let in_flight = matches!(self.send, Send::InFlight { .. });
        if !in_flight {
            self.send = Send::Idle;
        }
        !in_flight
    }

    /// After the CQE of a SEND: whether its bytes, `len` in all, are done with. Else the rest is to be sent.
    pub(super) fn has_sent(&mut self, len: u32) -> bool {
        if let Send::Ready { sent, .. } = self.send
            && (sent >= len || !self.open)
        {
            self.send = Send::Idle;
        }
        !matches!(self.send, Send::Ready { .. } | Send::InFlight { .. })
    }

    /// Nothing is left of it: its slot can go.
    pub(super) fn is_over(&self) -> bool {
        let no_socket = matches!(self.socket, Socket::None | Socket::Wanted);
        self.owed == 0 && !self.open && no_socket
    }

    /// Takes in one CQE.
    pub(super) fn handle(&mut self, fact: Fact) -> Heard {
        let heard = match fact.kind {
            Kind::Socket | Kind::Nodelay | Kind::Connect | Kind::ConnectDeadline => {
                self.handle_chain(fact)
            }
            Kind::Send | Kind::SendZc => self.handle_send(fact),
            Kind::Recv => self.handle_recv(fact),
            Kind::CancelConnect => self.handle_cancel(fact, Want::CancelConnect),
            Kind::CancelSend => self.handle_cancel(fact, Want::CancelSend),
            Kind::CancelRecv => self.handle_cancel(fact, Want::CancelRecv),
            Kind::Unacknowledged => self.handle_unacknowledged(fact),
            Kind::Shutdown => self.handle_shutdown(),
            _ => Heard::Nothing,
        };
        if self.open { heard } else { Heard::Nothing }
    }

    /// One of the silent links spoke: it failed and nothing behind it will be heard. Or SOCKET, before the chain,
    /// or the connect of a chain without first flight.
    fn handle_chain(&mut self, fact: Fact) -> Heard {
        let Socket::Opening { owes, unmade, .. } = &mut self.socket else { return Heard::Nothing };
        let flight = *owes > 1;
        match fact {
            Fact { kind: Kind::Connect, res: 0.., .. } if !flight => {}
            // succeeded, what was to be silent says nothing of what is behind it
            Fact { res: 0.., .. } => return Heard::Nothing,
            Fact { kind: Kind::Socket, .. } => {
                *unmade = Some(Errno(-fact.res));
                return Heard::Nothing;
            }
            _ => {}
        }
        let unmade = *unmade;
        self.owed -= u32::from(*owes);
        if fact.res >= 0 {
            self.socket = Socket::Connected;
            return Heard::Connected;
        }
        self.socket = if unmade.is_some() { Socket::None } else { Socket::Broken };
        if let Send::InFlight { sent, waits, .. } = self.send {
            self.send = Send::Ready { sent, waits };
        }
        self.recv = Recv::Off;
        match (unmade, Errno(-fact.res)) {
            (Some(errno), _) => Heard::ConnectFailed { step: Kind::Socket, errno },
            (None, Errno::ECANCELED) if fact.kind == Kind::Connect => match fact.is_late {
                true => Heard::DeadlinePassed,
                // nobody has asked for that: the kernel does so to what waits for a thread that has ended
                false => Heard::Lost,
            },
            (None, errno) => Heard::ConnectFailed { step: fact.kind, errno },
        }
    }

    fn handle_send(&mut self, fact: Fact) -> Heard {
        self.owed -= 1;
        if let Socket::Opening { .. } = self.socket {
            self.socket = Socket::Connected;
        }
        let Send::InFlight { sent, waits, .. } = self.send else { return Heard::Nothing };
        match u32::try_from(fact.res) {
            // how much is missing is the caller's to see, who knows how much there was
            Ok(bytes) => {
                self.send = Send::Ready { sent: sent + bytes, waits: true };
                Heard::Sent(bytes)
            }
            Err(_) if !waits && fact.res == -Errno::EAGAIN.raw() => {
                self.send = Send::Ready { sent, waits: true };
                Heard::Nothing
            }
            // the kernel may not hold so many pages: a copy takes none
            Err(_) if fact.kind == Kind::SendZc && fact.res == -Errno::ENOMEM.raw() => {
                self.send = Send::Ready { sent, waits };
                Heard::Nothing
            }
            // nor has anybody asked for this
            Err(_) if self.open && fact.res == -Errno::ECANCELED.raw() => {
                self.send = Send::Ready { sent, waits };
                Heard::Nothing
            }
            Err(_) => {
                let errno = Errno(-fact.res);
                let gone = matches!(errno, Errno::EPIPE | Errno::ECONNRESET);
                if gone && self.wants_recv && self.recv != Recv::Ended {
                    self.send = Send::Failed(errno);
                    return Heard::Nothing;
                }
                self.send = Send::Idle;
                Heard::SendFailed(errno)
            }
        }
    }

    fn handle_recv(&mut self, fact: Fact) -> Heard {
        if !fact.more {
            self.owed -= 1;
            self.recv = match Errno(-fact.res) {
                _ if fact.res > 0 || self.is_empty_datagram(fact) => Recv::Off,
                Errno::ECANCELED => {
                    self.begin_turn(fact.turn);
                    Recv::Off
                }
                Errno::ENOBUFS => Recv::Queued,
                _ => Recv::Ended,
            };
        }
        match fact.res {
            0 if !self.is_empty_datagram(fact) => Heard::Ended,
            0.. => {
                self.count(fact);
                Heard::Received
            }
            _ => match Errno(-fact.res) {
                Errno::ECANCELED | Errno::ENOBUFS => Heard::Nothing,
                errno => Heard::RecvFailed(errno),
            },
        }
    }

    /// It was asked how much the peer has yet to acknowledge: a CQE is owed.
    pub(super) fn asked(&mut self) {
        self.owed += 1;
        self.asks += 1;
    }

    /// Where the kernel cannot say it (before Linux 6.5, and of Unix sockets), nothing is heard.
    fn handle_unacknowledged(&mut self, fact: Fact) -> Heard {
        self.owed -= 1;
        self.asks -= 1;
        u32::try_from(fact.res).map_or(Heard::Nothing, Heard::Unacknowledged)
    }

    fn is_empty_datagram(&self, fact: Fact) -> bool {
        self.datagrams && fact.res == 0
    }

    fn begin_turn(&mut self, turn: u32) {
        if self.taken.0 != turn {
            self.taken = (turn, 0);
        }
    }

    /// Whether all that there was to be received was heard of by the end of this turn: a receive is armed that found
    /// nothing (more). And whether what was asked is answered, which a kernel thread may be late to do.
    pub(super) fn is_quiet(&self, turn: u32) -> bool {
        if self.asks > 0 {
            return false;
        }
        match self.recv {
            Recv::Armed { .. } => self.taken.0 != turn,
            Recv::Off | Recv::Stopping { .. } | Recv::Queued => {
                !self.wants_recv || self.socket != Socket::Connected
            }
            Recv::Ended => true,
        }
    }

    /// Counts a buffer against the stream's share of this turn.
    fn count(&mut self, fact: Fact) {
        self.begin_turn(fact.turn);
        self.taken.1 += 1;
        if self.over_budget {
            self.over_budget = fact.full;
        } else {
            self.over_budget = self.taken.1 > limits::BUFFERS_PER_TURN;
        }
    }

    /// Whatever it says, nothing more can be told.
    fn handle_shutdown(&mut self) -> Heard {
        self.owed -= 1;
        if self.socket == Socket::Telling {
            self.socket = Socket::Told;
        }
        Heard::Nothing
    }

    /// A cancel that found nothing came too late, or before its target was issued: if that is still in
    /// flight it is tried again.
    fn handle_cancel(&mut self, fact: Fact, what: Want) -> Heard {
        self.owed -= 1;
        if fact.res < 0 {
            self.set_cancelling(false, what);
        }
        Heard::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel has in flight of one stream, and what it may make of it.
    #[derive(Default)]
    struct Kernel {
        chain: Option<bool>,
        /// The chain finds no socket.
        unmade: bool,
        send: bool,
        /// That send does not wait for the peer.
        at_once: bool,
        /// That send is a SEND_ZC: it waits.
        zero_copy: bool,
        /// Notifications to be posted.
        loans: u32,
        recv: bool,
        cancels: Vec<Kind>,
        file: bool,
        /// A SHUTDOWN is in flight.
        telling: bool,
        told: bool,
        /// The peer says nothing and reads nothing: what waits for it ends when it is cancelled.
        silent: bool,
        /// Cancels that have found their target.
        found: Vec<Kind>,
    }

    fn with_flight(flight: bool, datagrams: bool) -> Stream {
        let send = if flight { Send::Ready { sent: 0, waits: true } } else { Send::Idle };
        Stream { send, ..Stream::new(datagrams) }
    }

    struct Random(u64);

    impl Random {
        fn below(&mut self, n: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
            (self.0 >> 33) % n
        }
    }

    fn fact(kind: Kind, res: i32, more: bool) -> Fact {
        Fact { kind, res, more, turn: 0, full: res > 0, is_late: true }
    }

    impl Kernel {
        fn take(&mut self, want: Want, flight: bool, hurries: bool) {
            match want {
                Want::Open => {
                    assert!(self.chain.is_none() && !self.send && !self.recv);
                    (self.chain, self.file) = (Some(flight), true);
                }
                Want::CancelConnect => self.cancels.push(Kind::CancelConnect),
                Want::CancelSend => self.cancels.push(Kind::CancelSend),
                Want::CancelRecv => self.cancels.push(Kind::CancelRecv),
                Want::Send => assert!(!std::mem::replace(&mut self.send, true), "two sends"),
                Want::Recv { .. } => {
                    assert!(!std::mem::replace(&mut self.recv, true), "two receives")
                }
                Want::Shutdown => {
                    assert!(hurries || self.loans == 0, "it does not linger");
                    assert!(self.file && !self.told, "nobody to be told");
                    assert!(!std::mem::replace(&mut self.telling, true), "told twice");
                }
                Want::Close => {
                    assert!(!self.telling, "closed before the peer is told");
                    assert!(hurries || self.loans == 0, "it does not linger");
                    assert!(std::mem::replace(&mut self.file, false), "closed twice");
                }
            }
        }

        /// Whether what this cancels has been cancelled; `None` if it waits for the peer for ever.
        fn was_cancelled(&mut self, kind: Kind) -> Option<bool> {
            let found = self.found.iter().position(|&found| found == kind);
            found.map(|at| self.found.swap_remove(at));
            (found.is_some() || !self.silent).then_some(found.is_some())
        }

        /// Posts something that it could post now.
        fn post(&mut self, random: &mut Random) -> Option<Fact> {
            let error =
                [libc::ECONNREFUSED, libc::EMFILE, libc::ECANCELED][random.below(3) as usize];
            match random.below(5) {
                0 => {
                    let flight = self.chain?;
                    if std::mem::take(&mut self.unmade) {
                        self.chain = None;
                        let kind = [Kind::Nodelay, Kind::Connect][random.below(2) as usize];
                        return Some(fact(kind, -libc::EBADF, false));
                    }
                    let cancelled = self.was_cancelled(Kind::CancelConnect)?;
                    let failed = cancelled || random.below(2) == 0;
                    if failed {
                        let kinds = [Kind::Socket, Kind::Nodelay, Kind::Connect];
                        let kind = kinds[random.below(3) as usize];
                        self.unmade = kind == Kind::Socket;
                        self.file &= !self.unmade;
                        self.chain = self.chain.filter(|_| self.unmade);
                        return Some(fact(kind, -error, false));
                    }
                    self.chain = None;
                    if !flight {
                        return Some(fact(Kind::Connect, 0, false));
                    }
                    (self.send, self.recv) = (true, true);
                    None
                }
                1 if self.send => {
                    if !self.at_once {
                        self.was_cancelled(Kind::CancelSend)?;
                    }
                    (self.send, self.at_once) = (false, false);
                    if std::mem::take(&mut self.zero_copy) {
                        let res = [5, 10, -libc::EPIPE, -libc::ENOMEM, -libc::ECANCELED];
                        return Some(fact(Kind::SendZc, res[random.below(5) as usize], true));
                    }
                    let res = [5, 10, -libc::EPIPE, -libc::EAGAIN, -libc::ECANCELED];
                    Some(fact(Kind::Send, res[random.below(5) as usize], false))
                }
                2 if self.recv => {
                    let cancelled = self.was_cancelled(Kind::CancelRecv)?;
                    let more = !cancelled && random.below(2) == 0;
                    self.recv = more;
                    let last = [9, 0, -libc::ENOBUFS, -libc::ECONNRESET, -libc::ECANCELED];
                    let res = if more { 9 } else { last[random.below(5) as usize] };
                    Some(fact(Kind::Recv, res, more))
                }
                3 => {
                    let kind = self.cancels.pop()?;
                    let there = match kind {
                        Kind::CancelConnect => self.chain.is_some(),
                        Kind::CancelSend => self.send,
                        _ => self.recv,
                    };
                    let missed = !there || random.below(2) == 0;
                    if !missed {
                        self.found.push(kind);
                    }
                    Some(fact(kind, if missed { -libc::ENOENT } else { 0 }, false))
                }
                4 if std::mem::take(&mut self.telling) => {
                    self.told = true;
                    let res = [0, -libc::ENOTCONN, -libc::ECANCELED];
                    Some(fact(Kind::Shutdown, res[random.below(3) as usize], false))
                }
                _ => None,
            }
        }
    }

    /// The bytes that each send is of.
    const BYTES: u32 = 10;

    fn push_all(stream: &mut Stream, kernel: &mut Kernel, random: &mut Random) {
        while let Some(want) = stream.want() {
            kernel.take(want, matches!(stream.send, Send::Ready { .. }), stream.hurries);
            if want == Want::Send
                && stream.send == (Send::Ready { sent: 0, waits: false })
                && random.below(2) == 0
            {
                stream.send = Send::Ready { sent: 0, waits: true };
                stream.lent += 1;
                kernel.zero_copy = true;
                kernel.loans += 1;
            }
            if want == Want::Send {
                kernel.at_once = matches!(stream.send, Send::Ready { waits: false, .. });
            }
            stream.pushed(want);
        }
    }

    #[test]
    fn whatever_the_kernel_posts_a_closed_stream_comes_to_an_end_and_owes_nothing() {
        for seed in 0..20_000 {
            let mut random = Random(seed);
            let mut stream = with_flight(random.below(3) > 0, random.below(4) == 0);
            let mut kernel = Kernel::default();
            if random.below(3) == 0 {
                stream.made();
                kernel.file = true;
            }
            stream.tells = random.below(2) == 0;
            let close_at = random.below(60);
            let (mut ended, mut connected) = (false, false);
            for step in 0..2000 {
                push_all(&mut stream, &mut kernel, &mut random);
                if stream.is_over() {
                    break;
                }
                if let Some(fact) = kernel.post(&mut random) {
                    let fact = Fact { is_late: random.below(2) == 0, ..fact };
                    let heard = stream.handle(fact);
                    if heard == Heard::Lost {
                        push_all(&mut stream, &mut kernel, &mut random);
                        stream.reopen();
                    }
                    assert!(stream.open || heard == Heard::Nothing, "a closed stream speaks");
                    assert!(!(ended && heard == Heard::Received), "bytes after the end, {seed}");
                    ended |= matches!(heard, Heard::Ended | Heard::RecvFailed(_));
                    if matches!(fact.kind, Kind::Send | Kind::SendZc) {
                        stream.has_sent(BYTES);
                    }
                }
                match random.below(8) {
                    _ if step == close_at => {
                        connected = stream.socket == Socket::Connected;
                        stream.close();
                        kernel.silent = random.below(2) == 0;
                    }
                    5 if kernel.loans > u32::from(kernel.zero_copy) => {
                        kernel.loans -= 1;
                        stream.lent -= 1;
                    }
                    6 if !stream.open => stream.hurries = true,
                    0 => stream.wants_recv = !stream.wants_recv,
                    3 => stream.unqueue(),
                    4 => _ = stream.queue(),
                    1 if stream.socket == Socket::None => {
                        ended = false;
                        stream.reopen();
                    }
                    2 if stream.open
                        && stream.socket == Socket::Connected
                        && stream.send == Send::Idle =>
                    {
                        stream.send = Send::Ready { sent: 0, waits: false };
                    }
                    _ => {}
                }
            }
            assert!(stream.is_over(), "seed {seed}: {stream:?}");
            assert_eq!(stream.owed, 0, "seed {seed}");
            let nothing = kernel.chain.is_none() && !kernel.send && !kernel.recv && !kernel.file;
            assert!(nothing && kernel.cancels.is_empty(), "seed {seed}: the kernel has something");
            let tells = stream.tells && connected && !stream.datagrams;
            assert!(kernel.told || !tells, "seed {seed}: the peer was not told");
            assert!(stream.tells || !kernel.told, "seed {seed}: a worker for nothing");
        }
    }

    /// Who has asked waits for the answer.
    #[test]
    fn what_is_asked_is_waited_for() {
        for answer in [7, -libc::EOPNOTSUPP] {
            let mut stream = Stream::new(false);
            stream.socket = Socket::Connected;
            stream.pushed(Want::Recv { multishot: true });
            assert!(stream.is_quiet(1));
            stream.asked();
            assert!(!stream.is_quiet(1));
            stream.handle(fact(Kind::Unacknowledged, answer, false));
            assert!(stream.is_quiet(1));
        }
    }

    /// Each receive of a stream that may have to wait brings one buffer; one that goes on by itself is stopped.
    #[test]
    fn what_may_have_to_wait_comes_in_pieces() {
        let mut stream = Stream::in_pieces(false);
        stream.socket = Socket::Connected;
        for _ in 0..3 {
            assert_eq!(stream.want(), Some(Want::Recv { multishot: false }));
            stream.pushed(Want::Recv { multishot: false });
            stream.handle(fact(Kind::Recv, 9, false));
        }
        stream.in_pieces = false;
        assert_eq!(stream.want(), Some(Want::Recv { multishot: true }));
        stream.pushed(Want::Recv { multishot: true });
        assert_eq!(stream.want(), None);
        stream.in_pieces = true;
        assert_eq!(stream.want(), Some(Want::CancelRecv));
    }

    #[test]
    fn a_receive_without_buffer_waits_for_its_turn_and_takes_one() {
        let mut stream = with_flight(true, false);
        stream.pushed(Want::Open);
        stream.handle(fact(Kind::Send, 4, false));
        stream.has_sent(4);
        assert_eq!(stream.handle(fact(Kind::Recv, -libc::ENOBUFS, false)), Heard::Nothing);
        assert_eq!((stream.want(), stream.owed), (None, 0));
        stream.unqueue();
        assert_eq!(stream.want(), Some(Want::Recv { multishot: false }));
        assert!(stream.queue() && stream.want().is_none());
        stream.unqueue();
        stream.pushed(Want::Recv { multishot: false });
        // the buffer was not full: it has caught up
        let rest = Fact { full: false, ..fact(Kind::Recv, 9, false) };
        assert_eq!(stream.handle(rest), Heard::Received);
        assert_eq!(stream.want(), Some(Want::Recv { multishot: true }));
        assert!(!stream.queue());
    }

    /// Whatever a silent link answers, its connect has an end, and no other than it would have had.
    #[test]
    fn what_was_to_be_silent_and_speaks_of_success_changes_nothing() {
        for res in [0, 1, 7] {
            for (flight, last) in [(true, Kind::Send), (false, Kind::Connect)] {
                let mut stream = with_flight(flight, false);
                stream.pushed(Want::Open);
                let owed = stream.owed;
                let mut silent = vec![Kind::Socket, Kind::Nodelay, Kind::ConnectDeadline];
                silent.extend(flight.then_some(Kind::Connect));
                for kind in silent {
                    assert_eq!(stream.handle(fact(kind, res, false)), Heard::Nothing, "{kind:?}");
                    assert_eq!(stream.owed, owed);
                }
                stream.handle(fact(last, 0, false));
                assert_eq!(stream.socket, Socket::Connected);
            }
        }
    }

    #[test]
    fn the_step_that_failed_is_the_one_that_speaks() {
        let open = |flight| {
            let mut stream = with_flight(flight, false);
            assert_eq!(stream.want(), Some(Want::Open));
            stream.pushed(Want::Open);
            stream
        };
        let refused = Errno::ECONNREFUSED;
        for flight in [true, false] {
            for step in [Kind::Socket, Kind::Nodelay, Kind::Connect, Kind::ConnectDeadline] {
                let mut stream = open(flight);
                let mut heard = stream.handle(fact(step, -refused.raw(), false));
                if step == Kind::Socket {
                    assert_eq!(heard, Heard::Nothing, "the chain has yet to find none");
                    heard = stream.handle(fact(Kind::Nodelay, -libc::EBADF, false));
                }
                assert_eq!(heard, Heard::ConnectFailed { step, errno: refused });
                assert_eq!((stream.owed, stream.recv), (0, Recv::Off));
                let close = (step != Kind::Socket).then_some(Want::Close);
                assert_eq!(stream.want(), close);
            }
        }
        let mut stream = open(true);
        let heard = stream.handle(fact(Kind::Connect, -libc::ECANCELED, false));
        assert_eq!(heard, Heard::DeadlinePassed);
        // the first flight is still there for another address
        assert_eq!(stream.send, Send::Ready { sent: 0, waits: true });
    }

    /// The kernel cancels what waits for a thread that has ended.
    #[test]
    fn what_nobody_cancelled_is_begun_again() {
        let cancelled = |kind| Fact { is_late: false, ..fact(kind, -libc::ECANCELED, false) };
        for flight in [true, false] {
            let mut stream = with_flight(flight, false);
            stream.pushed(Want::Open);
            assert_eq!(stream.handle(cancelled(Kind::Connect)), Heard::Lost);
            assert_eq!((stream.owed, stream.want()), (0, Some(Want::Close)));
            stream.reopen();
            assert_eq!(stream.want(), Some(Want::Open));
            // one that was closed meanwhile is not
            stream.pushed(Want::Open);
            stream.close();
            assert_eq!(stream.handle(cancelled(Kind::Connect)), Heard::Nothing);
            assert_eq!(stream.want(), Some(Want::Close));
        }
    }

    #[test]
    fn what_was_sent_before_it_was_cancelled_is_not_sent_again() {
        for kind in [Kind::Send, Kind::SendZc] {
            let mut stream = with_flight(true, false);
            stream.pushed(Want::Open);
            assert_eq!(stream.handle(fact(Kind::Send, 4, false)), Heard::Sent(4));
            stream.has_sent(BYTES);
            stream.pushed(Want::Send);
            assert_eq!(stream.handle(fact(kind, -libc::ECANCELED, false)), Heard::Nothing);
            assert!(!stream.has_sent(BYTES));
            assert_eq!(stream.send, Send::Ready { sent: 4, waits: true });
            // and the receive that was linked to it
            stream.handle(fact(Kind::Recv, -libc::ECANCELED, false));
            assert_eq!(stream.want(), Some(Want::Recv { multishot: true }));
            stream.pushed(Want::Recv { multishot: true });
            assert_eq!(stream.want(), Some(Want::Send));
        }
    }
}
