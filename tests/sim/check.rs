//! What must hold: at each end of a transfer, and after each batch.

use std::collections::BTreeMap;
use std::time::Duration;

use ringdove::engine::{Message, Report, Response};
use ringdove::error::{Cause, Deadline, Error, Operation};
use ringdove::protocol::HttpFault;

use crate::driver::Times;
use crate::network::{ECONNREFUSED, ECONNRESET, EMFILE, EPIPE};
use crate::plan::{AddressPlan, BodyPlan, Fault, Framing, HostPlan, LookupPlan, Plan, ReplyAt};
use crate::world::World;

/// How late a deadline may be acted upon: two ticks of the engine's timers.
const TOLERANCE: u64 = 2_200_000;

impl World {
    pub(crate) fn check_message(&mut self, message: Message) {
        let index = self.by_id[&message.transfer.to_bits()];
        self.say(|_| format!("  {index} is over: {:?}", message.outcome));
        let transfer = &self.transfers[index];
        assert!(!transfer.over, "{index} is over twice");
        assert!(transfer.seen.borrow().done, "{index} is over, and its handler was not told");
        let report = &message.outcome.report;
        self.check_report(index, report);
        match &message.outcome.result {
            Ok(response) => {
                self.check_success(index, response, report);
                self.succeeded += 1;
            }
            Err(error) => {
                if let Err(why) = self.check_error(index, error, report) {
                    panic!("{index} failed: {error} ({error:?}): {why}");
                }
                self.failed += 1;
            }
        }
        self.transfers[index].over = true;
    }

    fn check_report(&self, index: usize, report: &Report) {
        let (transfer, plan) = (&self.transfers[index], &self.scenario.plans[index]);
        let seen = transfer.seen.borrow();
        let times = report.times;
        let total = times.total;
        let since = [transfer.added, transfer.admitted.unwrap_or(self.now)];
        let [most, least] = since.map(|at| Duration::from_nanos(self.now - at));
        assert!((least..=most).contains(&total), "the time of {index}: {total:?}");
        let parts = times.queue + times.resolve + times.connect + times.tls + times.first_byte;
        assert!(parts <= total, "the parts of {index}'s time are more than all: {times:?}");
        assert_eq!(report.body_received, seen.body as u64, "the body of {index}");
        assert_eq!(report.status, seen.status, "the status of {index}");
        let processed = u32::from(transfer.processed);
        assert!(processed <= u32::from(report.resent) + 1, "{index} was sent again in silence");
        let timeouts = &plan.options.timeouts;
        let late = Duration::from_nanos(TOLERANCE + self.scenario.lateness);
        // one whose addresses had no room connects again, as often as others come before it
        let again = transfer.exhausted || self.gates.has_rules();
        let rounds = u32::from(report.resent) + 1 + u32::from(again) * 1_000;
        let within = |time: Duration, most: Option<Duration>| {
            most.is_none_or(|most| time <= (most + late) * rounds)
        };
        assert!(within(times.connect, timeouts.connect), "{index} connected for {times:?}");
        assert!(within(times.queue, timeouts.queue), "{index} queued for {times:?}");
        assert!(within(times.total, timeouts.total), "{index} took {times:?}");
    }

    fn check_success(&self, index: usize, response: &Response, report: &Report) {
        let (transfer, plan) = (&self.transfers[index], &self.scenario.plans[index]);
        let seen = transfer.seen.borrow();
        let reply = &plan.reply;
        assert!(!seen.paused, "{index} ended well while it was paused");
        assert!(!seen.aborted, "{index} ended well after it was aborted");
        assert_eq!(response.status, reply.status, "the status of {index}");
        assert_eq!(seen.informational, reply.informational, "informational responses of {index}");
        let size = plan.response_size();
        match reply.fault {
            Fault::None | Fault::Trailing { .. } => assert_eq!(seen.body, size, "body of {index}"),
            Fault::ShortLength => assert_eq!(seen.body, size - 1, "body of {index}"),
            // what the close delimits may be cut, and nobody knows
            Fault::End { resets: false, .. } if closes_delimit(plan) => {
                assert!(seen.body <= size, "body of {index}");
            }
            fault => panic!("{index} ended well in spite of {fault:?}"),
        }
        let asked = transfer.processed > 0 || reply.at == ReplyAt::RequestLine;
        assert!(asked, "{index} was answered before it was asked");
        assert!(report.wire_received > report.body_received, "the wire of {index}: {report:?}");
        let most = plan.options.max_body.unwrap_or(u64::MAX);
        assert!(report.body_received <= most, "{index} may have {most} bytes");
        let remote = report.remote.expect("it was connected");
        self.scenario.hosts[plan.host].index_of(plan.host, remote.ip());
    }

    /// Each address of a host that was tried in vain is told of; the last of them at least, where a transfer has waited for
    /// one in between.
    fn check_attempts(&self, host: &HostPlan, error: &Error) -> Result<(), String> {
        let told = error.attempts.as_ref().map_or(0, |attempts| attempts.len());
        let all = told == host.addresses.len() || (told > 0 && self.gates.has_rules());
        if all { Ok(()) } else { Err(format!("{told} addresses are told")) }
    }

    /// An error must have its reason in what the seed has done to the transfer.
    fn check_error(&self, index: usize, error: &Error, report: &Report) -> Result<(), String> {
        let (transfer, plan) = (&self.transfers[index], &self.scenario.plans[index]);
        let host = &self.scenario.hosts[plan.host];
        let sockets = || transfer.sockets.iter().map(|&socket| &self.sockets[socket]);
        let cut = sockets().any(|socket| socket.cut);
        let poisoned = sockets().any(|socket| socket.server.poisoned);
        let demand = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_owned()) };
        match &error.cause {
            Cause::Http(HttpFault::UnexpectedEof { .. } | HttpFault::CloseWithoutNotify { .. }) => {
                demand(cut, "nobody cut it off")?
            }
            Cause::Http(_) => demand(poisoned, "nobody broke HTTP")?,
            Cause::Closed => {
                demand(cut || poisoned, "nobody closed it")?;
                self.check_not_resent(index, error, report)?;
            }
            Cause::Os { operation, errno } => match (operation, *errno) {
                (Operation::Connect, ECONNREFUSED) => {
                    let refuses = |a: &AddressPlan| matches!(a, AddressPlan::Refuse { .. });
                    let all = host.addresses.iter().all(refuses);
                    demand(all, "an address would have done")?;
                    self.check_attempts(host, error)?;
                }
                (Operation::Recv, ECONNRESET) | (Operation::Send, EPIPE) => {
                    demand(cut, "nobody reset it")?;
                    self.check_not_resent(index, error, report)?;
                }
                (Operation::Socket, EMFILE) => demand(transfer.exhausted, "there was room")?,
                _ => return Err("an errno that nobody made".into()),
            },
            Cause::Timeout { deadline, after } => {
                self.check_timeout(index, *deadline, *after, report)?;
            }
            Cause::Resolve(_) => {
                demand(matches!(host.lookup, LookupPlan::Fail { .. }), "its name has addresses")?;
            }
            Cause::BodyTooLarge { limit } => {
                demand(plan.options.max_body == Some(*limit), "another limit")?;
                demand(plan.response_size() as u64 + 11 > *limit, "the body is small enough")?;
            }
            Cause::Aborted(_) | Cause::Body(_) => {
                let source = transfer.signals.failed.load(std::sync::atomic::Ordering::Relaxed);
                let handler = transfer.seen.borrow().aborted;
                demand(source || handler, "nobody aborted it")?;
            }
            other => return Err(format!("no such cause here: {other:?}")),
        }
        Ok(())
    }

    /// What failed on a kept connection, and could have been sent again, is not to fail.
    fn check_not_resent(&self, index: usize, error: &Error, report: &Report) -> Result<(), String> {
        use ringdove::error::{Progress, Retry};
        let plan = &self.scenario.plans[index];
        let rewinds = match plan.body {
            BodyPlan::Stream { rewinds, .. } => rewinds,
            BodyPlan::None | BodyPlan::Memory { .. } => true,
        };
        let safe = match error.retry() {
            Retry::Safe => true,
            Retry::IfIdempotent => plan.method.is_idempotent(),
            Retry::No => false,
        };
        if error.progress == Progress::NothingSent
            && self.transfers[index].processed > report.resent
        {
            return Err("the server has seen the request".into());
        }
        if report.reused && safe && rewinds && report.resent < 3 {
            return Err("it could have been sent again".into());
        }
        Ok(())
    }

    fn check_timeout(
        &self,
        index: usize,
        deadline: Deadline,
        after: Duration,
        report: &Report,
    ) -> Result<(), String> {
        let (transfer, plan) = (&self.transfers[index], &self.scenario.plans[index]);
        let timeouts = &plan.options.timeouts;
        let on_link = |at: fn(&Times) -> u64| -> Result<Duration, String> {
            let times = transfer.times.as_ref().ok_or("it was on no connection")?;
            Ok(Duration::from_nanos(self.now - at(times)))
        };
        let resumed = Duration::from_nanos(self.now - transfer.resumed);
        let late = Duration::from_nanos(TOLERANCE + self.scenario.lateness);
        let (set, waited) = match deadline {
            Deadline::Queue => (timeouts.queue, report.times.queue),
            Deadline::Resolve => (timeouts.resolve, report.times.resolve),
            Deadline::Connect => (timeouts.connect, on_link(|times| times.connecting_since)?),
            Deadline::FirstByte => (timeouts.first_byte, on_link(|times| times.sent)?.min(resumed)),
            Deadline::Idle => (timeouts.idle, on_link(|times| times.moved)?.min(resumed)),
            Deadline::Total => (timeouts.total, report.times.total),
            Deadline::LowSpeed => {
                let over = plan.options.low_speed.ok_or("no speed was demanded")?.over;
                // a measurement follows another; none begins before the transfer
                return if report.times.total + late >= over {
                    Ok(())
                } else {
                    Err("early".into())
                };
            }
            Deadline::Tls => (timeouts.tls, on_link(|times| times.connected)?),
            other => return Err(format!("a deadline that is not known here: {other:?}")),
        };
        if set != Some(after) {
            return Err(format!("the deadline is {set:?}"));
        }
        if waited < after {
            return Err(format!("early: it has waited for {waited:?}"));
        }
        // each wait counts for itself, and the report has them all together
        let waits = report.resent + u8::from(transfer.exhausted || self.gates.has_rules());
        let again = deadline == Deadline::Resolve && self.looked_up.get(&plan.host) > Some(&1);
        let once = waits == 0 && !again;
        if waited > after + late && once {
            return Err(format!("late: it has waited for {waited:?}"));
        }
        Ok(())
    }

    pub(crate) fn check_batch(&mut self) {
        self.check_limits();
        self.check_gates();
        let slack = TOLERANCE + self.scenario.lateness;
        for link in self.links.values() {
            let deadline = self.engine.level(link.id).deadline.as_nanos();
            assert!(
                deadline.saturating_add(slack) > self.now,
                "the deadline of {:?} passed {:?} ago",
                link.id,
                Duration::from_nanos(self.now - deadline)
            );
        }
        for (index, transfer) in self.transfers.iter().enumerate() {
            let total = self.scenario.plans[index].options.timeouts.total;
            if let (false, Some(admitted), Some(total)) = (transfer.over, transfer.admitted, total)
            {
                let end = admitted + total.as_nanos() as u64 + slack;
                assert!(self.now < end, "{index} outlives its time");
            }
        }
    }

    pub(crate) fn check_limits(&mut self) {
        let limits = &mut self.limits;
        let open = self.links.len();
        assert_eq!(open, self.engine.stats().connections, "connections");
        limits.allowed = limits.max.max(open.min(limits.allowed));
        assert!(open <= limits.allowed, "{open} connections, of {} allowed", limits.allowed);
        let mut by_origin: BTreeMap<_, usize> = BTreeMap::new();
        for link in self.links.values() {
            *by_origin.entry(link.origin).or_default() += 1;
        }
        limits.allowed_per_origin.retain(|origin, _| by_origin.contains_key(origin));
        for (origin, open) in by_origin {
            let allowed = limits.allowed_per_origin.entry(origin).or_default();
            *allowed = limits.per_origin.max(open.min(*allowed));
            assert!(open <= *allowed, "{open} connections to {origin:?}, of {allowed} allowed");
        }
    }
}

/// Whether the plan's response ends with its connection.
fn closes_delimit(plan: &Plan) -> bool {
    let without = plan.method == http::Method::HEAD || matches!(plan.reply.status, 204 | 304);
    let chunked = plan.reply.framing == Framing::Chunked && !plan.reply.http10;
    !without && plan.reply.framing != Framing::Length && !chunked
}
