//! A transfer for which the system had no room, and what it waited for that.

use std::time::Duration;

use crate::engine::dials::shortage::{Exhausted, Shortage};
use crate::engine::stats::Stats;
use crate::engine::transfers::transfer::Transfer;
use crate::error::Operation;

impl Transfer {
    /// Was refused, and goes back to its queue.
    #[cold]
    pub(in crate::engine) fn note_shortage(
        &mut self,
        operation: Operation,
        errno: i32,
        stats: &mut Stats,
    ) {
        let queued = Duration::from_nanos(self.spent.queue);
        self.count_shortage(queued, stats);
        self.shortage(operation, errno).queued_before = Some(queued);
        stats.exhausted += 1;
        stats.exhausted_last = Some((operation, errno));
    }

    /// There was no room for a socket of the look-up that it waits for.
    #[cold]
    pub(in crate::engine) fn note_starved_lookup(&mut self, (operation, errno): (Operation, i32)) {
        self.shortage(operation, errno);
    }

    /// Counts one more time that something was refused.
    fn shortage(&mut self, operation: Operation, errno: i32) -> &mut Shortage {
        let none = Exhausted { operation, errno, times: 0, waited: Duration::ZERO };
        let first = || Box::new(Shortage { exhausted: none, queued_before: None });
        let shortage = self.shortage.get_or_insert_with(first);
        let times = shortage.exhausted.times + 1;
        shortage.exhausted = Exhausted { operation, errno, times, ..shortage.exhausted };
        shortage
    }

    /// Counts what was waited, of so long in the queue by now.
    #[cold]
    pub(in crate::engine) fn count_shortage(&mut self, queued: Duration, stats: &mut Stats) {
        let Some(Shortage { exhausted, queued_before }) = self.shortage.as_deref_mut() else {
            return;
        };
        if let Some(before) = queued_before.take() {
            let waited = queued.saturating_sub(before);
            exhausted.waited += waited;
            stats.exhausted_wait += waited;
        }
    }

    pub(in crate::engine) fn exhausted(&self) -> Option<Box<Exhausted>> {
        Some(Box::new(self.shortage.as_ref()?.exhausted))
    }
}
