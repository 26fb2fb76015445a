//! Why a text is no secret.

use std::fmt;

/// Text that cannot be credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretError {
    /// A colon in the user's name, which both Basic and Digest end the name with (RFC 7617, 2).
    ColonInUser,
    /// A control character in the user's name or the password (RFC 7617, 2).
    ControlCharacter,
    /// The token is no `b64token` (RFC 6750, 2.1).
    BadToken,
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SecretError::ColonInUser => "a colon in the user's name, which no scheme can tell",
            SecretError::ControlCharacter => "a control character in the user's name or password",
            SecretError::BadToken => "no bearer token (RFC 6750, 2.1)",
        })
    }
}

impl std::error::Error for SecretError {}
