//! From the engine's errors to curl's codes and words: the one table.
//!
//! Knows both sides. Must not know handles. The words are curl's own where programs and people read them.

use std::time::Duration;

use ringdove::error::{
    Cause, CertificateFault, Deadline, Error, Operation, Phase, TlsFault, TlsFaultKind,
};
use ringdove::protocol::{
    BodyFault, CodingFault, HttpFault, ProxyFault, RedirectFault, RequestError, SecretError,
};
use ringdove::tls::TlsPolicyError;
use ringdove::{AddError, MultiError, Report};

use crate::codes::{Code, MultiCode, UrlCode};

/// How a transfer failed, as curl says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    /// What goes into the error buffer.
    pub(crate) text: String,
}

impl Failure {
    pub(crate) fn new(code: Code, text: impl Into<String>) -> Failure {
        Failure { code, text: text.into() }
    }

    /// With curl's general words for the code.
    pub(crate) fn plain(code: Code) -> Failure {
        Failure::new(code, code.text().trim_end_matches('\0'))
    }
}

/// Who was asked, for the words.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// By way of this proxy.
    pub(crate) proxy: Option<String>,
    /// The most redirects.
    pub(crate) redirects: u32,
    /// How long the body is, where the response said it.
    pub(crate) expected: Option<u64>,
    /// A head has come, be it one before the last.
    pub(crate) had_head: bool,
}

/// How a transfer failed for this error.
pub(crate) fn of(error: &Error, report: &Report, asked: &Asked) -> Failure {
    let (code, text) = match &error.cause {
        Cause::Http(fault) => of_http(fault, report, asked),
        Cause::Http2(fault) => (Code::HTTP2, fault.to_string()),
        Cause::Reset(why) => {
            (Code::HTTP2_STREAM, format!("HTTP/2 stream was not closed cleanly: {why}"))
        }
        Cause::Refused => (Code::HTTP2_STREAM, error.to_string()),
        Cause::Tls(fault) => (of_tls(fault, error.phase), fault.to_string()),
        Cause::Proxy(fault) => of_proxy(fault),
        Cause::Closed => of_closed(error.phase, report),
        Cause::Resolve(_) => of_names(asked),
        Cause::Os { operation, errno } => of_system(*operation, *errno, error.phase, report, asked),
        Cause::Denied { .. } | Cause::NoZone { .. } => (Code::COULDNT_CONNECT, error.to_string()),
        Cause::Timeout { deadline, after } => {
            of_timeout(*deadline, *after, error.phase, report, asked)
        }
        Cause::BodyTooLarge { .. } => {
            (Code::FILESIZE_EXCEEDED, "Exceeded the maximum allowed file size".to_owned())
        }
        Cause::Coding(fault) => of_coding(fault),
        Cause::Memory { .. } | Cause::NoMemory { .. } => (Code::OUT_OF_MEMORY, error.to_string()),
        Cause::Redirect(redirect) => of_redirect(&redirect.fault, asked, error),
        Cause::BodyNotRepeatable => {
            (Code::SEND_FAIL_REWIND, "necessary data rewind was not possible".to_owned())
        }
        Cause::Body(fault) => (of_body(fault), fault.to_string()),
        Cause::Aborted(why) => (Code::ABORTED_BY_CALLBACK, why.clone()),
        _ => (Code::RECV_ERROR, error.to_string()),
    };
    Failure { code, text }
}

fn of_http(fault: &HttpFault, report: &Report, asked: &Asked) -> (Code, String) {
    match fault {
        HttpFault::BadStatusLine { line }
            if asked.had_head
                || report.reused
                || (line.starts_with("HTTP/") && line.contains("\\x00")) =>
        {
            (Code::WEIRD_SERVER_REPLY, "Invalid status line".to_owned())
        }
        HttpFault::BadStatusLine { .. } if report.status.is_none() => {
            (Code::UNSUPPORTED_PROTOCOL, "Received HTTP/0.9 when not allowed".to_owned())
        }
        // a connection speaks what it has spoken
        HttpFault::UnsupportedVersion { .. } if report.reused => {
            (Code::WEIRD_SERVER_REPLY, "Unsupported HTTP version in response".to_owned())
        }
        HttpFault::UnsupportedVersion { .. } => {
            (Code::UNSUPPORTED_PROTOCOL, "Unsupported HTTP version in response".to_owned())
        }
        HttpFault::UnexpectedEof { received, expected: Some(expected) } => {
            let left = expected.saturating_sub(*received);
            (Code::PARTIAL_FILE, format!("transfer closed with {left} bytes remaining to read"))
        }
        HttpFault::UnexpectedEof { .. } if report.status.is_none() => (
            match report.wire_received == 0 || asked.had_head {
                true => Code::GOT_NOTHING,
                false => Code::RECV_ERROR,
            },
            "Empty reply from server".to_owned(),
        ),
        HttpFault::UnexpectedEof { .. } => {
            (Code::PARTIAL_FILE, "transfer closed with outstanding read data remaining".to_owned())
        }
        HttpFault::CloseWithoutNotify { .. } => (Code::RECV_ERROR, fault.to_string()),
        HttpFault::BadChunk { .. } => (Code::RECV_ERROR, fault.to_string()),
        HttpFault::UnsupportedTransferCoding { .. } => {
            (Code::BAD_CONTENT_ENCODING, fault.to_string())
        }
        HttpFault::Malformed(_) | HttpFault::LengthMismatch { .. } => {
            (Code::HTTP2_STREAM, fault.to_string())
        }
        HttpFault::HeadTooLarge { .. } => (Code::RECV_ERROR, fault.to_string()),
        HttpFault::TooManyFields { .. } => (Code::TOO_LARGE, fault.to_string()),
        _ => (Code::WEIRD_SERVER_REPLY, fault.to_string()),
    }
}

/// Once hands are shaken, what is wrong with records is for curl as what is wrong with what arrives.
fn of_tls(fault: &TlsFault, phase: Phase) -> Code {
    match fault.kind() {
        TlsFaultKind::Certificate(CertificateFault::Missing) => Code::SSL_CONNECT_ERROR,
        TlsFaultKind::Certificate(_) | TlsFaultKind::BadName => Code::PEER_FAILED_VERIFICATION,
        TlsFaultKind::Pin => Code::SSL_PINNEDPUBKEYNOTMATCH,
        TlsFaultKind::ClientCertificate => Code::SSL_CLIENTCERT,
        _ if phase == Phase::Tls || phase == Phase::Proxy => Code::SSL_CONNECT_ERROR,
        _ => Code::RECV_ERROR,
    }
}

/// Of a source that failed by itself the callback's own failure is told (see [`crate::easy`]); this is of one that broke its word.
fn of_body(fault: &BodyFault) -> Code {
    match fault {
        BodyFault::Short { .. } => Code::PARTIAL_FILE,
        BodyFault::Long { .. } => Code::READ_ERROR,
        _ => Code::ABORTED_BY_CALLBACK,
    }
}

fn of_proxy(fault: &ProxyFault) -> (Code, String) {
    match fault {
        ProxyFault::Refused { status, .. } => {
            (Code::COULDNT_CONNECT, format!("CONNECT tunnel failed, response {status}"))
        }
        ProxyFault::Closed | ProxyFault::Http(HttpFault::UnexpectedEof { .. }) => {
            (Code::RECV_ERROR, "Proxy CONNECT aborted".to_owned())
        }
        ProxyFault::Http(fault) => (Code::WEIRD_SERVER_REPLY, fault.to_string()),
        _ => (Code::PROXY, fault.to_string()),
    }
}

fn of_closed(phase: Phase, report: &Report) -> (Code, String) {
    match phase {
        Phase::Tls => (Code::SSL_CONNECT_ERROR, "the peer closed the connection".to_owned()),
        Phase::Proxy => (Code::RECV_ERROR, "Proxy CONNECT aborted".to_owned()),
        _ if report.status.is_none() => (Code::GOT_NOTHING, "Empty reply from server".to_owned()),
        _ => {
            (Code::PARTIAL_FILE, "transfer closed with outstanding read data remaining".to_owned())
        }
    }
}

fn of_names(asked: &Asked) -> (Code, String) {
    match &asked.proxy {
        Some(proxy) => (Code::COULDNT_RESOLVE_PROXY, format!("Could not resolve proxy: {proxy}")),
        None => (Code::COULDNT_RESOLVE_HOST, format!("Could not resolve host: {}", asked.host)),
    }
}

fn of_system(
    operation: Operation,
    errno: i32,
    phase: Phase,
    report: &Report,
    asked: &Asked,
) -> (Code, String) {
    let why = std::io::Error::from_raw_os_error(errno).to_string();
    let why = why.split(" (os error").next().unwrap_or_default();
    match operation {
        Operation::Bind => {
            (Code::INTERFACE_FAILED, format!("bind failed with errno {errno}: {why}"))
        }
        Operation::Socket | Operation::Connect => {
            let after = report.times.total.as_millis();
            let text = format!(
                "Failed to connect to {} port {} after {after} ms: Couldn't connect to server",
                asked.host, asked.port
            );
            (Code::COULDNT_CONNECT, text)
        }
        _ if phase == Phase::Tls => (Code::SSL_CONNECT_ERROR, format!("TLS connect error: {why}")),
        Operation::Send => (Code::SEND_ERROR, format!("Send failure: {why}")),
        _ => (Code::RECV_ERROR, format!("Recv failure: {why}")),
    }
}

fn of_timeout(
    deadline: Deadline,
    after: Duration,
    phase: Phase,
    report: &Report,
    asked: &Asked,
) -> (Code, String) {
    let spent = report.times.total.as_millis();
    let received = report.body_received;
    let text = match (deadline, phase) {
        (Deadline::LowSpeed, _) => format!(
            "Operation too slow. Less than the least number of bytes per second transferred the last {} seconds",
            after.as_secs()
        ),
        (Deadline::Resolve, _) => format!("Resolving timed out after {spent} milliseconds"),
        (Deadline::Connect | Deadline::Queue, _) | (_, Phase::Connect | Phase::Queue) => {
            format!("Connection timed out after {spent} milliseconds")
        }
        (_, Phase::Resolve) => format!("Resolving timed out after {spent} milliseconds"),
        (Deadline::Tls, _) | (_, Phase::Tls) => {
            format!("SSL connection timeout after {spent} milliseconds")
        }
        _ => match asked.expected {
            Some(expected) => format!(
                "Operation timed out after {spent} milliseconds with {received} out of {expected} bytes received"
            ),
            None => format!(
                "Operation timed out after {spent} milliseconds with {received} bytes received"
            ),
        },
    };
    (Code::OPERATION_TIMEDOUT, text)
}

fn of_coding(fault: &CodingFault) -> (Code, String) {
    match fault {
        CodingFault::Unknown { name } => (
            Code::BAD_CONTENT_ENCODING,
            format!(
                "Unrecognized content encoding type. libcurl understands deflate, gzip, br, zstd content encodings, not {name}"
            ),
        ),
        CodingFault::TooLarge { .. } => {
            (Code::FILESIZE_EXCEEDED, "Exceeded the maximum allowed file size".to_owned())
        }
        fault => (Code::BAD_CONTENT_ENCODING, fault.to_string()),
    }
}

fn of_redirect(fault: &RedirectFault, asked: &Asked, error: &Error) -> (Code, String) {
    match fault {
        RedirectFault::TooMany { .. } | RedirectFault::Loop { .. } => {
            (Code::TOO_MANY_REDIRECTS, format!("Maximum ({}) redirects followed", asked.redirects))
        }
        RedirectFault::BodyNotRepeatable => {
            (Code::SEND_FAIL_REWIND, "necessary data rewind was not possible".to_owned())
        }
        RedirectFault::BadLocation { why: RequestError::UnsupportedScheme(scheme), .. } => (
            Code::UNSUPPORTED_PROTOCOL,
            format!("Protocol \"{scheme}\" not supported or disabled in libcurl"),
        ),
        RedirectFault::NoTlsPolicy => (Code::SSL_CACERT_BADFILE, error.to_string()),
        _ => (Code::URL_MALFORMAT, error.to_string()),
    }
}

/// Why a URL is none.
pub(crate) fn of_url(code: UrlCode, text: &str) -> Failure {
    match code {
        UrlCode::UNSUPPORTED_SCHEME => {
            let scheme = text.split(':').next().unwrap_or_default();
            let text = format!("Protocol \"{scheme}\" not supported");
            Failure::new(Code::UNSUPPORTED_PROTOCOL, text)
        }
        UrlCode::USER_NOT_ALLOWED => Failure::new(
            Code(67),
            "Option DISALLOW_USERNAME_IN_URL is set and url contains username.",
        ),
        UrlCode::BAD_SCHEME if !text.contains(':') => {
            Failure::new(Code::URL_MALFORMAT, "URL rejected: Bad scheme")
        }
        code => {
            let why = code.text().trim_end_matches('\0');
            Failure::new(Code::URL_MALFORMAT, format!("URL rejected: {why}"))
        }
    }
}

/// Why a request cannot be made.
pub(crate) fn of_request(error: &RequestError) -> Failure {
    let code = match error {
        RequestError::BadUrl { .. }
        | RequestError::NoHost
        | RequestError::BadHost { .. }
        | RequestError::PortZero
        | RequestError::BadTarget(_) => Code::URL_MALFORMAT,
        RequestError::UnsupportedScheme(_) => Code::UNSUPPORTED_PROTOCOL,
        RequestError::UnknownLengthInHttp10 => Code::UPLOAD_FAILED,
        RequestError::ReservedField(_) | RequestError::BadConnectionOption(_) => Code::NOT_BUILT_IN,
        _ => Code::BAD_FUNCTION_ARGUMENT,
    };
    Failure::new(code, error.to_string())
}

/// Why credentials are none.
pub(crate) fn of_secret(error: SecretError) -> Failure {
    Failure::new(Code::BAD_FUNCTION_ARGUMENT, error.to_string())
}

/// Why a TLS policy cannot be had.
pub(crate) fn of_policy(error: &TlsPolicyError) -> Failure {
    let code = match error {
        TlsPolicyError::NoSystemRoots(_)
        | TlsPolicyError::NoRoots
        | TlsPolicyError::Read { .. }
        | TlsPolicyError::BadRoots { .. } => Code::SSL_CACERT_BADFILE,
        TlsPolicyError::BadIdentity(_) => Code::SSL_CERTPROBLEM,
        TlsPolicyError::BadPin(_) => Code::SSL_PINNEDPUBKEYNOTMATCH,
        TlsPolicyError::NoCipher(_) => Code::SSL_CIPHER,
        _ => Code::SSL_CONNECT_ERROR,
    };
    Failure::new(code, error.to_string())
}

/// Why a transfer cannot be added.
pub(crate) fn of_add(error: &MultiError) -> Failure {
    match error {
        MultiError::Tls(error) => of_policy(error),
        MultiError::Add(AddError::Request(error)) => of_request(error),
        error => Failure::new(Code::FAILED_INIT, error.to_string()),
    }
}

/// What a call of the multi interface answers that failed for this.
pub(crate) fn of_multi(error: &MultiError) -> MultiCode {
    match error {
        MultiError::Callback(_) => MultiCode::ABORTED_BY_CALLBACK,
        MultiError::UnknownTransfer(_) => MultiCode::BAD_EASY_HANDLE,
        MultiError::UnknownSocket(_) => MultiCode::BAD_SOCKET,
        MultiError::Os { .. } => MultiCode::UNRECOVERABLE_POLL,
        _ => MultiCode::INTERNAL_ERROR,
    }
}
