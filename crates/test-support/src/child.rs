//! A program that cannot outlive the test that started it.
//!
//! A shell stands between: it starts the program and waits for the end of its own standard input,
//! a pipe that only the test holds. Dropping the value closes the pipe, and so does the kernel
//! when the test process dies in any way at all; the shell then kills the program and reaps it.
//! `PR_SET_PDEATHSIG` alone would not do: it fires when the starting *thread* ends, which for a
//! server shared by several tests is too early. It guards the shell's own death.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

/// The soft limit of open files is raised to the hard one for the program.
const GUARD: &str = r#"
ulimit -S -n "$(ulimit -H -n)"
exec 3<&0
setpriv --pdeathsig KILL -- "$@" </dev/null 3<&- >&2 &
program=$!
( read -r _ <&3; kill -KILL "$program" ) 2>/dev/null >&2 &
watcher=$!
echo "$program"
exec >&-
wait "$program"
status=$?
kill -KILL "$watcher" 2>/dev/null
exit "$status"
"#;

/// A running program; killed and reaped on drop.
#[derive(Debug)]
pub struct Guarded {
    shell: Child,
    pid: u32,
    lifeline: Option<ChildStdin>,
}

impl Guarded {
    /// Starts `argv` with its output appended to `log`. A program that does not exist shows as
    /// one that ended at once, with the reason in the log.
    pub fn spawn(argv: &[String], log: &Path) -> io::Result<Guarded> {
        let mut shell = Command::new("sh")
            .args(["-c", GUARD, "guard"])
            .args(argv)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::options().create(true).append(true).open(log)?)
            .spawn()?;
        let lifeline = shell.stdin.take();
        let mut line = String::new();
        if let Some(stdout) = shell.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let pid = line.trim().parse().map_err(|_| {
            io::Error::other(format!("the guarding shell said {line:?} instead of a pid"))
        })?;
        Ok(Guarded { shell, pid, lifeline })
    }

    /// The program's own process id, for reading its CPU time or limits.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// How the program ended by itself; `None` while it runs.
    pub fn exited(&mut self) -> io::Result<Option<ExitStatus>> {
        self.shell.try_wait()
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        let _ = self.shell.wait();
    }
}
