//! Whether a direct descriptor that is closed is closed at once.
//!
//! Knows by which order of completions a kernel shows that. Must not know streams.
//!
//! Before Linux 6.13 what was taken out of the table of direct descriptors is let go of in the order in which it was taken out, and each
//! only when all operations are over that were begun before on any direct descriptor (6.1 takes its time after that, too). So while one
//! connection waits to receive, others that are closed behind it send no FIN and keep their memory and ports. Since 6.13 each
//! descriptor is counted by itself.
//!
//! A descriptor can have a tag, which the kernel posts as a CQE when it lets go of the file. So it is seen which comes first, in one
//! queue and whatever the time: the tag of one that was closed, or the completion of an older operation that is cancelled
//! after the close.

use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use io_uring::squeue;

use super::clock;
use super::count::{self, Counter};
use super::errno::Errno;
use super::op::Op;
use super::ring::{Ring, SetupError};
use super::token::{Kind, Token};
use super::wake::Waker;

/// Where something waits, and what is closed meanwhile.
const WAITS: u32 = 0;
const CLOSED: u32 = 1;

/// Places that the trial wants, from the first on. They are empty before and after it.
pub(super) const PLACES: u32 = 2;

/// `IORING_REGISTER_FILES_UPDATE2` (Linux 5.13), which `io-uring` does not have.
const REGISTER_FILES_UPDATE2: u32 = 14;

/// `struct io_uring_rsrc_update2`.
#[repr(C)]
struct RsrcUpdate2 {
    offset: u32,
    reserved: u32,
    data: u64,
    tags: u64,
    count: u32,
    reserved2: u32,
}

/// Closes a descriptor while another one waits, and sees whether the kernel lets go of it. The ring has a table of direct
/// descriptors. Where it is late the tag may come after the trial, as a CQE that is nobody's ([`Kind::Released`]).
pub(super) fn are_late(ring: &mut Ring) -> Result<bool, SetupError> {
    let refused = |errno| SetupError::Trial("a CLOSE", errno);
    let file =
        Waker::new().map_err(|errno| SetupError::Trial("an eventfd, to try CLOSE", errno))?;
    install(ring, file.as_raw_fd()).map_err(refused)?;
    let waits = Token::slotless(Kind::Poll);
    let trial = [
        (Op::PollDirect { direct: WAITS }, waits),
        (Op::Close { direct: CLOSED }, Token::slotless(Kind::Close)),
        (Op::Cancel { target: waits }, Token::slotless(Kind::CancelFile)),
        (Op::Close { direct: WAITS }, Token::slotless(Kind::Close)),
    ];
    let mut owed = trial.len();
    ring.make_room(trial.len() as u32).map_err(refused)?;
    for (op, token) in trial {
        ring.push(op, token, squeue::Flags::empty());
    }
    let mut said = Vec::with_capacity(PLACES as usize + trial.len());
    let mut now = clock::now();
    let until = now + Duration::from_secs(1);
    while owed > 0 && now < until {
        ring.submit_and_wait(now, Some(until)).map_err(refused)?;
        while let Some(cqe) = ring.pop() {
            owed -= usize::from(cqe.kind() != Some(Kind::Released));
            said.extend(cqe.kind());
        }
        now = clock::now();
    }
    // what is left in flight watches a file that nobody writes to, and lends no memory
    if owed > 0 { Err(SetupError::Lacks("operations that complete")) } else { Ok(says_late(&said)) }
}

/// What completions say, in their order: it was let go of before what waited was over, or not.
fn says_late(said: &[Kind]) -> bool {
    let first = said.iter().find(|kind| matches!(kind, Kind::Released | Kind::Poll));
    first != Some(&Kind::Released)
}

/// Puts the file into both places, with a tag on the one that is closed.
fn install(ring: &Ring, file: RawFd) -> Result<(), Errno> {
    let files = [file; PLACES as usize];
    let mut tags = [0; PLACES as usize];
    tags[CLOSED as usize] = Token::slotless(Kind::Released).to_bits();
    let update = RsrcUpdate2 {
        offset: WAITS,
        reserved: 0,
        data: files.as_ptr() as u64,
        tags: tags.as_ptr() as u64,
        count: PLACES,
        reserved2: 0,
    };
    count::add(Counter::RingRegister, 1);
    // SAFETY: `update` and the arrays that it points to are on this stack and outlive the call, which reads them and
    // keeps no pointer.
    let result = unsafe {
        libc::syscall(
            libc::SYS_io_uring_register,
            ring.io_uring().as_raw_fd(),
            REGISTER_FILES_UPDATE2,
            &raw const update,
            size_of::<RsrcUpdate2>(),
        )
    };
    if result < 0 { Err(Errno::last()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::ring::Options;

    #[test]
    fn what_comes_first_decides() {
        let (released, waited) = (Kind::Released, Kind::Poll);
        let (close, cancel) = (Kind::Close, Kind::CancelFile);
        // 6.18
        assert!(!says_late(&[released, close, cancel, close, waited]));
        assert!(!says_late(&[close, released, cancel, close, waited]));
        // 6.12, and 6.1, where the tag comes later
        assert!(says_late(&[close, cancel, close, waited, released]));
        assert!(says_late(&[close, cancel, close, waited]));
    }

    /// The trial leaves nothing behind, so that it says the same each time, on each step of the set-up.
    #[test]
    fn a_kernel_says_the_same_each_time() {
        let mut found = None;
        for without in [&[][..], &[crate::sys::ring::SetupFlag::SingleIssuer]] {
            let options = Options { without: without.to_vec(), ..Options::default() };
            let Ok(mut ring) = Ring::new(&options) else {
                eprintln!("skipped: no io_uring here");
                return;
            };
            ring.io_uring().submitter().register_files_sparse(PLACES).expect("a table");
            for _ in 0..20 {
                let late = are_late(&mut ring).expect("a trial");
                assert_eq!(*found.get_or_insert(late), late);
            }
        }
        let at_once = std::fs::read_to_string("/proc/sys/kernel/osrelease").is_ok_and(|release| {
            let mut parts = release.split(['.', '-']).map(|part| part.parse().unwrap_or(0));
            (parts.next(), parts.next()) >= (Some(6), Some(13))
        });
        if at_once {
            assert_eq!(found, Some(false), "as of Linux 6.13");
        }
    }
}
