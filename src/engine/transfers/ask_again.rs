//! A transfer that failed, or was answered so, waits to ask again.
//!
//! Has it wait without a connection. Whether it may, and for how long, `retry` says.

use crate::engine::ids::TransferId;
use crate::engine::net::Net;
use crate::engine::roster::Roster;
use crate::engine::transfers::report::Report;
use crate::engine::transfers::retry_policy::Retried;
use crate::engine::transfers::retrying::Resend;
use crate::engine::transfers::transfer::Place;
use crate::error::Error;

impl Roster {
    /// Whether a transfer that failed asks again; its handler has `seen` something of a response, or not.
    pub(super) fn asks_again_after(
        &mut self,
        net: &mut Net,
        id: TransferId,
        error: &Error,
        untouched: bool,
        seen: bool,
    ) -> bool {
        let Some(transfer) = self.transfers.get_mut(id) else { return false };
        if seen && !transfer.starts_over() {
            return false;
        }
        self.common.retries.take_error(transfer, error, untouched, net.now)
    }

    /// A request that is asked again is over: the transfer waits for its next one. What it held it has
    /// given back.
    #[cold]
    pub(super) fn wait_to_ask_again(
        &mut self,
        net: &mut Net,
        id: TransferId,
        report: &Report,
        error: Option<Error>,
    ) {
        let Some(transfer) = self.transfers.get_mut(id) else { return };
        let Some(retrying) = &mut transfer.retrying else { return };
        let Some(Resend { wait, unasked }) = retrying.next.take() else { return };
        let status = report.status.filter(|_| error.is_none());
        retrying.past.push(Retried { status, error, wait });
        if unasked {
            transfer.request.head.drop_expect();
        }
        transfer.place = Place::Later(net.now + wait);
        transfer.since = net.now;
        net.stats.retried += 1;
        if wait.is_zero() {
            self.seek_connection(net, id);
        } else {
            self.schedule_transfer(net, id);
        }
    }
}
