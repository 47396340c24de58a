//! The two servers, as processes of their own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::bare_server;

/// A server that runs. It is killed when this is dropped.
pub struct ServerProcess {
    child: Child,
    pub address: String,
    // Kept open after the first line: a server may end when nobody takes what it prints.
    output: BufReader<ChildStdout>,
}

impl ServerProcess {
    /// Starts Credence in local mode.
    pub fn start_credence(data_directory: &Path) -> Self {
        let mut command = credence();
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data_directory)
            .stderr(Stdio::null());
        Self::start(command)
    }

    /// Starts the bare server: this same program, told to be one.
    pub fn start_bare(data_directory: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(bare_server::DATA_DIRECTORY_VARIABLE, data_directory);
        Self::start(command)
    }

    fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut server = Self {
            child,
            address: String::new(),
            output,
        };
        server.address = server.greeted_address();
        server
    }

    /// The address in the first line that a server prints, which it does when it serves.
    fn greeted_address(&mut self) -> String {
        let mut greeting = String::new();
        self.output.read_line(&mut greeting).unwrap();
        let address = greeting
            .split_once("http://")
            .and_then(|(_, rest)| rest.split_once("/graphql"));
        let (address, _) =
            address.unwrap_or_else(|| panic!("a server did not start: {greeting:?}"));
        address.to_owned()
    }

    /// Stops the server in good order, so that its database is one file.
    pub fn stop(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A token of a data directory.
pub fn token(data_directory: &Path, subject: &str, role: &str) -> String {
    let output = credence()
        .args(["token", "--sub", subject, "--role", role, "--data-dir"])
        .arg(data_directory)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The command, with none of the settings that this process may have been given for another one.
fn credence() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_credence"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CREDENCE_") {
            command.env_remove(name);
        }
    }
    command
}
