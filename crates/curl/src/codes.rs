//! curl's numbers for what went wrong, and its words for them.
//!
//! Knows the values of `CURLcode`, `CURLMcode`, `CURLSHcode`, `CURLUcode` and `CURLHcode` in curl.h, as far as they are
//! answered here. Must not know what the engine calls them: that is `errors`.

/// What a function of the easy interface answers: `CURLcode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Code(pub(crate) i32);

impl Code {
    pub(crate) const OK: Code = Code(0);
    pub(crate) const UNSUPPORTED_PROTOCOL: Code = Code(1);
    pub(crate) const FAILED_INIT: Code = Code(2);
    pub(crate) const URL_MALFORMAT: Code = Code(3);
    pub(crate) const NOT_BUILT_IN: Code = Code(4);
    pub(crate) const COULDNT_RESOLVE_PROXY: Code = Code(5);
    pub(crate) const COULDNT_RESOLVE_HOST: Code = Code(6);
    pub(crate) const COULDNT_CONNECT: Code = Code(7);
    pub(crate) const WEIRD_SERVER_REPLY: Code = Code(8);
    pub(crate) const HTTP2: Code = Code(16);
    pub(crate) const PARTIAL_FILE: Code = Code(18);
    pub(crate) const HTTP_RETURNED_ERROR: Code = Code(22);
    pub(crate) const WRITE_ERROR: Code = Code(23);
    pub(crate) const UPLOAD_FAILED: Code = Code(25);
    pub(crate) const READ_ERROR: Code = Code(26);
    pub(crate) const OUT_OF_MEMORY: Code = Code(27);
    pub(crate) const OPERATION_TIMEDOUT: Code = Code(28);
    pub(crate) const RANGE_ERROR: Code = Code(33);
    pub(crate) const SSL_CONNECT_ERROR: Code = Code(35);
    pub(crate) const ABORTED_BY_CALLBACK: Code = Code(42);
    pub(crate) const BAD_FUNCTION_ARGUMENT: Code = Code(43);
    pub(crate) const INTERFACE_FAILED: Code = Code(45);
    pub(crate) const TOO_MANY_REDIRECTS: Code = Code(47);
    pub(crate) const UNKNOWN_OPTION: Code = Code(48);
    pub(crate) const SETOPT_OPTION_SYNTAX: Code = Code(49);
    pub(crate) const GOT_NOTHING: Code = Code(52);
    pub(crate) const SEND_ERROR: Code = Code(55);
    pub(crate) const RECV_ERROR: Code = Code(56);
    pub(crate) const SSL_CERTPROBLEM: Code = Code(58);
    pub(crate) const SSL_CIPHER: Code = Code(59);
    pub(crate) const AGAIN: Code = Code(81);
    pub(crate) const PEER_FAILED_VERIFICATION: Code = Code(60);
    pub(crate) const BAD_CONTENT_ENCODING: Code = Code(61);
    pub(crate) const FILESIZE_EXCEEDED: Code = Code(63);
    pub(crate) const SEND_FAIL_REWIND: Code = Code(65);
    pub(crate) const SSL_CACERT_BADFILE: Code = Code(77);
    pub(crate) const SSL_PINNEDPUBKEYNOTMATCH: Code = Code(90);
    pub(crate) const HTTP2_STREAM: Code = Code(92);
    pub(crate) const RECURSIVE_API_CALL: Code = Code(93);
    pub(crate) const PROXY: Code = Code(97);
    pub(crate) const SSL_CLIENTCERT: Code = Code(98);
    pub(crate) const TOO_LARGE: Code = Code(100);

    /// What curl_easy_strerror says of it, with its NUL.
    pub(crate) fn text(self) -> &'static str {
        let text = usize::try_from(self.0).ok().and_then(|at| EASY_TEXTS.get(at));
        text.unwrap_or(&"Unknown error\0")
    }
}

/// What a function of the multi interface answers: `CURLMcode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct MultiCode(pub(crate) i32);

impl MultiCode {
    pub(crate) const OK: MultiCode = MultiCode(0);
    pub(crate) const BAD_HANDLE: MultiCode = MultiCode(1);
    pub(crate) const BAD_EASY_HANDLE: MultiCode = MultiCode(2);
    pub(crate) const INTERNAL_ERROR: MultiCode = MultiCode(4);
    pub(crate) const BAD_SOCKET: MultiCode = MultiCode(5);
    pub(crate) const UNKNOWN_OPTION: MultiCode = MultiCode(6);
    pub(crate) const ADDED_ALREADY: MultiCode = MultiCode(7);
    pub(crate) const RECURSIVE_API_CALL: MultiCode = MultiCode(8);
    pub(crate) const WAKEUP_FAILURE: MultiCode = MultiCode(9);
    pub(crate) const BAD_FUNCTION_ARGUMENT: MultiCode = MultiCode(10);
    pub(crate) const ABORTED_BY_CALLBACK: MultiCode = MultiCode(11);
    pub(crate) const UNRECOVERABLE_POLL: MultiCode = MultiCode(12);

    /// What curl_multi_strerror says of it, with its NUL.
    pub(crate) fn text(self) -> &'static str {
        let text = self
            .0
            .checked_add(1)
            .and_then(|at| usize::try_from(at).ok())
            .and_then(|at| MULTI_TEXTS.get(at));
        text.unwrap_or(&"Unknown error\0")
    }
}

/// What a function of share handles answers: `CURLSHcode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct ShareCode(pub(crate) i32);

impl ShareCode {
    pub(crate) const OK: ShareCode = ShareCode(0);
    pub(crate) const BAD_OPTION: ShareCode = ShareCode(1);
    pub(crate) const IN_USE: ShareCode = ShareCode(2);
    pub(crate) const INVALID: ShareCode = ShareCode(3);

    /// What curl_share_strerror says of it, with its NUL.
    pub(crate) fn text(self) -> &'static str {
        let text = usize::try_from(self.0).ok().and_then(|at| SHARE_TEXTS.get(at));
        text.unwrap_or(&"CURLSHcode unknown\0")
    }
}

/// What a function of the URL API answers: `CURLUcode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct UrlCode(pub(crate) i32);

impl UrlCode {
    pub(crate) const OK: UrlCode = UrlCode(0);
    pub(crate) const BAD_HANDLE: UrlCode = UrlCode(1);
    pub(crate) const BAD_PARTPOINTER: UrlCode = UrlCode(2);
    pub(crate) const MALFORMED_INPUT: UrlCode = UrlCode(3);
    pub(crate) const BAD_PORT_NUMBER: UrlCode = UrlCode(4);
    pub(crate) const UNSUPPORTED_SCHEME: UrlCode = UrlCode(5);
    pub(crate) const URLDECODE: UrlCode = UrlCode(6);
    pub(crate) const OUT_OF_MEMORY: UrlCode = UrlCode(7);
    pub(crate) const USER_NOT_ALLOWED: UrlCode = UrlCode(8);
    pub(crate) const UNKNOWN_PART: UrlCode = UrlCode(9);
    pub(crate) const NO_SCHEME: UrlCode = UrlCode(10);
    pub(crate) const NO_USER: UrlCode = UrlCode(11);
    pub(crate) const NO_PASSWORD: UrlCode = UrlCode(12);
    pub(crate) const NO_OPTIONS: UrlCode = UrlCode(13);
    pub(crate) const NO_HOST: UrlCode = UrlCode(14);
    pub(crate) const NO_PORT: UrlCode = UrlCode(15);
    pub(crate) const NO_QUERY: UrlCode = UrlCode(16);
    pub(crate) const NO_FRAGMENT: UrlCode = UrlCode(17);
    pub(crate) const NO_ZONEID: UrlCode = UrlCode(18);
    pub(crate) const BAD_HOSTNAME: UrlCode = UrlCode(21);
    pub(crate) const BAD_IPV6: UrlCode = UrlCode(22);
    pub(crate) const BAD_SCHEME: UrlCode = UrlCode(27);
    pub(crate) const BAD_SLASHES: UrlCode = UrlCode(28);
    pub(crate) const LACKS_IDN: UrlCode = UrlCode(30);

    /// What curl_url_strerror says of it, with its NUL.
    pub(crate) fn text(self) -> &'static str {
        let text = usize::try_from(self.0).ok().and_then(|at| URL_TEXTS.get(at));
        text.unwrap_or(&"CURLUcode unknown\0")
    }
}

/// By `CURLcode`.
static EASY_TEXTS: [&str; 100] = [
    "No error\0",
    "Unsupported protocol\0",
    "Failed initialization\0",
    "URL using bad/illegal format or missing URL\0",
    "A requested feature, protocol or option was not found built-in in this libcurl due to a build-time decision.\0",
    "Couldn't resolve proxy name\0",
    "Couldn't resolve host name\0",
    "Couldn't connect to server\0",
    "Weird server reply\0",
    "Access denied to remote resource\0",
    "FTP: The server failed to connect to data port\0",
    "FTP: unknown PASS reply\0",
    "FTP: Accepting server connect has timed out\0",
    "FTP: unknown PASV reply\0",
    "FTP: unknown 227 response format\0",
    "FTP: can't figure out the host in the PASV response\0",
    "Error in the HTTP2 framing layer\0",
    "FTP: couldn't set file type\0",
    "Transferred a partial file\0",
    "FTP: couldn't retrieve (RETR failed) the specified file\0",
    "Unknown error\0",
    "Quote command returned error\0",
    "HTTP response code said error\0",
    "Failed writing received data to disk/application\0",
    "Unknown error\0",
    "Upload failed (at start/before it took off)\0",
    "Failed to open/read local data from file/application\0",
    "Out of memory\0",
    "Timeout was reached\0",
    "Unknown error\0",
    "FTP: command PORT failed\0",
    "FTP: command REST failed\0",
    "Unknown error\0",
    "Requested range was not delivered by the server\0",
    "Internal problem setting up the POST\0",
    "SSL connect error\0",
    "Couldn't resume download\0",
    "Couldn't read a file:// file\0",
    "LDAP: cannot bind\0",
    "LDAP: search failed\0",
    "Unknown error\0",
    "A required function in the library was not found\0",
    "Operation was aborted by an application callback\0",
    "A libcurl function was given a bad argument\0",
    "Unknown error\0",
    "Failed binding local connection end\0",
    "Unknown error\0",
    "Number of redirects hit maximum amount\0",
    "An unknown option was passed in to libcurl\0",
    "Malformed option provided in a setopt\0",
    "Unknown error\0",
    "Unknown error\0",
    "Server returned nothing (no headers, no data)\0",
    "SSL crypto engine not found\0",
    "Can not set SSL crypto engine as default\0",
    "Failed sending data to the peer\0",
    "Failure when receiving data from the peer\0",
    "Unknown error\0",
    "Problem with the local SSL certificate\0",
    "Couldn't use specified SSL cipher\0",
    "SSL peer certificate or SSH remote key was not OK\0",
    "Unrecognized or bad HTTP Content or Transfer-Encoding\0",
    "Unknown error\0",
    "Maximum file size exceeded\0",
    "Requested SSL level failed\0",
    "Send failed since rewinding of the data stream failed\0",
    "Failed to initialise SSL crypto engine\0",
    "Login denied\0",
    "TFTP: File Not Found\0",
    "TFTP: Access Violation\0",
    "Disk full or allocation exceeded\0",
    "TFTP: Illegal operation\0",
    "TFTP: Unknown transfer ID\0",
    "Remote file already exists\0",
    "TFTP: No such user\0",
    "Unknown error\0",
    "Unknown error\0",
    "Problem with the SSL CA cert (path? access rights?)\0",
    "Remote file not found\0",
    "Error in the SSH layer\0",
    "Failed to shut down the SSL connection\0",
    "Socket not ready for send/recv\0",
    "Failed to load CRL file (path? access rights?, format?)\0",
    "Issuer check against peer certificate failed\0",
    "FTP: The server did not accept the PRET command.\0",
    "RTSP CSeq mismatch or invalid CSeq\0",
    "RTSP session error\0",
    "Unable to parse FTP file list\0",
    "Chunk callback failed\0",
    "The max connection limit is reached\0",
    "SSL public key does not match pinned public key\0",
    "SSL server certificate status verification FAILED\0",
    "Stream error in the HTTP/2 framing layer\0",
    "API function called from within callback\0",
    "An authentication function returned an error\0",
    "HTTP/3 error\0",
    "QUIC connection error\0",
    "proxy handshake error\0",
    "SSL Client Certificate required\0",
    "Unrecoverable error in select/poll\0",
];

/// By `CURLMcode`, from -1 on.
static MULTI_TEXTS: [&str; 14] = [
    "Please call curl_multi_perform() soon\0",
    "No error\0",
    "Invalid multi handle\0",
    "Invalid easy handle\0",
    "Out of memory\0",
    "Internal error\0",
    "Invalid socket argument\0",
    "Unknown option\0",
    "The easy handle is already added to a multi handle\0",
    "API function called from within callback\0",
    "Wakeup is unavailable or failed\0",
    "A libcurl function was given a bad argument\0",
    "Operation was aborted by an application callback\0",
    "Unrecoverable error in select/poll\0",
];

/// By `CURLSHcode`.
static SHARE_TEXTS: [&str; 6] = [
    "No error\0",
    "Unknown share option\0",
    "Share currently in use\0",
    "Invalid share handle\0",
    "Out of memory\0",
    "Feature not enabled in this library\0",
];

/// By `CURLUcode`.
static URL_TEXTS: [&str; 31] = [
    "No error\0",
    "An invalid CURLU pointer was passed as argument\0",
    "An invalid 'part' argument was passed as argument\0",
    "Malformed input to a URL function\0",
    "Port number was not a decimal number between 0 and 65535\0",
    "Unsupported URL scheme\0",
    "URL decode error, most likely because of rubbish in the input\0",
    "A memory function failed\0",
    "Credentials was passed in the URL when prohibited\0",
    "An unknown part ID was passed to a URL API function\0",
    "No scheme part in the URL\0",
    "No user part in the URL\0",
    "No password part in the URL\0",
    "No options part in the URL\0",
    "No host part in the URL\0",
    "No port part in the URL\0",
    "No query part in the URL\0",
    "No fragment part in the URL\0",
    "No zoneid part in the URL\0",
    "Bad file:// URL\0",
    "Bad fragment\0",
    "Bad hostname\0",
    "Bad IPv6 address\0",
    "Bad login part\0",
    "Bad password\0",
    "Bad path\0",
    "Bad query\0",
    "Bad scheme\0",
    "Unsupported number of slashes following scheme\0",
    "Bad user\0",
    "libcurl lacks IDN support\0",
];
