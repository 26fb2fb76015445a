//! What the server's settings allow the client, and from when on.
//!
//! Settings are in force for certain once the client has acknowledged them. Until then it may go by the old ones or the new ones.

use std::collections::VecDeque;

use super::raw::setting;

/// What the client has to obey.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Bytes of the decoder's table.
    pub(super) table: u32,
    /// Streams at once.
    pub(super) streams: u32,
    /// What a stream's window begins with.
    pub(super) window: u32,
    /// Bytes in a frame.
    pub(super) frame: u32,
}

/// All that was said in SETTINGS.
#[derive(Debug)]
pub(super) struct Said {
    in_force: Limits,
    /// Not acknowledged: where in the output they ended, and what they say.
    pending: VecDeque<(u64, Vec<(u16, u32)>)>,
}

impl Limits {
    /// What holds before anything is said (RFC 9113, 6.5.2).
    pub(super) const FIRST: Limits =
        Limits { table: 4096, streams: u32::MAX, window: 65_535, frame: 16_384 };

    pub(super) fn apply(&mut self, list: &[(u16, u32)]) {
        for &(id, value) in list {
            match id {
                setting::HEADER_TABLE_SIZE => self.table = value,
                setting::MAX_CONCURRENT_STREAMS => self.streams = value,
                setting::INITIAL_WINDOW_SIZE => self.window = value,
                setting::MAX_FRAME_SIZE => self.frame = value,
                _ => {}
            }
        }
    }
}

impl Said {
    pub(super) fn new() -> Said {
        Said { in_force: Limits::FIRST, pending: VecDeque::new() }
    }

    pub(super) fn say(&mut self, at: u64, list: Vec<(u16, u32)>) {
        self.pending.push_back((at, list));
    }

    /// Puts in force what was said first of all that is pending; returns where in the output that ended, if there is any.
    pub(super) fn acknowledged(&mut self) -> Option<u64> {
        let (at, list) = self.pending.pop_front()?;
        self.in_force.apply(&list);
        Some(at)
    }

    pub(super) fn all_acknowledged(&self) -> bool {
        self.pending.is_empty()
    }

    pub(super) fn in_force(&self) -> Limits {
        self.in_force
    }

    /// What holds once all is acknowledged.
    pub(super) fn last(&self) -> Limits {
        self.each().last().expect("there is what is in force")
    }

    /// The most that one of them may be at present.
    pub(super) fn most(&self, which: impl Fn(Limits) -> u32) -> u32 {
        self.each().map(which).max().expect("there is what is in force")
    }

    /// What was in force after each piece that the client may have read last.
    fn each(&self) -> impl Iterator<Item = Limits> {
        let later = self.pending.iter().scan(self.in_force, |limits, (_, list)| {
            limits.apply(list);
            Some(*limits)
        });
        std::iter::once(self.in_force).chain(later)
    }
}

/// A payload of SETTINGS as a list; what is left over at its end is passed over.
pub(super) fn list_of(payload: &[u8]) -> Vec<(u16, u32)> {
    let (settings, _) = payload.as_chunks::<6>();
    let setting = |&[a, b, c, d, e, f]: &[u8; 6]| {
        (u16::from_be_bytes([a, b]), u32::from_be_bytes([c, d, e, f]))
    };
    settings.iter().map(setting).collect()
}
