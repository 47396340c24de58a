//! The command, as a process of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

/// The command with these arguments, and none of this process's settings.
pub fn credence(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_credence"));
    command.args(arguments).stdin(Stdio::null());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CREDENCE_")) {
        command.env_remove(name);
    }
    command
}

/// Runs the command to its end.
pub fn run(arguments: &[&str]) -> Output {
    credence(arguments).output().unwrap()
}

/// Runs a command to its end. Returns also how much time of a processor it took, its threads together: other than by the clock on the wall,
/// that is the same however busy the machine is. The shell tells it (POSIX, `times`) on standard output, behind what the command wrote.
pub fn run_and_measure(command: &Command) -> (Output, Duration) {
    let script = "\"$@\"; code=$?; times; exit $code";
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", script, "sh"]).stdin(Stdio::null());
    shell.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let output = shell.output().unwrap();
    // The second line is that of what the shell has run: `0m0.01s 0m0.02s`.
    let told = stdout(&output);
    let seconds = told.lines().last().unwrap().split(' ').map(|time| {
        let (minutes, seconds) = time.strip_suffix('s').unwrap().split_once('m').unwrap();
        minutes.parse::<f64>().unwrap() * 60.0 + seconds.parse::<f64>().unwrap()
    });
    let took = Duration::from_secs_f64(seconds.sum());
    (output, took)
}

/// What a command wrote on standard error.
pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// What a command wrote on standard output.
pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Sends a signal, by name, to a process.
pub fn signal(name: &str, process: u32) {
    let sent = Command::new("kill")
        .args(["-s", name, &process.to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// Where a server has its keys and its database.
pub struct Place {
    pub data: PathBuf,
    /// The URL of PostgreSQL; `None` for the file in the data directory.
    pub url: Option<String>,
}

impl Place {
    /// A command that works there. The URL is in its environment, where nobody else sees it.
    pub fn command(&self, words: &[&str]) -> Command {
        let place = ["--data-dir", self.data.to_str().unwrap()];
        let mut command = credence(&[words, &place].concat());
        command.envs(self.url.iter().map(|url| ("CREDENCE_DATABASE_URL", url)));
        command
    }

    /// Starts `serve` on a free port, and waits until it serves. The log goes to `log`.
    pub fn serve(&self, log: Stdio, arguments: &[&str]) -> ServerProcess {
        let fixed = ["serve", "--listen", "127.0.0.1:0"];
        ServerProcess::spawn(self.command(&[&fixed, arguments].concat()), log)
    }

    /// A token that local mode signs.
    pub fn token(&self, subject: &str, role: &str) -> String {
        let words = ["token", "--sub", subject, "--role", role];
        let output = self.command(&words).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output).trim().to_owned()
    }
}

/// A command on a terminal of its own.
pub struct Terminal {
    child: Child,
    keys: ChildStdin,
    /// What it shows.
    pub seen: BufReader<ChildStdout>,
}

impl Terminal {
    /// Runs a line of a shell on a terminal, for a minute at most, with an environment that `point` completes. Where these tests run in the
    /// background, SIGINT is ignored, and what is ignored at its start no shell can catch.
    pub fn run(line: &str, point: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new("env");
        // A terminal says which one it is, whether these tests have one or not.
        command.env("TERM", "xterm");
        point(&mut command);
        let mut child = command
            .args(["--default-signal=INT", "timeout", "60", "script"])
            .args(["--quiet", "--return", "--command", line, "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            keys: child.stdin.take().unwrap(),
            seen: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    /// Presses Control and C. Returns what it shows from then on, and how it ended.
    pub fn interrupt(mut self) -> (String, ExitStatus) {
        self.keys.write_all(b"\x03").unwrap();
        let mut rest = String::new();
        self.seen.read_to_string(&mut rest).unwrap();
        (rest, self.child.wait().unwrap())
    }
}

/// A server as a process. It is killed when the test ends.
pub struct ServerProcess {
    pub child: Child,
    pub address: String,
    reader: Option<JoinHandle<String>>,
}

impl ServerProcess {
    /// Starts a command that becomes a server, and waits until it serves.
    pub fn spawn(mut command: Command, log: Stdio) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut greeting = String::new();
        output.read_line(&mut greeting).unwrap();
        let address = greeting
            .split_once("://")
            .and_then(|(_, rest)| rest.split_once("/graphql"))
            .map_or_else(
                || panic!("the server did not start: {greeting}"),
                |(address, _)| address.to_owned(),
            );
        // The server must not wait for a reader when it writes more than the pipe holds.
        let reader = std::thread::spawn(move || {
            output.read_to_string(&mut greeting).unwrap();
            greeting
        });
        Self {
            child,
            address,
            reader: Some(reader),
        }
    }

    /// All that the server wrote to its standard output, when it has ended.
    pub fn output(&mut self) -> String {
        self.reader.take().unwrap().join().unwrap()
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        signal(name, self.child.id());
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}
