//! The memory that peers make an engine hold: how much there is, who holds how much, and who waits to hold more.
//!
//! Knows bytes and a line. Must not know what they are for, nor what a connection is. Invariants: what is lent comes back
//! when its [`Loan`] is dropped; while anybody holds anything, somebody may go on.
//!
//! # Rules
//!
//! * Whoever is about to hold more asks before, and may as long as less is held than the limit. How much it came to is
//!   known afterwards, so that what is held exceeds the limit by what one of them takes at once, and no claim of a peer
//!   counts that comes to nothing.
//! * Who may not waits, in a line in which owners take turns, with what it holds. The next is called when there is room
//!   again.
//! * What those hold who wait counts. Where that comes to much, there is no waiting any more.
//! * Where all that is held is held by those who wait, none of them would ever let go: the first of them goes on all the
//!   same, and the others after it.
//! * Who makes little use of what it holds while others wait loses it, and who waits where there is no place: those of
//!   whoever is the owner of the most, the largest first.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::ids::ExchangeId;
use crate::engine::turns::Turns;
use crate::limits;
use crate::time::Time;

/// All that may be held.
pub(in crate::engine) struct Memory {
    books: Rc<Books>,
    /// Those that wait, and some that do not any more.
    line: Turns<ExchangeId>,
}

struct Books {
    limit: usize,
    held: Cell<usize>,
    /// Held by those who wait.
    waiting: Cell<usize>,
}

/// What one of them holds.
pub(in crate::engine) struct Loan {
    books: Rc<Books>,
    bytes: usize,
    waits_since: Option<Time>,
    /// When it was last looked at what was made of it, and what that was by then.
    inspected: Cell<Option<(Time, u64)>>,
}

impl Memory {
    pub(in crate::engine) fn new(limit: usize) -> Memory {
        let books = Books { limit, held: Cell::new(0), waiting: Cell::new(0) };
        Memory { books: Rc::new(books), line: Turns::new() }
    }

    /// A loan of nothing yet.
    pub(in crate::engine) fn lend(&self) -> Loan {
        Loan { books: self.books.clone(), bytes: 0, waits_since: None, inspected: Cell::default() }
    }

    /// Whether so much is held that who has to wait has no place to do so.
    pub(super) fn is_full(&self) -> bool {
        self.is_full_without(0)
    }

    /// The same, if so much were given back.
    pub(super) fn is_full_without(&self, bytes: usize) -> bool {
        self.held().saturating_sub(bytes) / limits::MEMORY_IN_LINE >= self.books.limit
    }

    /// Whether those who wait hold all there is, so that each waits for the one who goes on.
    pub(super) fn is_held_in_line(&self) -> bool {
        self.books.waiting.get() >= self.books.limit
    }

    /// How much comes back at a time from whoever has most.
    pub(super) fn portion(&self) -> usize {
        self.books.limit / limits::MEMORY_PORTIONS
    }

    /// Bytes that are held.
    pub(in crate::engine) fn held(&self) -> usize {
        self.books.held.get()
    }

    /// Puts whoever waits in line, where owners take turns.
    pub(super) fn join(&mut self, owner: &Arc<str>, who: ExchangeId) {
        self.line.push(owner, who);
    }

    /// How many stand in line, those included who have left.
    pub(super) fn in_line(&self) -> usize {
        self.line.len()
    }

    /// Takes out of the line who does not wait any more.
    pub(super) fn forget(&mut self, waits: impl Fn(ExchangeId) -> bool) {
        self.line.retain(|&who| waits(who));
    }

    /// Whether somebody is to be called.
    #[inline]
    pub(in crate::engine) fn has_call(&self) -> bool {
        !self.line.is_empty() && self.books.lets_grow(0)
    }

    /// Whose turn it is, if it may go on. It may have left.
    #[inline]
    pub(super) fn call(&mut self) -> Option<ExchangeId> {
        if self.has_call() { self.line.pop().map(|(_, who)| who) } else { None }
    }
}

impl Books {
    /// Whether somebody who holds `bytes`, and does not wait, may hold more.
    fn lets_grow(&self, bytes: usize) -> bool {
        let (held, waiting) = (self.held.get(), self.waiting.get());
        held < self.limit || held - bytes <= waiting
    }

    fn add(count: &Cell<usize>, before: usize, after: usize) {
        count.set(count.get() - before + after);
    }
}

impl Loan {
    pub(in crate::engine) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether it may come to more.
    pub(in crate::engine) fn may_grow(&self) -> bool {
        self.books.lets_grow(self.bytes)
    }

    /// So much it has come to.
    pub(in crate::engine) fn set(&mut self, bytes: usize) {
        Books::add(&self.books.held, self.bytes, bytes);
        if self.waits_since.is_some() {
            Books::add(&self.books.waiting, self.bytes, bytes);
        }
        self.bytes = bytes;
    }

    /// Its holder waits, from now on.
    pub(super) fn wait(&mut self, now: Time) {
        if self.waits_since.is_none() {
            self.waits_since = Some(now);
            Books::add(&self.books.waiting, 0, self.bytes);
        }
    }

    /// Its holder waits no more.
    pub(super) fn go_on(&mut self) {
        if self.waits_since.take().is_some() {
            Books::add(&self.books.waiting, self.bytes, 0);
        }
    }

    /// Whether its holder, who has done so many bytes by now, would take longer than this to do as many as are held, at the
    /// pace since it was last looked at; and looks anew.
    pub(super) fn is_little_used(&self, done: u64, within: Duration, now: Time) -> bool {
        let Some((since, before)) = self.inspected.replace(Some((now, done))) else { return false };
        let seconds = now.since(since).as_secs_f64();
        done.saturating_sub(before) as f64 * within.as_secs_f64() < self.bytes as f64 * seconds
    }

    /// Since when its holder has waited, if it does.
    pub(super) fn waits_since(&self) -> Option<Time> {
        self.waits_since
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.go_on();
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id;

    fn who(number: u64) -> ExchangeId {
        Id::from_bits(number)
    }

    const NOW: Time = Time::ZERO;

    #[test]
    fn what_is_lent_comes_back() {
        let memory = Memory::new(100);
        let (mut one, mut two) = (memory.lend(), memory.lend());
        one.set(60);
        assert!(two.may_grow());
        two.set(70);
        assert_eq!(memory.held(), 130, "what one takes at once may exceed it");
        assert!(!one.may_grow() && !two.may_grow() && !memory.lend().may_grow());
        two.set(10);
        assert!(one.may_grow());
        drop(one);
        assert_eq!(memory.held(), 10);
        two.wait(NOW);
        drop(two);
        assert_eq!((memory.held(), memory.books.waiting.get()), (0, 0));
    }

    #[test]
    fn who_waits_is_called_in_order_when_there_is_room() {
        let mut memory = Memory::new(100);
        let mut holder = memory.lend();
        holder.set(100);
        let mut waiting: Vec<_> = (0..3).map(|_| memory.lend()).collect();
        for (number, loan) in waiting.iter_mut().enumerate() {
            assert!(!loan.may_grow());
            loan.wait(NOW);
            memory.join(&"owner".into(), who(number as u64));
        }
        assert_eq!(memory.call(), None);
        holder.set(99);
        assert_eq!(memory.call(), Some(who(0)));
        waiting[0].go_on();
        waiting[0].set(1);
        assert_eq!(memory.call(), None, "the room is taken");
        memory.forget(|one| one != who(1));
        drop(holder);
        assert_eq!(memory.call(), Some(who(2)));
        assert!(!memory.has_call());
    }

    /// However much those hold who all wait, one goes on, and only one.
    #[test]
    fn somebody_may_always_go_on() {
        let mut memory = Memory::new(100);
        let mut loans: Vec<_> = (0..4).map(|_| memory.lend()).collect();
        for loan in &mut loans {
            loan.set(40);
        }
        for (number, loan) in loans.iter_mut().enumerate() {
            assert!(!loan.may_grow() || number == 3, "{number}");
            loan.wait(NOW);
            memory.join(&"owner".into(), who(number as u64));
        }
        while !loans.is_empty() {
            let mut first = loans.remove(0);
            memory.call().expect("somebody goes on");
            first.go_on();
            assert!(first.may_grow());
            first.set(1000);
            assert!(first.may_grow(), "until it has ended");
            assert!(!memory.has_call(), "only one");
            let mut newcomer = memory.lend();
            assert!(!newcomer.may_grow());
            newcomer.wait(NOW);
            assert!(first.may_grow());
        }
        assert_eq!(memory.held(), 0);
    }
}
