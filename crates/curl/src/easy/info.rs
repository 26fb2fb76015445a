//! What is told of a transfer: curl_easy_getinfo(3).
//!
//! Knows what each CURLINFO is made of. What the engine's report says is there once the transfer is over; what heads say, as
//! they come.
#![allow(unsafe_code, reason = "values go out through pointers")]

use std::ffi::{CString, c_char, c_int, c_long, c_void};
use std::ptr;
use std::time::Duration;

use ringdove::Report;

use super::{Easy, request};
use crate::codes::Code;
use crate::edge::{Pointer, guard};
use crate::multi::Ends;
use crate::options::Status::{self, Differs, Done, Refused};
use crate::options::ids;
use crate::options::table::Refusal::Unknown;
use crate::share::lock;
use crate::slist;

/// One CURLINFO.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The name, without CURLINFO_.
    pub name: &'static str,
    /// The number, with the bits of its type.
    pub id: u32,
    /// What becomes of it.
    pub status: Status,
}

const TEXT: u32 = 0x10_0000;
const LONG: u32 = 0x20_0000;
const DOUBLE: u32 = 0x30_0000;
const LIST: u32 = 0x40_0000;
const SOCKET: u32 = 0x50_0000;
const OFF_T: u32 = 0x60_0000;
const TYPE: u32 = 0xf0_0000;

const fn row(name: &'static str, id: u32, status: Status) -> Row {
    Row { name, id, status }
}

const AT_THE_END: &str = "known once the transfer is over";
const OF_SOCKETS: &str = "not known on the ring; else when the request goes";

/// All there are.
pub static INFOS: &[Row] = &[
    row("EFFECTIVE_URL", TEXT + 1, Differs("in the canonical form where redirects were followed")),
    row("RESPONSE_CODE", LONG + 2, Done),
    row("TOTAL_TIME", DOUBLE + 3, Differs(AT_THE_END)),
    row("NAMELOOKUP_TIME", DOUBLE + 4, Differs(AT_THE_END)),
    row("CONNECT_TIME", DOUBLE + 5, Differs(AT_THE_END)),
    row("PRETRANSFER_TIME", DOUBLE + 6, Differs(AT_THE_END)),
    row("SIZE_UPLOAD", DOUBLE + 7, Done),
    row("SIZE_UPLOAD_T", OFF_T + 7, Done),
    row("SIZE_DOWNLOAD", DOUBLE + 8, Done),
    row("SIZE_DOWNLOAD_T", OFF_T + 8, Done),
    row("SPEED_DOWNLOAD", DOUBLE + 9, Differs(AT_THE_END)),
    row("SPEED_DOWNLOAD_T", OFF_T + 9, Differs(AT_THE_END)),
    row("SPEED_UPLOAD", DOUBLE + 10, Differs(AT_THE_END)),
    row("SPEED_UPLOAD_T", OFF_T + 10, Differs(AT_THE_END)),
    row("HEADER_SIZE", LONG + 11, Done),
    row("REQUEST_SIZE", LONG + 12, Differs("over HTTP/2 the bodies of requests alone")),
    row(
        "SSL_VERIFYRESULT",
        LONG + 13,
        Differs("0, or 20 where a certificate was refused, whyever"),
    ),
    row("FILETIME", LONG + 14, Done),
    row("FILETIME_T", OFF_T + 14, Done),
    row("CONTENT_LENGTH_DOWNLOAD", DOUBLE + 15, Done),
    row("CONTENT_LENGTH_DOWNLOAD_T", OFF_T + 15, Done),
    row("CONTENT_LENGTH_UPLOAD", DOUBLE + 16, Done),
    row("CONTENT_LENGTH_UPLOAD_T", OFF_T + 16, Done),
    row("STARTTRANSFER_TIME", DOUBLE + 17, Differs(AT_THE_END)),
    row("CONTENT_TYPE", TEXT + 18, Done),
    row("REDIRECT_TIME", DOUBLE + 19, Differs(AT_THE_END)),
    row("REDIRECT_COUNT", LONG + 20, Done),
    row("PRIVATE", TEXT + 21, Done),
    row("HTTP_CONNECTCODE", LONG + 22, Done),
    row("HTTPAUTH_AVAIL", LONG + 23, Done),
    row("PROXYAUTH_AVAIL", LONG + 24, Done),
    row("OS_ERRNO", LONG + 25, Done),
    row("NUM_CONNECTS", LONG + 26, Done),
    row("SSL_ENGINES", LIST + 27, Done),
    row("COOKIELIST", LIST + 28, Done),
    row("LASTSOCKET", LONG + 29, Differs("of CURLOPT_CONNECT_ONLY alone")),
    row("FTP_ENTRY_PATH", TEXT + 30, Differs("null: FTP is not spoken")),
    row("REDIRECT_URL", TEXT + 31, Done),
    row("PRIMARY_IP", TEXT + 32, Differs(AT_THE_END)),
    row("APPCONNECT_TIME", DOUBLE + 33, Differs(AT_THE_END)),
    row("CERTINFO", LIST + 34, Differs("no certificates: the engine gives none out")),
    row("CONDITION_UNMET", LONG + 35, Done),
    row("RTSP_SESSION_ID", TEXT + 36, Differs("null: RTSP is not spoken")),
    row("RTSP_CLIENT_CSEQ", LONG + 37, Differs("0: RTSP is not spoken")),
    row("RTSP_SERVER_CSEQ", LONG + 38, Differs("0: RTSP is not spoken")),
    row("RTSP_CSEQ_RECV", LONG + 39, Differs("0: RTSP is not spoken")),
    row("PRIMARY_PORT", LONG + 40, Differs(AT_THE_END)),
    row("LOCAL_IP", TEXT + 41, Differs(OF_SOCKETS)),
    row("LOCAL_PORT", LONG + 42, Differs(OF_SOCKETS)),
    row("TLS_SESSION", LIST + 43, Differs("CURLSSLBACKEND_RUSTLS, and no pointer")),
    row("ACTIVESOCKET", SOCKET + 44, Differs("of CURLOPT_CONNECT_ONLY alone")),
    row("TLS_SSL_PTR", LIST + 45, Differs("CURLSSLBACKEND_RUSTLS, and no pointer")),
    row("HTTP_VERSION", LONG + 46, Done),
    row("PROXY_SSL_VERIFYRESULT", LONG + 47, Differs("0")),
    row("PROTOCOL", LONG + 48, Done),
    row("SCHEME", TEXT + 49, Done),
    row("TOTAL_TIME_T", OFF_T + 50, Differs(AT_THE_END)),
    row("NAMELOOKUP_TIME_T", OFF_T + 51, Differs(AT_THE_END)),
    row("CONNECT_TIME_T", OFF_T + 52, Differs(AT_THE_END)),
    row("PRETRANSFER_TIME_T", OFF_T + 53, Differs(AT_THE_END)),
    row("STARTTRANSFER_TIME_T", OFF_T + 54, Differs(AT_THE_END)),
    row("REDIRECT_TIME_T", OFF_T + 55, Differs(AT_THE_END)),
    row("APPCONNECT_TIME_T", OFF_T + 56, Differs(AT_THE_END)),
    row("RETRY_AFTER", OFF_T + 57, Done),
    row("EFFECTIVE_METHOD", TEXT + 58, Done),
    row("PROXY_ERROR", LONG + 59, Differs("0")),
    row("REFERER", TEXT + 60, Done),
    row("CAINFO", TEXT + 61, Differs("null: the roots are the system's, wherever these are")),
    row("CAPATH", TEXT + 62, Differs("null: the roots are the system's, wherever these are")),
    row("XFER_ID", OFF_T + 63, Differs("-1")),
    row("CONN_ID", OFF_T + 64, Differs("-1")),
    row("QUEUE_TIME_T", OFF_T + 65, Differs(AT_THE_END)),
    row("USED_PROXY", LONG + 66, Done),
    row("POSTTRANSFER_TIME_T", OFF_T + 67, Differs("as PRETRANSFER_TIME_T")),
    row("EARLYDATA_SENT_T", OFF_T + 68, Differs("0: none is sent")),
    row("HTTPAUTH_USED", LONG + 69, Refused(Unknown, "the engine does not say")),
    row("PROXYAUTH_USED", LONG + 70, Refused(Unknown, "the engine does not say")),
    row("SIZE_DELIVERED", OFF_T + 71, Done),
];

/// What is known of the transfer, or the last one.
#[derive(Debug, Default)]
pub(crate) struct Info {
    pub(crate) url: Option<CString>,
    pub(crate) method: Option<CString>,
    pub(crate) scheme: Option<CString>,
    pub(crate) status: u16,
    pub(crate) version: c_long,
    pub(crate) connect_status: u16,
    pub(crate) header_size: usize,
    pub(crate) request_size: usize,
    pub(crate) content_type: Option<CString>,
    pub(crate) content_length: Option<u64>,
    pub(crate) redirects: c_long,
    pub(crate) redirect_url: Option<CString>,
    /// What CURLOPT_AUTOREFERER has said last.
    pub(crate) referer: Option<CString>,
    pub(crate) file_time: Option<i64>,
    pub(crate) retry_after: i64,
    pub(crate) auth_offered: c_long,
    pub(crate) proxy_auth_offered: c_long,
    pub(crate) condition_unmet: bool,
    pub(crate) certificate_refused: bool,
    pub(crate) errno: c_long,
    pub(crate) used_proxy: bool,
    pub(crate) report: Report,
    pub(crate) address: Option<CString>,
    /// Between which addresses the last request went.
    pub(crate) ends: Ends,
    pub(crate) local: Option<CString>,
}

impl Info {
    /// Takes what the engine says at the end.
    pub(crate) fn take_report(&mut self, report: Report) {
        let address = report.remote.map(|remote| remote.ip().to_string());
        self.address = address.and_then(|address| CString::new(address).ok());
        let local = self.ends.local.and_then(|local| CString::new(local.ip().to_string()).ok());
        self.local = local;
        self.report = report;
    }

    /// How long it took to the end of a wait, from the beginning of the last request on.
    fn time(&self, id: u32) -> Duration {
        let whole = self.report.times.total;
        let times = self.report.hops.last().map_or(&self.report.times, |hop| &hop.times);
        let looked_up = times.queue + times.resolve;
        let connected = looked_up + times.connect + times.proxy;
        match id {
            3 | 50 => whole,
            4 | 51 => looked_up,
            5 | 52 => connected,
            19 | 55 => whole.saturating_sub(times.total),
            33 | 56 if times.tls.is_zero() => Duration::ZERO,
            17 | 54 => (connected + times.tls + times.first_byte).min(times.total),
            65 => times.queue,
            _ => connected + times.tls,
        }
    }

    fn speed(&self, bytes: u64) -> u64 {
        let micros = self.report.times.total.as_micros().max(1);
        u64::try_from(u128::from(bytes) * 1_000_000 / micros).unwrap_or(u64::MAX)
    }
}

/// curl_easy_getinfo(3): of its variable arguments one is taken, which travels as a third one of fixed type does.
#[unsafe(no_mangle)]
extern "C" fn curl_easy_getinfo(handle: Pointer, id: c_int, out: *mut c_void) -> Code {
    guard(Code::FAILED_INIT, || {
        let Some(easy) = super::find(handle) else { return Code::BAD_FUNCTION_ARGUMENT };
        let Some(row) = INFOS.iter().find(|row| Ok(row.id) == u32::try_from(id)) else {
            return Code::UNKNOWN_OPTION;
        };
        if out.is_null() {
            return Code::BAD_FUNCTION_ARGUMENT;
        }
        if let Refused(refusal, _) = row.status {
            return refusal.code();
        }
        let number = row.id & !TYPE;
        // SAFETY: not null, and the caller promises room for a value of the type that the number says.
        unsafe {
            match row.id & TYPE {
                TEXT => out.cast::<*const c_char>().write(text(&easy, number)),
                LONG => out.cast::<c_long>().write(long(&easy, number)),
                DOUBLE => out.cast::<f64>().write(double(&easy, number)),
                OFF_T => out.cast::<i64>().write(off_t(&easy, number)),
                SOCKET => out.cast::<c_int>().write(socket(&easy)),
                _ => out.cast::<*const c_void>().write(object(&easy, number)),
            }
        }
        Code::OK
    })
}

fn text(easy: &Easy, number: u32) -> *const c_char {
    let info = easy.info.borrow();
    let pointer = |text: &Option<CString>| text.as_ref().map_or(ptr::null(), |text| text.as_ptr());
    match number {
        1 => info.url.as_ref().map_or(c"".as_ptr(), |url| url.as_ptr()),
        18 => pointer(&info.content_type),
        21 => easy.settings.borrow().pointer(ids::PRIVATE).cast(),
        31 => pointer(&info.redirect_url),
        32 => info.address.as_ref().map_or(c"".as_ptr(), |address| address.as_ptr()),
        41 => info.local.as_ref().map_or(c"".as_ptr(), |local| local.as_ptr()),
        49 => pointer(&info.scheme),
        58 => pointer(&info.method),
        60 if info.referer.is_some() => pointer(&info.referer),
        60 => easy.settings.borrow().c_text(ids::REFERER).map_or(ptr::null(), |text| text.as_ptr()),
        _ => ptr::null(),
    }
}

fn long(easy: &Easy, number: u32) -> c_long {
    let info = easy.info.borrow();
    let size = |size: usize| c_long::try_from(size).unwrap_or(c_long::MAX);
    match number {
        2 => info.status.into(),
        11 => size(info.header_size),
        12 => size(info.request_size),
        // what OpenSSL says of most of these: X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY
        13 if info.certificate_refused => 20,
        14 => info.file_time.unwrap_or(-1),
        20 => info.redirects,
        22 => info.connect_status.into(),
        23 => info.auth_offered,
        24 => info.proxy_auth_offered,
        25 => info.errno,
        26 => connects(&info.report),
        29 => c_long::from(socket(easy)),
        35 => (info.condition_unmet || info.status == 304).into(),
        40 => info.report.remote.map_or(0, |remote| remote.port().into()),
        42 => info.ends.local.map_or(0, |local| local.port().into()),
        46 => info.version,
        // CURLPROTO_HTTP, CURLPROTO_HTTPS, CURLPROTO_WS, CURLPROTO_WSS
        48 => match info.scheme.as_ref().map(|scheme| scheme.as_bytes()) {
            Some(b"http") => 1 << 0,
            Some(b"https") => 1 << 1,
            Some(b"ws") => 1 << 30,
            Some(b"wss") => 1 << 31,
            _ => 0,
        },
        66 => info.used_proxy.into(),
        _ => 0,
    }
}

/// How many connections were made for a transfer.
fn connects(report: &Report) -> c_long {
    let made = |remote: bool, reused: bool| c_long::from(remote && !reused);
    match report.hops.as_slice() {
        [] => made(report.remote.is_some(), report.reused),
        hops => hops.iter().map(|hop| made(hop.remote.is_some(), hop.reused)).sum(),
    }
}

/// The socket of a connection that the program has to itself.
fn socket(easy: &Easy) -> c_int {
    let link = easy.link.borrow();
    link.as_ref().and_then(|link| link.socket(easy)).unwrap_or(-1)
}

fn double(easy: &Easy, number: u32) -> f64 {
    match number {
        3..=6 | 17 | 19 | 33 => easy.info.borrow().time(number).as_secs_f64(),
        number => off_t(easy, number) as f64,
    }
}

fn off_t(easy: &Easy, number: u32) -> i64 {
    let (info, run) = (easy.info.borrow(), &easy.run);
    let size = |size: u64| i64::try_from(size).unwrap_or(i64::MAX);
    let known = |known: Option<u64>| known.map_or(-1, size);
    match number {
        7 => size(run.uploaded.get()),
        8 => size(run.downloaded.get()),
        9 => size(info.speed(run.downloaded.get())),
        10 => size(info.speed(run.uploaded.get())),
        14 => info.file_time.unwrap_or(-1),
        15 => known(info.content_length),
        16 => known(run.upload_size.get()),
        57 => info.retry_after,
        63 | 64 => -1,
        68 => 0,
        71 => size(run.delivered.get()),
        number => i64::try_from(info.time(number).as_micros()).unwrap_or(i64::MAX),
    }
}

/// `struct curl_certinfo` and `struct curl_tlssessioninfo`: a number and a pointer, which stays null.
#[repr(C)]
struct Nothing {
    number: c_int,
    pointer: *const c_void,
}

// SAFETY: it is never changed.
unsafe impl Sync for Nothing {}

/// No certificates.
static NO_CERTIFICATES: Nothing = Nothing { number: 0, pointer: ptr::null() };
/// CURLSSLBACKEND_RUSTLS, and nothing of its session.
static NO_SESSION: Nothing = Nothing { number: 14, pointer: ptr::null() };

fn object(easy: &Easy, number: u32) -> *const c_void {
    match number {
        34 => (&raw const NO_CERTIFICATES).cast(),
        43 | 45 => (&raw const NO_SESSION).cast(),
        28 => cookies(easy).cast_const().cast(),
        _ => ptr::null(),
    }
}

fn cookies(easy: &Easy) -> *mut slist::List {
    let Some(jar) = easy.cookies() else { return ptr::null_mut() };
    let file = easy.locked(lock::COOKIE, || jar.to_netscape(request::today()));
    let is_cookie = |line: &&[u8]| {
        !line.is_empty() && (!line.starts_with(b"#") || line.starts_with(b"#HttpOnly_"))
    };
    slist::of(file.split(|&byte| byte == b'\n').filter(is_cookie))
}
