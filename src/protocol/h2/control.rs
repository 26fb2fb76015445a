//! Frames about a stream or the connection as a whole: resets, settings, windows, pings, and that the peer goes away.
//!
//! Knows what each of them changes. Must not know how they came. Invariant: each is progress, or counts as what brings nothing.

use super::connection::Connection;
use super::event::{GoAway, Step, Stepped};
use super::fault::{ErrorCode, LinkFault};
use super::frame::{self, FrameHeader, MOST_STREAM};
use super::settings::PeerSettings;
use super::stream::RequestHalf;
use crate::limits::H2_DEBUG;
use crate::protocol::fault::HttpFault;

impl Connection {
    pub(super) fn rst_stream(&mut self, number: u32, payload: &[u8]) -> Stepped {
        let code = ErrorCode(frame::first_word(payload).unwrap_or_default());
        let Some(id) = self.find(number)? else {
            // one that says so of a stream which has ended anyway
            self.budget.spend()?;
            return Ok(None);
        };
        let key = self.streams.peek(id).map_or(0, |stream| stream.key);
        self.close(id);
        self.ended.insert(number);
        Ok(Some(match code {
            ErrorCode::REFUSED_STREAM => Step::Refused { key },
            code => Step::Reset { key, code },
        }))
    }

    pub(super) fn settings(&mut self, header: FrameHeader, payload: &[u8]) -> Stepped {
        if header.has(frame::ACK) {
            self.budget.spend()?;
            return if payload.is_empty() {
                Ok(None)
            } else {
                Err(LinkFault::FrameSize("SETTINGS"))
            };
        }
        let before = self.peer;
        self.peer = before.after(payload)?;
        let PeerSettings { header_table, initial_window, .. } = self.peer;
        if self.is_settled {
            self.budget.spend()?;
        }
        self.is_settled = true;
        self.encoder.set_peer_max(header_table);
        self.outbox.acknowledge_settings()?;
        self.change_windows(i64::from(initial_window) - i64::from(before.initial_window))?;
        Ok(None)
    }

    /// The window that streams begin with has changed, and theirs with it (RFC 9113, 6.9.2).
    fn change_windows(&mut self, by: i64) -> Result<(), LinkFault> {
        if by == 0 {
            return Ok(());
        }
        for stream in self.streams.iter_mut() {
            let changed = stream.outbound.change(by);
            changed.map_err(|_| LinkFault::FlowControl("a window beyond 2^31-1"))?;
        }
        for id in self.streams.select(|stream| stream.can_send() && !stream.is_lined_up) {
            self.line_up(id);
        }
        Ok(())
    }

    pub(super) fn window_update(&mut self, number: u32, payload: &[u8]) -> Stepped {
        self.budget.spend()?;
        let increment = frame::first_word(payload).unwrap_or_default() & MOST_STREAM;
        if number == 0 {
            return match self.outbound.change(i64::from(increment)) {
                _ if increment == 0 => Err(LinkFault::Protocol("a window that changes by nothing")),
                Ok(()) => Ok(None),
                Err(_) => Err(LinkFault::FlowControl("a window beyond 2^31-1")),
            };
        }
        let Some(id) = self.find(number)? else { return Ok(None) };
        let Some(stream) = self.streams.get(id) else { return Ok(None) };
        let (why, code) = match stream.outbound.change(i64::from(increment)) {
            _ if increment == 0 => ("its window changes by nothing", ErrorCode::PROTOCOL_ERROR),
            Ok(()) => {
                self.line_up(id);
                return Ok(None);
            }
            Err(_) => ("its window is beyond 2^31-1", ErrorCode::FLOW_CONTROL_ERROR),
        };
        Ok(Some(self.fail_stream(id, HttpFault::Malformed(why), code)))
    }

    pub(super) fn pinged(&mut self, header: FrameHeader, payload: &[u8]) -> Stepped {
        if header.has(frame::ACK) && self.ping.is_some_and(|ping| ping == payload) {
            self.ping = None;
            let payload = payload.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
            return Ok(Some(Step::Pong { payload }));
        }
        self.budget.spend()?;
        if !header.has(frame::ACK) {
            self.outbox.pong(payload)?;
        }
        Ok(None)
    }

    pub(super) fn goes_away(&mut self, payload: &[u8]) -> Stepped {
        let (Some(last), Some(code)) =
            (frame::first_word(payload), payload.get(4..).and_then(frame::first_word))
        else {
            return Err(LinkFault::FrameSize("GOAWAY"));
        };
        let goaway = GoAway { last: last & MOST_STREAM, code: ErrorCode(code) };
        if self.goaway.is_some_and(|before| before.last < goaway.last) {
            return Err(LinkFault::Protocol("a GOAWAY that takes back another"));
        }
        self.budget.spend()?;
        self.goaway = Some(goaway);
        self.owed.debug.clear();
        self.owed.debug.extend(payload[8..].iter().take(H2_DEBUG));
        // none may be begun any more, and so none leaves that has not (RFC 9113, 6.8)
        self.owed.refused = self
            .streams
            .select(|stream| stream.number > goaway.last || stream.request == RequestHalf::Head);
        self.owed.refused.reverse();
        Ok(Some(Step::GoAway(goaway)))
    }
}
