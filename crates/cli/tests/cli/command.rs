//! The `ringdove` command of this build: started, fed, waited for with a bound, and killed if it
//! outlives its test.

use std::ffi::OsStr;
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use ringdove::driver::Kind;

use ringdove_test_support::eventually;

/// The longest that any run here may take, on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

/// The names of all drivers.
pub(crate) fn drivers() -> impl Iterator<Item = &'static str> {
    Kind::ALL.into_iter().map(Kind::name)
}

/// A command line in the making.
pub(crate) struct Ringdove {
    argv: Vec<std::ffi::OsString>,
    stdin: Option<Vec<u8>>,
    directory: Option<PathBuf>,
}

/// A command that runs.
pub(crate) struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    /// Taken by a test that reads it itself.
    pub(crate) stdout: Option<BufReader<ChildStdout>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Ringdove {
    pub(crate) fn fetch<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Ringdove {
        Ringdove::new("fetch").args(args)
    }

    pub(crate) fn new(subcommand: &str) -> Ringdove {
        Ringdove {
            argv: vec![env!("CARGO_BIN_EXE_ringdove").into(), subcommand.into()],
            stdin: None,
            directory: None,
        }
    }

    pub(crate) fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Ringdove {
        self.argv.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Runs it in this directory.
    pub(crate) fn within(mut self, directory: &Path) -> Ringdove {
        self.directory = Some(directory.to_owned());
        self
    }

    pub(crate) fn path(self, option: &str, path: &Path) -> Ringdove {
        self.args([OsStr::new(option), path.as_os_str()])
    }

    /// What standard input gives before it ends; without this it is empty.
    pub(crate) fn stdin(mut self, bytes: impl AsRef<[u8]>) -> Ringdove {
        self.stdin = Some(bytes.as_ref().to_vec());
        self
    }

    /// Runs it by a command that runs the rest of its arguments.
    pub(crate) fn under(mut self, wrapper: &[&str]) -> Ringdove {
        let argv = wrapper.iter().map(Into::into).chain(self.argv);
        self.argv = argv.collect();
        self
    }

    /// Starts it; its standard input stays open.
    #[track_caller]
    pub(crate) fn start(self) -> Running {
        let mut command = Command::new(&self.argv[0]);
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        let mut child = command
            .args(&self.argv[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {:?}: {error}", self.argv));
        let mut stdin = child.stdin.take().expect("a pipe");
        if let Some(bytes) = &self.stdin {
            stdin.write_all(bytes).expect("it reads its input");
        }
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let stderr = read_all(child.stderr.take().expect("a pipe"));
        Running { child, stdin: Some(stdin), stdout: Some(stdout), stderr: Some(stderr) }
    }

    /// Runs it to its end.
    #[track_caller]
    pub(crate) fn run(mut self) -> Ended {
        let input = self.stdin.take().unwrap_or_default();
        let mut running = self.start();
        let mut stdin = running.stdin.take().expect("a pipe");
        // it need not read to the end
        let feeder = std::thread::spawn(move || _ = stdin.write_all(&input));
        let ended = running.wait();
        feeder.join().expect("the feeding thread ends with the command");
        ended
    }
}

impl Running {
    #[track_caller]
    pub(crate) fn write(&mut self, text: &str) {
        self.stdin.as_mut().expect("open still").write_all(text.as_bytes()).expect("it reads");
    }

    pub(crate) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    pub(crate) fn take_stdin(&mut self) -> ChildStdin {
        self.stdin.take().expect("open still")
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status().expect("kill runs");
        assert!(status.success(), "kill -s {name} {pid}");
    }

    /// Waits for its end. Its standard input is closed by that.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Ended {
        self.stdin = None;
        let stdout = self.stdout.take().map(read_all);
        let mut status = None;
        let ended = eventually(LIMIT, || {
            status = self.child.try_wait().expect("a child can be waited for");
            status.is_some()
        });
        if !ended {
            _ = self.child.kill();
        }
        let join = |thread: JoinHandle<Vec<u8>>| thread.join().expect("reading a pipe");
        let stdout = stdout.map(join).unwrap_or_default();
        let stderr = self.stderr.take().map(join).unwrap_or_default();
        let stderr = String::from_utf8_lossy(&stderr).into_owned();
        let status = status.unwrap_or_else(|| panic!("no end after {LIMIT:?}:\n{stderr}"));
        Ended { status, stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

impl Ended {
    /// Demands an exit status.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Ended {
        let Ended { status, stdout, stderr } = &self;
        let stdout = String::from_utf8_lossy(&stdout[..stdout.len().min(2000)]);
        assert_eq!(status.code(), Some(code), "{status}\nstdout: {stdout}\nstderr: {stderr}");
        self
    }

    /// Demands these words, all of them in one line of standard error.
    #[track_caller]
    pub(crate) fn says(self, words: &[&str]) -> Ended {
        let says = |line: &str| words.iter().all(|word| line.contains(word));
        assert!(self.stderr.lines().any(says), "no line with {words:?} in:\n{}", self.stderr);
        self
    }

    /// Standard output as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

fn read_all(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // what was read counts, whatever ends it
        _ = pipe.read_to_end(&mut bytes);
        bytes
    })
}
