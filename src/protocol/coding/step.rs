//! One step of a decoder.

/// What a decoder did of what it was given. Neither: it wants input, or it is at its end.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Step {
    pub(super) consumed: usize,
    pub(super) produced: usize,
    /// A member or a frame has begun.
    pub(super) begun: bool,
}

impl Step {
    /// So many bytes were taken, and nothing has come of them.
    pub(super) fn taken(consumed: usize) -> Step {
        Step { consumed, ..Step::default() }
    }
}
