//! One stream of a server: how far the request has come, and how far its script.

use std::collections::VecDeque;
use std::sync::Arc;

use super::script::Script;

/// A request and what is done about it. The opening of a connection is one of these too, without a request.
#[derive(Debug)]
pub(super) struct Stream {
    /// Its request's place among all.
    pub(super) request: Option<usize>,
    pub(super) client: ClientHalf,
    pub(super) own: OwnHalf,
    /// What may be sent.
    pub(super) send_window: i64,
    /// What the client may send, going by the settings that are in force.
    pub(super) receive_window: i64,
    pub(super) script: Arc<Script>,
    /// The step that is next.
    pub(super) at: usize,
    /// Bytes of this step's that have been sent.
    pub(super) within: u64,
    /// Bytes of patterns that have been sent.
    pub(super) pattern: u64,
    /// What came and has not gone back.
    pub(super) echo: VecDeque<u8>,
}

/// How far the client has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientHalf {
    Open,
    /// By END_STREAM.
    Ended,
    /// By RST_STREAM.
    Reset,
}

/// How far the server has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OwnHalf {
    /// Nothing was said.
    Silent,
    Open,
    /// By END_STREAM.
    Ended,
    /// By RST_STREAM, which ended so far into the output.
    Reset(u64),
    /// A GOAWAY said that nothing will be.
    Refused,
}

impl Stream {
    pub(super) fn new(script: Script) -> Stream {
        Stream {
            request: None,
            client: ClientHalf::Open,
            own: OwnHalf::Silent,
            send_window: 0,
            receive_window: 0,
            script: Arc::new(script),
            at: 0,
            within: 0,
            pattern: 0,
            echo: VecDeque::new(),
        }
    }

    /// Whether it counts among those that are open (RFC 9113, 5.1.2).
    pub(super) fn is_open(&self) -> bool {
        match self.own {
            OwnHalf::Silent | OwnHalf::Open => self.client != ClientHalf::Reset,
            OwnHalf::Ended => self.client == ClientHalf::Open,
            OwnHalf::Reset(_) | OwnHalf::Refused => false,
        }
    }

    /// Whether more can be said on it.
    pub(super) fn can_send(&self) -> bool {
        matches!(self.own, OwnHalf::Silent | OwnHalf::Open) && self.client != ClientHalf::Reset
    }
}
