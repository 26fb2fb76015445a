//! Requests as a connection that speaks HTTP/2 sees them, while it fills a buffer.
//!
//! Knows where their heads and bodies are. Must not know frames.

use crate::engine::Flow;
use crate::engine::exchanges::exchange::{Exchange, Hold};
use crate::engine::ids::{ExchangeId, of};
use crate::engine::multiplex::Departures;
use crate::engine::transfers::request::read_body;
use crate::engine::transfers::transfer::Transfer;
use crate::error::Cause;
use crate::id::{Id, Slab};
use crate::protocol::h2::{Mark, Part, RequestFault, Requests};
use crate::protocol::{HttpFault, RequestHead, SourceRead};

/// The requests of all exchanges, each under its id.
pub(in crate::engine) struct Lent<'a> {
    pub(in crate::engine) exchanges: &'a mut Slab<Exchange, of::Exchange>,
    pub(in crate::engine) transfers: &'a mut Slab<Transfer, of::Transfer>,
    pub(in crate::engine) departures: &'a mut Departures,
    /// Exchanges whose requests cannot be sent, or not any further.
    pub(in crate::engine) failed: Vec<(ExchangeId, Cause)>,
    /// A body's source was asked.
    pub(in crate::engine) asked: bool,
    /// Where in the buffer the last frame ended.
    pub(in crate::engine) at: usize,
}

impl Lent<'_> {
    fn transfer(&mut self, key: u64) -> Option<(&mut Exchange, &mut Transfer)> {
        let exchange = self.exchanges.get_mut(Id::from_bits(key))?;
        let transfer = self.transfers.get_mut(exchange.claim.transfer)?;
        Some((exchange, transfer))
    }
}

impl Requests for Lent<'_> {
    fn head(&self, key: u64) -> Option<&RequestHead> {
        let exchange = self.exchanges.get(Id::from_bits(key))?;
        Some(&self.transfers.get(exchange.claim.transfer)?.request.head)
    }

    fn read(&mut self, key: u64, out: &mut [u8]) -> SourceRead {
        // one that is gone has its stream cancelled
        let Some((exchange, transfer)) = self.transfer(key) else { return SourceRead::Pending };
        if exchange.holds.sending() {
            return SourceRead::Pending;
        }
        exchange.body_begun = true;
        let is_streamed = transfer.request.body.is_streamed();
        let read = read_body(&mut transfer.request.body, &mut exchange.body_taken, out);
        match read {
            SourceRead::Pending => exchange.holds.set(Hold::Source, true),
            SourceRead::Data(bytes) | SourceRead::Piece(bytes) if bytes <= out.len() => {
                let told = transfer.call_guarded(|it| it.handler.sending(&[], &out[..bytes]));
                if let Err(why) = told {
                    self.failed.push((Id::from_bits(key), Cause::Aborted(why)));
                    return SourceRead::Pending;
                }
            }
            _ => {}
        }
        self.asked |= is_streamed;
        read
    }

    fn wrote(&mut self, key: u64, mark: Mark) {
        let bytes = mark.end - std::mem::replace(&mut self.at, mark.end);
        self.departures.push(Id::from_bits(key), bytes, mark.is_last);
        let Some((exchange, transfer)) = self.transfer(key) else { return };
        if mark.part == Part::Head {
            exchange.head_taken = true;
            let mut flow = Flow::Continue;
            let told = transfer.call_guarded(|it| {
                flow = it.handler.starting();
                if !matches!(flow, Flow::Abort(_)) {
                    it.handler.sending_head(&it.request.head);
                }
            });
            let ends = match (told, flow) {
                (Err(why), _) | (_, Flow::Abort(why)) => Some(why),
                _ => None,
            };
            if let Some(why) = ends {
                self.failed.push((Id::from_bits(key), Cause::Aborted(why)));
                return;
            }
        }
        if let Some(stream) = exchange.codec.stream_mut() {
            stream.note_written(mark, bytes);
        }
    }

    fn failed(&mut self, key: u64, fault: RequestFault) {
        let cause = match fault {
            RequestFault::HeadTooLarge { size, limit } => {
                Cause::Http(HttpFault::RequestTooLarge { size, limit })
            }
            RequestFault::Body(fault) => Cause::Body(fault),
        };
        self.failed.push((Id::from_bits(key), cause));
    }
}
