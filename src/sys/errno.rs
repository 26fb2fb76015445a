//! Error numbers, by name.
//!
//! Knows errno(3). Must not know what any of them means to a caller.

use std::fmt;
use std::io;

/// An error number of the kernel, as in errno(3). Displays as `connection refused (ECONNREFUSED)`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Errno(pub i32);

impl Errno {
    /// The number itself, positive.
    pub const fn raw(self) -> i32 {
        self.0
    }

    /// Whether the system has no descriptor, port or memory left for one more socket now: something
    /// that passes when others are closed.
    pub const fn is_exhaustion(self) -> bool {
        matches!(
            self,
            Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM | Errno::EADDRNOTAVAIL
        )
    }

    /// What the last libc call of this thread left in `errno`.
    pub(crate) fn last() -> Errno {
        Errno::from(io::Error::last_os_error())
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // strerror's words, without the "(os error N)" that the name makes superfluous
        let words = io::Error::from_raw_os_error(self.0).to_string();
        let words = words.split(" (os error").next().unwrap_or_default();
        match self.name() {
            Some(name) => write!(f, "{words} ({name})"),
            None => write!(f, "{words} (errno {})", self.0),
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "Errno({})", self.0),
        }
    }
}

impl std::error::Error for Errno {}

impl From<Errno> for io::Error {
    fn from(errno: Errno) -> io::Error {
        io::Error::from_raw_os_error(errno.0)
    }
}

impl From<io::Error> for Errno {
    /// An error that is not the kernel's becomes `EIO`.
    fn from(error: io::Error) -> Errno {
        Errno(error.raw_os_error().unwrap_or(libc::EIO))
    }
}

/// One list makes the constants and their names.
macro_rules! errnos {
    ($($name:ident)*) => {
        #[allow(missing_docs, reason = "the names are errno(3)'s")]
        impl Errno {
            $(pub const $name: Errno = Errno(libc::$name);)*

            /// The name of this number in errno(3), such as `ECONNREFUSED`.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $(libc::$name => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

errnos! {
    EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT ENOTBLK EBUSY
    EEXIST EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC ESPIPE EROFS
    EMLINK EPIPE EDOM ERANGE EDEADLK ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY ELOOP ENOMSG EIDRM ECHRNG
    EL2NSYNC EL3HLT EL3RST ELNRNG EUNATCH ENOCSI EL2HLT EBADE EBADR EXFULL ENOANO EBADRQC EBADSLT
    EBFONT ENOSTR ENODATA ETIME ENOSR ENONET ENOPKG EREMOTE ENOLINK EADV ESRMNT ECOMM EPROTO EMULTIHOP
    EDOTDOT EBADMSG EOVERFLOW ENOTUNIQ EBADFD EREMCHG ELIBACC ELIBBAD ELIBSCN ELIBMAX ELIBEXEC EILSEQ
    ERESTART ESTRPIPE EUSERS ENOTSOCK EDESTADDRREQ EMSGSIZE EPROTOTYPE ENOPROTOOPT EPROTONOSUPPORT
    ESOCKTNOSUPPORT EOPNOTSUPP EPFNOSUPPORT EAFNOSUPPORT EADDRINUSE EADDRNOTAVAIL ENETDOWN ENETUNREACH
    ENETRESET ECONNABORTED ECONNRESET ENOBUFS EISCONN ENOTCONN ESHUTDOWN ETOOMANYREFS ETIMEDOUT
    ECONNREFUSED EHOSTDOWN EHOSTUNREACH EALREADY EINPROGRESS ESTALE EUCLEAN ENOTNAM ENAVAIL EISNAM
    EREMOTEIO EDQUOT ENOMEDIUM EMEDIUMTYPE ECANCELED ENOKEY EKEYEXPIRED EKEYREVOKED EKEYREJECTED
    EOWNERDEAD ENOTRECOVERABLE ERFKILL EHWPOISON
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_words_and_name() {
        assert_eq!(Errno::ECONNREFUSED.to_string(), "Connection refused (ECONNREFUSED)");
        assert_eq!(format!("{:?}", Errno(libc::ETIME)), "ETIME");
        assert_eq!(Errno(4000).name(), None);
        assert_eq!(format!("{:?}", Errno(4000)), "Errno(4000)");
    }

    #[test]
    fn goes_to_an_io_error_and_back() {
        let error: io::Error = Errno::EADDRNOTAVAIL.into();
        assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
        assert_eq!(Errno::from(error), Errno::EADDRNOTAVAIL);
        assert_eq!(Errno::from(io::Error::other("not the kernel's")), Errno::EIO);
    }
}
