//! All files of a driver, and what they hold of bodies.
//!
//! Knows how many bytes are not written yet, which transfers wait for that to be fewer, and which messages wait for files to be
//! over. Must not know what a file goes through, which is [`Part`]'s, nor who does that. Invariants: each byte that was taken
//! is counted until it is written or dropped; who was told that there is no room is resumed, or fails; a message comes
//! once no file of its transfer has anything left to be done.

use std::collections::VecDeque;

use super::part::{End, Part};
use super::{Room, Written};
use crate::engine::{Message, TransferId};
use crate::id::{Id, IdMap, Slab};
use crate::limits;
use crate::sys::Errno;
use crate::sys::file::{FileDone, FileOp};

/// The name of a file while it is written.
pub(super) type PartId = Id<Entry>;

/// A file, and what was taken for it.
pub(super) struct Entry {
    /// `None` while a thread has it.
    part: Option<Part>,
    /// Less than a block.
    gathered: Vec<u8>,
    /// What the part is to have next.
    blocks: VecDeque<Vec<u8>>,
    end: Option<End>,
    transfer: Option<TransferId>,
    /// How many bytes of it the table has counted.
    counted: usize,
    /// How many of these are with a part that a thread has.
    away: usize,
    /// What has come of it is there for others to read, and is kept though no more comes: it is written as soon as
    /// nothing else of it is.
    is_in_place: bool,
    is_queued: bool,
    is_owned: bool,
    /// It is one of those that a message may wait for.
    is_awaited: bool,
}

pub(super) struct Table {
    entries: Slab<Entry>,
    /// Those that may want something done.
    queue: VecDeque<PartId>,
    unwritten: usize,
    /// Room is to be made before there is some for anybody.
    is_crowded: bool,
    /// Transfers that were told that there is no room, and what each waits for.
    waits: IdMap<TransferId, Wait>,
    /// Those of which the wait is over, if it still is.
    resumed: Vec<TransferId>,
    /// Files that have been ended and are not over.
    ending: usize,
    /// The same by transfer, with the message that waits for them.
    awaited: IdMap<TransferId, Awaited>,
    released: VecDeque<Message>,
    /// What names aside are made of.
    mark: u64,
    /// There is no driver any more.
    is_closed: bool,
}

/// What a transfer waits for.
enum Wait {
    /// Room in one of these files.
    Room(Vec<PartId>),
    /// To be resumed.
    Over,
}

#[derive(Default)]
struct Awaited {
    files: usize,
    message: Option<Message>,
}

impl Table {
    pub(super) fn new(seed: u64) -> Table {
        Table {
            entries: Slab::new(),
            queue: VecDeque::new(),
            unwritten: 0,
            is_crowded: false,
            waits: IdMap::default(),
            resumed: Vec::new(),
            ending: 0,
            awaited: IdMap::default(),
            released: VecDeque::new(),
            mark: seed,
            is_closed: false,
        }
    }

    // what writers do

    /// What no other name aside of this driver is made of.
    pub(super) fn next_mark(&mut self) -> u64 {
        self.mark = self.mark.wrapping_add(1);
        self.mark
    }

    pub(super) fn insert(&mut self, part: Part, transfer: Option<TransferId>) -> PartId {
        self.entries.insert(Entry {
            is_in_place: part.is_in_place(),
            part: Some(part),
            gathered: Vec::new(),
            blocks: VecDeque::new(),
            end: None,
            transfer,
            counted: 0,
            away: 0,
            is_queued: false,
            is_owned: true,
            is_awaited: false,
        })
    }

    pub(super) fn bind(&mut self, id: PartId, transfer: TransferId) {
        if let Some(entry) = self.entries.get_mut(id) {
            entry.transfer = Some(transfer);
        }
    }

    /// Takes bytes; all of them, unless the file has failed.
    pub(super) fn write(&mut self, id: PartId, bytes: &[u8]) -> Result<Room, Errno> {
        let Some(entry) = self.entries.get_mut(id).filter(|_| !self.is_closed) else {
            return Err(Errno::EBADF);
        };
        if let Some(failure) = entry.part.as_ref().and_then(|part| part.failure()) {
            return Err(failure);
        }
        entry.gather(bytes);
        entry.counted += bytes.len();
        self.unwritten += bytes.len();
        if entry.is_in_place || !entry.blocks.is_empty() {
            self.enqueue(id);
        }
        if self.unwritten >= limits::FILES_UNWRITTEN && !self.is_crowded {
            self.is_crowded = true;
            self.write_gathered();
        }
        let full = |entry: &Entry| entry.counted >= limits::FILE_UNWRITTEN;
        if self.is_crowded || self.entries.get(id).is_some_and(full) {
            // else nothing may ever make room
            self.write_out(id);
            self.await_room(id);
            return Ok(Room::Full);
        }
        Ok(Room::More)
    }

    fn await_room(&mut self, id: PartId) {
        let Some(transfer) = self.entries.get(id).and_then(|entry| entry.transfer) else { return };
        match self.waits.get_mut(&transfer) {
            Some(Wait::Room(files)) if files.contains(&id) => {}
            Some(Wait::Room(files)) => files.push(id),
            Some(Wait::Over) | None => _ = self.waits.insert(transfer, Wait::Room(vec![id])),
        }
    }

    pub(super) fn failure(&self, id: PartId) -> Option<Errno> {
        self.entries.get(id)?.part.as_ref()?.failure()
    }

    /// No more bytes come.
    pub(super) fn end(&mut self, id: PartId, end: End) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        entry.end = Some(end);
        if end == End::Dropped && !entry.is_in_place {
            (entry.gathered, entry.blocks) = (Vec::new(), VecDeque::new());
        }
        let transfer = entry.transfer;
        if !entry.is_awaited && !entry.is_over() {
            entry.is_awaited = true;
            self.ending += 1;
            if let Some(transfer) = transfer {
                self.awaited.entry(transfer).or_default().files += 1;
            }
        }
        if let Some(transfer) = transfer.filter(|transfer| self.awaits_room(*transfer, id)) {
            // whoever waited for it waits for it no more: a request that is sent again, for one
            self.end_wait(transfer);
        }
        self.write_out(id);
        self.enqueue(id);
        self.settle(id);
    }

    /// What came of a file that is over.
    pub(super) fn take_result(&mut self, id: PartId) -> Option<Result<Written, Errno>> {
        self.entries.get_mut(id)?.part.as_mut()?.take_result()
    }

    /// Nobody will ask what came of it.
    pub(super) fn disown(&mut self, id: PartId) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        entry.is_owned = false;
        if entry.is_over() {
            self.entries.remove(id);
        } else if entry.end != Some(End::Dropped) {
            self.end(id, End::Dropped);
        }
    }

    // what the driver does

    /// Whether there is something to be begun, or somebody to be resumed.
    pub(super) fn has_work(&self) -> bool {
        !(self.queue.is_empty() && self.resumed.is_empty())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ending == 0 && self.released.is_empty()
    }

    /// Files that have been ended and are not over.
    pub(super) fn ending(&self) -> usize {
        self.ending
    }

    /// The next thing to be done.
    pub(super) fn next_op(&mut self) -> Option<(PartId, FileOp)> {
        while let Some(id) = self.queue.pop_front() {
            let Some(entry) = self.entries.get_mut(id) else { continue };
            entry.is_queued = false;
            // what comes while a thread has it is given when it is back
            let Some(part) = &mut entry.part else { continue };
            entry.blocks.drain(..).for_each(|block| part.push(block));
            if entry.is_in_place && part.held() == 0 && !entry.gathered.is_empty() {
                part.push(std::mem::take(&mut entry.gathered));
            }
            if let Some(end) = entry.end {
                part.end(end);
            }
            let op = part.next();
            self.settle(id);
            if let Some(op) = op {
                return Some((id, op));
            }
        }
        None
    }

    /// What became of it.
    pub(super) fn handle(&mut self, id: PartId, done: FileDone) {
        let Some(part) = self.entries.get_mut(id).and_then(|entry| entry.part.as_mut()) else {
            return;
        };
        part.handle(done);
        self.settle(id);
        self.enqueue(id);
    }

    /// Takes a file away for a thread that does all that it wants.
    pub(super) fn take_part(&mut self, id: PartId) -> Option<Part> {
        let entry = self.entries.get_mut(id)?;
        let part = entry.part.take()?;
        entry.away = part.held();
        Some(part)
    }

    pub(super) fn give_back(&mut self, id: PartId, part: Part) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        (entry.part, entry.away) = (Some(part), 0);
        self.settle(id);
        self.enqueue(id);
    }

    /// A transfer that may go on since there is room again.
    pub(super) fn next_resumed(&mut self) -> Option<TransferId> {
        while let Some(transfer) = self.resumed.pop() {
            // unless the caller has had a say since
            if let Some(Wait::Over) = self.waits.get(&transfer) {
                self.waits.remove(&transfer);
                return Some(transfer);
            }
        }
        None
    }

    /// The caller has said whether a transfer goes on.
    pub(super) fn leave_to_caller(&mut self, transfer: TransferId) {
        self.waits.remove(&transfer);
    }

    /// Keeps a message until the files of its transfer are over; gives it back if they are.
    pub(super) fn hold(&mut self, message: Message) -> Option<Message> {
        match self.awaited.get_mut(&message.transfer) {
            Some(awaited) => {
                awaited.message = Some(message);
                None
            }
            None => Some(message),
        }
    }

    /// The message of a transfer that is held, or was not taken yet.
    pub(super) fn take_held(&mut self, transfer: TransferId) -> Option<Message> {
        if let Some(awaited) = self.awaited.get_mut(&transfer) {
            return awaited.message.take();
        }
        let at = self.released.iter().position(|message| message.transfer == transfer)?;
        self.released.remove(at)
    }

    /// Those that nobody will ask for.
    pub(super) fn take_messages(&mut self) -> Vec<Message> {
        let held = self.awaited.values_mut().filter_map(|awaited| awaited.message.take());
        held.chain(self.released.drain(..)).collect()
    }

    pub(super) fn released(&self) -> usize {
        self.released.len()
    }

    pub(super) fn next_released(&mut self) -> Option<Message> {
        self.released.pop_front()
    }

    /// The driver ends, and with it all files that are not whole.
    pub(super) fn close(&mut self) {
        self.is_closed = true;
        let unended = |(id, entry): (PartId, &Entry)| entry.end.is_none().then_some(id);
        let unended: Vec<_> = self.entries.iter().filter_map(unended).collect();
        unended.into_iter().for_each(|id| self.end(id, End::Dropped));
    }

    // inside

    fn enqueue(&mut self, id: PartId) {
        if let Some(entry) = self.entries.get_mut(id)
            && !entry.is_queued
            && !entry.is_over()
        {
            entry.is_queued = true;
            self.queue.push_back(id);
        }
    }

    /// Has what was gathered written, though it is less than a block.
    fn write_out(&mut self, id: PartId) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        if !entry.gathered.is_empty() {
            entry.blocks.push_back(std::mem::take(&mut entry.gathered));
            self.enqueue(id);
        }
    }

    fn write_gathered(&mut self) {
        let ids: Vec<_> = self.entries.iter().map(|(id, _)| id).collect();
        ids.into_iter().for_each(|id| self.write_out(id));
    }

    /// Takes account of what has changed of a file.
    fn settle(&mut self, id: PartId) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        let held = entry.held();
        self.unwritten = self.unwritten - entry.counted + held;
        entry.counted = held;
        let (is_over, is_owned) = (entry.is_over(), entry.is_owned);
        if is_over && std::mem::take(&mut entry.is_awaited) {
            let transfer = entry.transfer;
            self.ending -= 1;
            if let Some(transfer) = transfer {
                self.end_awaiting(transfer);
            }
        }
        if self.is_crowded && self.unwritten <= limits::FILES_UNWRITTEN / 2 {
            self.is_crowded = false;
            let waiting: Vec<_> = self.waits.values().flat_map(Wait::files).copied().collect();
            waiting.into_iter().for_each(|id| self.let_go_on(id));
        } else {
            self.let_go_on(id);
        }
        if is_over && !is_owned {
            self.entries.remove(id);
        }
    }

    fn end_awaiting(&mut self, transfer: TransferId) {
        let Some(awaited) = self.awaited.get_mut(&transfer) else { return };
        awaited.files -= 1;
        if awaited.files == 0
            && let Some(Awaited { message: Some(message), .. }) = self.awaited.remove(&transfer)
        {
            self.released.push_back(message);
        }
    }

    /// Has the transfer of a file go on that waits, if there is room for it, or if it is to hear of a failure.
    fn let_go_on(&mut self, id: PartId) {
        let Some(entry) = self.entries.get(id) else { return };
        let Some(transfer) = entry.transfer else { return };
        let has_failed = entry.part.as_ref().is_some_and(|part| part.failure().is_some());
        let has_room = !self.is_crowded && entry.counted <= limits::FILE_UNWRITTEN / 2;
        if (has_failed || has_room) && self.awaits_room(transfer, id) {
            self.end_wait(transfer);
        }
    }

    fn awaits_room(&self, transfer: TransferId, id: PartId) -> bool {
        self.waits.get(&transfer).is_some_and(|wait| wait.files().contains(&id))
    }

    fn end_wait(&mut self, transfer: TransferId) {
        self.waits.insert(transfer, Wait::Over);
        self.resumed.push(transfer);
    }
}

impl Wait {
    fn files(&self) -> &[PartId] {
        match self {
            Wait::Room(files) => files,
            Wait::Over => &[],
        }
    }
}

impl Entry {
    fn gather(&mut self, bytes: &[u8]) {
        if self.gathered.len() + bytes.len() > limits::FILE_BLOCK && !self.gathered.is_empty() {
            self.blocks.push_back(std::mem::take(&mut self.gathered));
        }
        if bytes.len() >= limits::FILE_BLOCK {
            self.blocks.push_back(bytes.to_vec());
        } else {
            self.gathered.extend_from_slice(bytes);
        }
    }

    fn held(&self) -> usize {
        let blocks: usize = self.blocks.iter().map(Vec::len).sum();
        self.gathered.len() + blocks + self.away + self.part.as_ref().map_or(0, Part::held)
    }

    fn is_over(&self) -> bool {
        self.part.as_ref().is_some_and(Part::is_over)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Existing;
    use super::*;

    fn transfer(number: u64) -> TransferId {
        TransferId::from_bits(number)
    }

    fn add(table: &mut Table, directory: &std::path::Path, number: u64) -> PartId {
        let mark = table.next_mark();
        let part = Part::aside(directory.join(format!("{number}")), Existing::Keep, mark);
        table.insert(part, Some(transfer(number)))
    }

    /// Does all that is to be done.
    fn work(table: &mut Table) {
        while let Some((id, op)) = table.next_op() {
            table.handle(id, op.perform());
        }
    }

    fn resumed(table: &mut Table) -> Vec<u64> {
        let mut resumed: Vec<_> =
            std::iter::from_fn(|| table.next_resumed()).map(|id| id.to_bits()).collect();
        resumed.sort_unstable();
        resumed
    }

    #[test]
    fn a_file_that_is_not_written_fast_enough_has_its_transfer_wait() {
        let directory = tempfile::tempdir().unwrap();
        let mut table = Table::new(0);
        let (id, other) =
            (add(&mut table, directory.path(), 1), add(&mut table, directory.path(), 2));
        let chunk = [7; 10_000];
        let mut taken = 0;
        while table.write(id, &chunk) == Ok(Room::More) {
            taken += chunk.len();
        }
        assert_eq!(taken, (limits::FILE_UNWRITTEN - 1) / 10_000 * 10_000);
        assert_eq!(table.write(other, &chunk), Ok(Room::More), "others have room");
        assert!(resumed(&mut table).is_empty());
        work(&mut table);
        assert_eq!(resumed(&mut table), [1]);
        assert_eq!(table.unwritten, chunk.len(), "of the other, which is gathered yet");
    }

    #[test]
    fn all_wait_where_all_together_hold_too_much_and_what_is_gathered_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let mut table = Table::new(0);
        let chunk = [7; 60_000];
        let most = (limits::FILES_UNWRITTEN / chunk.len() + 1) as u64;
        let ids: Vec<_> =
            (1..=most).map(|number| add(&mut table, directory.path(), number)).collect();
        let (last, first) = ids.split_last().unwrap();
        for &id in first {
            assert_eq!(table.write(id, &chunk), Ok(Room::More));
        }
        assert_eq!(table.write(*last, &chunk), Ok(Room::Full));
        assert_eq!(table.write(ids[0], &chunk), Ok(Room::Full), "there is none for anybody");
        work(&mut table);
        assert_eq!(resumed(&mut table), [1, most]);
        assert_eq!((table.unwritten, table.is_crowded), (0, false));
        assert_eq!(table.write(ids[0], &chunk), Ok(Room::More));
        ids.iter().for_each(|&id| table.disown(id));
        work(&mut table);
        assert_eq!((table.unwritten, table.ending, table.entries.len()), (0, 0, 0));
    }

    #[test]
    fn what_others_may_read_waits_for_no_whole_block() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("open");
        let mut table = Table::new(0);
        let id = table.insert(Part::open(std::fs::File::create(&path).unwrap()), None);
        table.write(id, b"one").unwrap();
        let (_, op) = table.next_op().unwrap();
        table.write(id, b"two").unwrap();
        table.write(id, b"three").unwrap();
        assert!(table.next_op().is_none(), "in order");
        table.handle(id, op.perform());
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        let (_, op) = table.next_op().unwrap();
        table.handle(id, op.perform());
        assert!(table.next_op().is_none(), "all that came meanwhile is one write");
        assert_eq!(std::fs::read(&path).unwrap(), b"onetwothree");
    }

    #[test]
    fn a_failure_is_told_to_who_waits() {
        let mut table = Table::new(0);
        let id = add(&mut table, std::path::Path::new("/proc/none"), 1);
        while table.write(id, &[7; 50_000]) == Ok(Room::More) {}
        work(&mut table);
        assert_eq!(resumed(&mut table), [1]);
        assert_eq!(table.write(id, &[7; 10]), Err(Errno::ENOENT));
        assert_eq!(table.unwritten, 0);
    }

    #[test]
    fn who_waits_for_what_is_dropped_waits_no_more() {
        let directory = tempfile::tempdir().unwrap();
        let mut table = Table::new(0);
        for leaves_to_caller in [false, true] {
            let id = add(&mut table, directory.path(), 1);
            while table.write(id, &[7; 50_000]) == Ok(Room::More) {}
            if leaves_to_caller {
                table.leave_to_caller(transfer(1));
            }
            table.disown(id);
            assert_eq!(resumed(&mut table).is_empty(), leaves_to_caller);
            work(&mut table);
            assert_eq!((table.unwritten, table.ending, table.entries.len()), (0, 0, 0));
        }
    }

    #[test]
    fn who_is_left_to_the_caller_is_that_alone() {
        let directory = tempfile::tempdir().unwrap();
        let mut table = Table::new(0);
        let ids: Vec<_> = (1..=3).map(|number| add(&mut table, directory.path(), number)).collect();
        // another file of a transfer that has one
        let second = table.next_mark();
        let second = Part::aside(directory.path().join("second"), Existing::Keep, second);
        let second = table.insert(second, Some(transfer(1)));
        let fill = |table: &mut Table, id| {
            while table.write(id, &[7; 50_000]) == Ok(Room::More) {}
        };
        ids.iter().chain([&second]).for_each(|&id| fill(&mut table, id));
        table.leave_to_caller(transfer(1));
        assert_eq!(table.waits.len(), 2);
        work(&mut table);
        // its wait is over already, and it was not told
        table.leave_to_caller(transfer(2));
        assert_eq!(resumed(&mut table), [3]);
        // one that waits anew is told once
        fill(&mut table, ids[1]);
        work(&mut table);
        table.leave_to_caller(transfer(2));
        fill(&mut table, ids[1]);
        work(&mut table);
        assert_eq!(resumed(&mut table), [2]);
        assert!(table.waits.is_empty() && table.resumed.is_empty());
    }

    #[test]
    fn what_comes_while_a_thread_has_a_file_is_kept_for_it() {
        let directory = tempfile::tempdir().unwrap();
        let mut table = Table::new(0);
        let id = add(&mut table, directory.path(), 1);
        table.write(id, &[1; limits::FILE_BLOCK]).unwrap();
        let (_, op) = table.next_op().unwrap();
        let mut part = table.take_part(id).unwrap();
        table.write(id, &[2; limits::FILE_BLOCK]).unwrap();
        table.end(id, End::Whole);
        assert!(table.next_op().is_none(), "it is away");
        assert_eq!((table.unwritten, table.ending()), (2 * limits::FILE_BLOCK, 1));
        part.handle(op.perform());
        table.give_back(id, part);
        work(&mut table);
        assert_eq!((table.unwritten, table.ending()), (0, 0));
        assert!(matches!(table.take_result(id), Some(Ok(Written::Named(_)))));
        let content = std::fs::read(directory.path().join("1")).unwrap();
        assert_eq!((content.len(), content[0], content[limits::FILE_BLOCK]), (131_072, 1, 2));
    }
}
