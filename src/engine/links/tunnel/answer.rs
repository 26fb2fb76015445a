//! What a proxy has said so far of the tunnel that it was asked for.

/// What became of bytes from a proxy.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::engine) enum Answer {
    /// All are taken, and there is more to come.
    More,
    /// So many were taken, and the tunnel is open.
    Open(usize),
    /// The proxy wants to be told who asks: [`Handshake::ask_again`].
    Again,
    /// The same, but not on this connection.
    Elsewhere,
}
