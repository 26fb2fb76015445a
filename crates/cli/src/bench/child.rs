//! This program, started again: what it is told on stdin, what it answers on stdout.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::options::Role;
use super::plan::{Measured, Plan, Serve, Serving};

type Failure = Box<dyn std::error::Error>;

/// A process of this program's; killed when dropped.
pub(super) struct Process {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

/// The embedded server; it ends when this is dropped.
pub(super) struct Server {
    _process: Process,
    /// It serves as long as this is open.
    _stdin: ChildStdin,
    pub(super) serving: Serving,
}

impl Server {
    pub(super) fn start(serve: &Serve) -> Result<Self, Failure> {
        let (mut process, stdin) = Process::start(Role::Server, serve)?;
        let serving = process.answer("the server")?;
        Ok(Self { _process: process, _stdin: stdin, serving })
    }
}

/// Makes one round; `progress` gets the number of requests so far, now and then.
pub(super) fn round(plan: &Plan, mut progress: impl FnMut(u64)) -> Result<Measured, Failure> {
    let (mut process, _stdin) = Process::start(Role::Round, plan)?;
    loop {
        let line = process.line("the round")?;
        match line.trim().parse() {
            Ok(requests) => progress(requests),
            Err(_) => return Ok(serde_json::from_str(&line)?),
        }
    }
}

/// What this process was told by [`Process::start`].
pub(super) fn told<T: DeserializeOwned>() -> Result<T, Failure> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}

impl Process {
    fn start(role: Role, message: &impl Serialize) -> Result<(Self, ChildStdin), Failure> {
        let role = match role {
            Role::Command => "command",
            Role::Round => "round",
            Role::Server => "server",
        };
        let mut child = Command::new(std::env::current_exe()?)
            .args(["bench", "--role", role])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (Some(mut stdin), Some(stdout)) = (stdin, stdout) else {
            return Err("no pipes to a process of our own".into());
        };
        let process = Self { child, stdout: BufReader::new(stdout) };
        stdin.write_all((serde_json::to_string(message)? + "\n").as_bytes())?;
        Ok((process, stdin))
    }

    fn answer<T: DeserializeOwned>(&mut self, who: &str) -> Result<T, Failure> {
        Ok(serde_json::from_str(&self.line(who)?)?)
    }

    /// The next line; its own words on stderr say why there is none.
    fn line(&mut self, who: &str) -> Result<String, Failure> {
        let mut line = String::new();
        if self.stdout.read_line(&mut line)? == 0 {
            let mut rest = Vec::new();
            self.stdout.read_to_end(&mut rest)?;
            let status = self.child.wait()?;
            return Err(format!("{who} ended early ({status})").into());
        }
        Ok(line)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
