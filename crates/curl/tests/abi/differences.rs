//! Where Debian's curl does something else on this library than on its own, and why.

/// What the engine's policy is: it has no options for these yet.
const POLICY: &str = "the engine reads and follows responses by its own rules";
/// What the engine makes of a request.
const FRAMING: &str = "the engine frames requests, and names who is asked, itself";
/// Versions of curl before 8 do this, and later ones do not.
const OLD: &str = "as curl 8 does it";

/// A case, by its name, and the reason.
pub(crate) const DIFFERENCES: &[(&str, &str)] = &[
    ("nothing to show", "TLS ends by an alert that is told as an error of TLS"),
    ("gzip cut off", "a coded body that ends too early is an error"),
    ("-T", OLD),
    ("-T appends the name", OLD),
    ("-T by POST", OLD),
    ("-T -r", OLD),
    ("-T - from an offset", "the length of what is read from a pipe is not known, and so not told"),
    ("to another protocol", "FTP is not spoken"),
    ("http:/host", POLICY),
    ("an empty Transfer-Encoding", POLICY),
    ("identity and a length", POLICY),
    ("a CR in a value", POLICY),
    ("a length with a sign", POLICY),
    ("http in small letters", POLICY),
    ("a length that is malformed", POLICY),
    ("--digest with a body", "the body is sent along before the challenge is known"),
    ("-X HEAD", FRAMING),
    ("a tunnel with another password", OLD),
    ("a tunnel without a password", OLD),
];

/// The same, of cases that are tried over HTTP/2.
const OVER_HTTP2: &[(&str, &str)] = &[
    ("TE", "what belongs to the connection is not the program's to say"),
    ("-T - from an offset", "the length of what is read from a pipe is not known, and so not told"),
    ("trailers", OLD),
    ("-T of standard input", "leave is asked before it is known that the server speaks HTTP/2"),
];

/// Why this case differs, if it may.
pub(crate) fn reason(case: &str, over_http2: bool) -> Option<&'static str> {
    let table = if over_http2 { OVER_HTTP2 } else { DIFFERENCES };
    table.iter().find(|(name, _)| *name == case).map(|(_, reason)| *reason)
}
