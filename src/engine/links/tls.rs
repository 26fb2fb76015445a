//! One TLS session of a client, as a transform between the wire's bytes and plaintext.
//!
//! Knows records and their order, not what the plaintext means nor how bytes travel. Must not know
//! transfers, sockets or time; rustls itself reads the wall clock (for validity and ticket age)
//! and draws randomness.
//!
//! Invariants: after [`TlsSession::receive`] returns, no complete record waits unprocessed, so that
//! nothing stalls inside; a session between two messages holds no buffer; a failed session stays
//! failed, with its alert still to be sent; whatever a peer sends, at most one record of plaintext
//! and `INCOMING_BYTES` of ciphertext are held.
//!
//! rustls' unbuffered interface is used because its buffered one never lets go of its receive
//! buffer: 4 to 18 KiB for each idle connection.

mod fault;

use rustls::client::{ClientConnectionData as ClientData, UnbufferedClientConnection};
use rustls::pki_types::{DnsName, ServerName};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, ReadTraffic, UnbufferedStatus,
    WriteTraffic,
};
use rustls::{Error, HandshakeKind, InvalidMessage, ProtocolVersion};

use self::fault::Progress;
use crate::error::TlsFault;
use crate::limits;
use crate::tls::{TlsPolicy, TlsVersion};

pub(crate) use self::fault::no_room;

/// The session of one connection: about a kilobyte itself, so that its owner should box it.
///
/// Inputs: [`receive`](Self::receive) takes the wire's bytes, [`write`](Self::write) takes
/// plaintext, [`close`](Self::close) ends the sending side. Outputs:
/// [`lend_plaintext`](Self::lend_plaintext) with [`give_back`](Self::give_back), and
/// [`fill`](Self::fill) while [`wants_send`](Self::wants_send). After any input, look at both.
pub(crate) struct TlsSession {
    connection: UnbufferedClientConnection,
    /// Received and not yet discarded by rustls: part of a record, before it perhaps earlier
    /// records with part of a handshake message.
    incoming: Vec<u8>,
    /// Where in `incoming` the newest record begins.
    record: usize,
    plaintext: Queue,
    outgoing: Queue,
    /// What only the handshake needs; gone when it is done.
    handshake: Option<Box<Handshake>>,
    fault: Option<TlsFault>,
    /// There is a certificate of ours to be shown.
    has_certificate: bool,
    peer_closed: bool,
    closed: bool,
}

struct Handshake {
    policy: TlsPolicy,
    name: ServerName<'static>,
}

/// Bytes that leave at the front.
#[derive(Default)]
pub(crate) struct Queue {
    bytes: Vec<u8>,
    taken: usize,
}

/// What to do when the session may send application data.
enum Then<'a> {
    Nothing,
    Write(&'a [u8]),
    Close,
}

/// Ciphertext that a session holds for sending before [`TlsSession::write`] takes no more.
/// rustls' own bound on its buffers.
const OUTGOING_BYTES: usize = 64 * 1024;

/// Ciphertext that a peer can make a session hold: rustls allows handshake messages of 64 KiB,
/// which may arrive in several records, and one record more.
const INCOMING_BYTES: usize = 64 * 1024 + RECORD_HEADER_BYTES + u16::MAX as usize;

/// RFC 8446, 5.1: type, version, length.
const RECORD_HEADER_BYTES: usize = 5;

/// More than any cipher suite adds to a record, header included.
const RECORD_OVERHEAD_BYTES: usize = 64;

/// A record at its largest (RFC 5246, 6.2.3).
const RECORD_BYTES: usize = RECORD_HEADER_BYTES + RECORD_PLAINTEXT_BYTES + 2048;

/// RFC 8446, 5.1: plaintext in one record at most.
const RECORD_PLAINTEXT_BYTES: usize = 16 * 1024;

/// The name to which a certificate must be valid, and which the server is told (RFC 6066, 3), from a host without
/// brackets: a registered name, of which neither has the dot at its end, or an IP address.
pub(crate) fn server_name(host: &str) -> Result<ServerName<'static>, TlsFault> {
    let host = host.strip_suffix('.').unwrap_or(host);
    match host.parse::<std::net::IpAddr>() {
        Ok(address) => Ok(ServerName::from(address)),
        Err(_) => match DnsName::try_from(host.to_owned()) {
            Ok(name) => Ok(ServerName::DnsName(name)),
            Err(_) => Err(fault::bad_name(host)),
        },
    }
}

impl TlsSession {
    /// A session that wants to send its ClientHello to the server of this name, and offers of the policy's protocols those
    /// that are wanted.
    pub(crate) fn new(
        policy: &TlsPolicy,
        name: ServerName<'static>,
        is_wanted: impl Fn(&[u8]) -> bool,
    ) -> Result<TlsSession, TlsFault> {
        let config = policy.config().clone();
        let offered =
            config.alpn_protocols.iter().filter(|name| is_wanted(name)).cloned().collect();
        let connection = UnbufferedClientConnection::new_with_alpn(config, name.clone(), offered)
            .map_err(|error| fault::of_session(&error, Progress::default()))?;
        let mut session = TlsSession {
            connection,
            incoming: Vec::new(),
            record: 0,
            plaintext: Queue::default(),
            outgoing: Queue::default(),
            handshake: Some(Box::new(Handshake { policy: policy.clone(), name })),
            fault: None,
            has_certificate: policy.shows_certificate(),
            peer_closed: false,
            closed: false,
        };
        session.advance(Then::Nothing)?;
        Ok(session)
    }

    /// Takes bytes from the wire, at least one unless there is plaintext to be consumed first;
    /// returns how many. Call it until all are taken, emptying the plaintext between the calls.
    ///
    /// Bytes after the peer's close_notify are taken and ignored (RFC 8446, 6.1).
    pub(crate) fn receive(&mut self, wire: &[u8]) -> Result<usize, TlsFault> {
        self.check()?;
        let mut taken = 0;
        while taken < wire.len() && self.plaintext.is_empty() {
            if self.peer_closed {
                taken = wire.len();
                break;
            }
            taken += self.take_record(&wire[taken..]);
            if self.incoming.len() - self.record < RECORD_HEADER_BYTES {
                break;
            }
            self.advance(Then::Nothing)?;
            if self.incoming.len() > INCOMING_BYTES {
                return Err(self.fail(fault::too_large()));
            }
        }
        if taken == wire.len() && self.incoming.is_empty() {
            self.incoming = Vec::new();
            self.release_plaintext();
        }
        Ok(taken)
    }

    /// Bytes that are held since a message has not come whole, beyond those of a record.
    pub(crate) fn unfinished(&self) -> usize {
        self.incoming.len().saturating_sub(RECORD_BYTES)
    }

    /// Whether there are decrypted bytes that nobody has taken.
    pub(crate) fn has_plaintext(&self) -> bool {
        !self.plaintext.is_empty()
    }

    /// The next decrypted bytes, at most one record's (16 KiB), lent to whoever reads them, so that
    /// the session can do all else meanwhile but receive.
    pub(crate) fn lend_plaintext(&mut self) -> Queue {
        std::mem::take(&mut self.plaintext)
    }

    /// What is left of the bytes that were lent.
    pub(crate) fn give_back(&mut self, plaintext: Queue) {
        self.plaintext = plaintext;
        self.release_plaintext();
    }

    /// Moves TLS bytes to be sent into `out`; returns how many.
    pub(crate) fn fill(&mut self, out: &mut [u8]) -> usize {
        let bytes = self.outgoing.front();
        let n = bytes.len().min(out.len());
        out[..n].copy_from_slice(&bytes[..n]);
        self.outgoing.consume(n);
        if self.outgoing.is_empty() {
            self.outgoing.release();
        }
        n
    }

    /// The alert with which it ends.
    pub(crate) fn farewell(&mut self) -> Vec<u8> {
        self.close();
        let mut words = vec![0; limits::LAST_WORDS];
        let length = self.fill(&mut words);
        words.truncate(length);
        words
    }

    /// Whether there are TLS bytes to be sent, also those of a failed session's alert.
    pub(crate) fn wants_send(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Encrypts plaintext for sending; returns how many bytes were accepted. None are during the
    /// handshake, after [`close`](Self::close), or while 64 KiB wait to be sent.
    pub(crate) fn write(&mut self, plain: &[u8]) -> Result<usize, TlsFault> {
        self.check()?;
        let room = OUTGOING_BYTES.saturating_sub(self.outgoing.len());
        let n = plain.len().min(room);
        if n == 0 || self.closed || self.is_handshaking() {
            return Ok(0);
        }
        self.advance(Then::Write(&plain[..n]))?;
        Ok(n)
    }

    /// Whether the handshake is still going on. It is done when [`write`](Self::write) accepts
    /// bytes: in the same flight as the client's last handshake message.
    pub(crate) fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Queues close_notify: nothing more will be written. A session that failed, or is still
    /// shaking hands, has nothing to close.
    pub(crate) fn close(&mut self) {
        if self.fault.is_some() || self.closed || self.is_handshaking() {
            return;
        }
        // a failure here leaves nothing to be said to the peer but the end of the connection
        let _ = self.advance(Then::Close);
        self.closed = true;
    }

    /// Bytes that [`fill`](Self::fill) gave are lost: nothing can follow them, not even an alert.
    pub(crate) fn abandon(&mut self) {
        self.outgoing = Queue::default();
        self.closed = true;
    }

    /// Whether the peer's close_notify arrived, so that an end of the connection is no truncation.
    pub(crate) fn closed_cleanly(&self) -> bool {
        self.peer_closed
    }

    /// The protocol agreed on by ALPN. One that was not offered is refused by rustls.
    pub(crate) fn alpn(&self) -> Option<&[u8]> {
        self.connection.alpn_protocol()
    }

    /// Whether an earlier session was resumed.
    pub(crate) fn resumed(&self) -> bool {
        self.connection.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// The version agreed on.
    pub(crate) fn version(&self) -> Option<TlsVersion> {
        match self.connection.protocol_version()? {
            ProtocolVersion::TLSv1_2 => Some(TlsVersion::Tls12),
            ProtocolVersion::TLSv1_3 => Some(TlsVersion::Tls13),
            _ => None,
        }
    }

    fn check(&self) -> Result<(), TlsFault> {
        match &self.fault {
            Some(fault) => Err(fault.clone()),
            None => Ok(()),
        }
    }

    /// Lets go of the empty buffer, unless more of the wire is to come: then it is needed again.
    fn release_plaintext(&mut self) {
        if self.plaintext.is_empty() && self.incoming.capacity() == 0 {
            self.plaintext.release();
        }
    }

    /// Moves the rest of the record in `incoming`, or what `wire` has of it; returns its length.
    fn take_record(&mut self, wire: &[u8]) -> usize {
        let mut taken = 0;
        if self.incoming.len() == self.record && wire.len() >= RECORD_HEADER_BYTES {
            let record = RECORD_HEADER_BYTES + missing_of_record(wire);
            self.incoming.reserve(record.min(wire.len()));
        }
        // first what lacks of the header, then what the header says
        for _ in 0..2 {
            let missing = missing_of_record(&self.incoming[self.record..]);
            let n = missing.min(wire.len() - taken);
            self.incoming.extend_from_slice(&wire[taken..taken + n]);
            taken += n;
        }
        taken
    }

    /// Lets rustls process `incoming` until it needs more, and acts when it may send data.
    fn advance(&mut self, then: Then<'_>) -> Result<(), TlsFault> {
        let complete = missing_of_record(&self.incoming[self.record..]) == 0;
        loop {
            let UnbufferedStatus { discard, state } =
                self.connection.process_tls_records(&mut self.incoming);
            let mut idle = false;
            let outcome = match state {
                Ok(ConnectionState::ReadTraffic(traffic)) => self.plaintext.decrypt(traffic),
                Ok(ConnectionState::EncodeTlsData(data)) => {
                    self.outgoing.encode(data);
                    Ok(())
                }
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    Ok(())
                }
                Ok(ConnectionState::PeerClosed) => {
                    self.peer_closed = true;
                    Ok(())
                }
                Ok(ConnectionState::WriteTraffic(traffic)) => {
                    idle = true;
                    self.outgoing.encrypt(traffic, &then)
                }
                // blocked in the handshake, closed on both sides, or a state for servers
                Ok(_) => {
                    idle = true;
                    Ok(())
                }
                Err(error) => Err(error),
            };
            if let Err(error) = outcome {
                return Err(self.fail_with(&error));
            }
            self.incoming.drain(..discard);
            self.record = self.record.saturating_sub(discard);
            if idle {
                break;
            }
        }
        if complete {
            self.record = self.incoming.len();
        }
        if !self.is_handshaking() {
            self.handshake = None;
        }
        Ok(())
    }

    fn fail_with(&mut self, error: &Error) -> TlsFault {
        let no_hello_yet = self.connection.protocol_version().is_none();
        let fault = match error {
            Error::InvalidMessage(
                InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
            ) if no_hello_yet => fault::not_tls(&self.incoming),
            error => fault::of_session(error, self.progress()),
        };
        if let (Error::DecryptError, Some(handshake)) = (error, &self.handshake) {
            handshake.policy.forget_session(&handshake.name);
        }
        self.fail(fault)
    }

    fn progress(&self) -> Progress {
        let is_agreed = self.connection.negotiated_cipher_suite().is_some();
        Progress { is_agreed, has_certificate: self.has_certificate }
    }

    /// Makes the failure last, and keeps what is left to be sent: an alert.
    fn fail(&mut self, fault: TlsFault) -> TlsFault {
        while self.connection.wants_write() {
            // what waits to be sent comes before anything is received: no input is needed
            match self.connection.process_tls_records(&mut []).state {
                Ok(ConnectionState::EncodeTlsData(data)) => self.outgoing.encode(data),
                _ => break,
            }
        }
        self.incoming = Vec::new();
        self.record = 0;
        self.handshake = None;
        self.fault = Some(fault.clone());
        fault
    }
}

impl Queue {
    fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn len(&self) -> usize {
        self.bytes.len() - self.taken
    }

    /// All of them.
    pub(crate) fn front(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }

    /// Drops the first `n`.
    ///
    /// # Panics
    ///
    /// When there are fewer.
    pub(crate) fn consume(&mut self, n: usize) {
        assert!(n <= self.len(), "consumed more than there is");
        self.taken += n;
        if self.taken == self.bytes.len() {
            self.bytes.clear();
            self.taken = 0;
        }
    }

    fn release(&mut self) {
        self.bytes = Vec::new();
    }

    fn decrypt(&mut self, mut traffic: ReadTraffic<'_, '_, ClientData>) -> Result<(), Error> {
        while let Some(record) = traffic.next_record() {
            self.bytes.extend_from_slice(record?.payload);
        }
        Ok(())
    }

    fn encode(&mut self, mut data: EncodeTlsData<'_, ClientData>) {
        self.append(0, |out| match data.encode(out) {
            Err(EncodeError::InsufficientSize(size)) => Err(size.required_size),
            // already encoded: nothing to add
            written => Ok(written.unwrap_or(0)),
        });
    }

    fn encrypt(
        &mut self,
        mut traffic: WriteTraffic<'_, ClientData>,
        then: &Then<'_>,
    ) -> Result<(), Error> {
        let room = match then {
            Then::Nothing => return Ok(()),
            Then::Close => RECORD_OVERHEAD_BYTES,
            Then::Write(plain) => {
                let records = plain.len().div_ceil(RECORD_PLAINTEXT_BYTES);
                plain.len() + records * RECORD_OVERHEAD_BYTES
            }
        };
        let mut exhausted = false;
        self.append(room, |out| {
            let written = match then {
                Then::Nothing => Ok(0),
                Then::Close => traffic.queue_close_notify(out),
                Then::Write(plain) => traffic.encrypt(plain, out),
            };
            match written {
                Err(EncryptError::InsufficientSize(size)) => Err(size.required_size),
                Err(EncryptError::EncryptExhausted) => {
                    exhausted = true;
                    Ok(0)
                }
                Ok(n) => Ok(n),
            }
        });
        if exhausted { Err(Error::EncryptError) } else { Ok(()) }
    }

    /// Appends what `produce` writes into the room; it answers with the length, or with the room
    /// that it needs and did not get.
    fn append(&mut self, room: usize, mut produce: impl FnMut(&mut [u8]) -> Result<usize, usize>) {
        let end = self.bytes.len();
        let mut room = room;
        loop {
            self.bytes.resize(end + room, 0);
            match produce(&mut self.bytes[end..]) {
                Ok(n) => return self.bytes.truncate(end + n),
                Err(needed) => room = needed.max(room + 1),
            }
        }
    }
}

/// How many bytes `record`, the beginning of a record, lacks to be complete, or to have a header.
fn missing_of_record(record: &[u8]) -> usize {
    match record {
        [_, _, _, high, low, payload @ ..] => {
            usize::from(u16::from_be_bytes([*high, *low])).saturating_sub(payload.len())
        }
        header => RECORD_HEADER_BYTES - header.len(),
    }
}

#[cfg(test)]
mod tests;
