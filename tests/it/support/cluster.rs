//! PostgreSQL servers that are made for a run, and go with it.

use std::ffi::OsString;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

use rustix::process::geteuid;
use tempfile::TempDir;

/// A server of its own. It is stopped, and its files are removed, when this process ends.
pub struct Cluster {
    pub directory: PathBuf,
    pub port: u16,
    pub programs: Programs,
    // When this process ends, however it does, its end of the pipe closes, and the keeper stops the server.
    pub keeper: Child,
}

impl Cluster {
    /// Makes a server and starts it, with these settings.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub fn start(settings: &[&str]) -> Result<Self, String> {
        Self::start_with(Programs::find()?, settings)
    }

    /// Makes a server with these programs and starts it.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub fn start_with(programs: Programs, settings: &[&str]) -> Result<Self, String> {
        let directory = programs.directory_of_its_own();
        programs.make_data(&directory.join("data"))?;
        let cluster = Self {
            port: free_port(),
            keeper: programs.keeper(&directory),
            directory,
            programs,
        };
        cluster.write_settings(settings);
        cluster.control(&["start", "--wait"])?;
        Ok(cluster)
    }

    pub fn write_settings(&self, settings: &[&str]) {
        let directory = self.directory.display();
        // The tests kill processes, not machines: what the kernel has, it writes. What a server does for the time after, it need not do.
        let fixed = format!(
            "port = {}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{directory}'\nfsync = off\nfull_page_writes = off\nautovacuum = off\nmax_connections = 400\n",
            self.port
        );
        let text = fixed + &settings.join("\n");
        std::fs::write(self.data().join("postgresql.auto.conf"), text).unwrap();
    }

    /// The URL of its database.
    pub fn url(&self) -> String {
        self.url_of("postgres", "postgres")
    }

    /// The URL of one of its databases, for one of its roles.
    pub fn url_of(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{database}", self.port)
    }

    /// Its data directory.
    pub fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// Runs `pg_ctl`.
    ///
    /// # Errors
    /// What it says when it fails.
    pub fn control(&self, arguments: &[&str]) -> Result<(), String> {
        let (data, log) = (self.data(), self.directory.join("log"));
        let fixed = [
            "--pgdata",
            data.to_str().unwrap(),
            "--log",
            log.to_str().unwrap(),
            "--silent",
        ];
        let all: Vec<&str> = arguments.iter().chain(&fixed).copied().collect();
        let done = self.programs.run("pg_ctl", &all);
        if done.status.success() {
            return Ok(());
        }
        let log = std::fs::read_to_string(log).unwrap_or_default();
        Err(format!("pg_ctl {arguments:?} failed: {log}"))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        // The keeper ends when it has stopped the server.
        let _ended = self.keeper.wait();
    }
}

/// PostgreSQL's programs, and the user that they run as.
pub struct Programs {
    directory: PathBuf,
    pub user: Option<u32>,
    /// What stands in their environment beside that of this process.
    pub environment: Vec<(&'static str, OsString)>,
}

impl Programs {
    pub fn find() -> Result<Self, String> {
        let on_path = std::env::var_os("PATH").unwrap_or_default();
        let mut places: Vec<PathBuf> = std::env::split_paths(&on_path).collect();
        // Debian keeps the programs of each version apart, and none of the server's on the path.
        if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
            let mut versions: Vec<PathBuf> = versions.map(|entry| entry.unwrap().path()).collect();
            versions.sort();
            places.extend(versions.into_iter().rev().map(|path| path.join("bin")));
        }
        // A link on the path leads to where the others are.
        let directory = places
            .into_iter()
            .filter_map(|place| std::fs::canonicalize(place.join("initdb")).ok())
            .filter_map(|initdb| initdb.parent().map(Path::to_owned))
            .find(|place| place.join("pg_ctl").exists())
            .ok_or("there is no initdb and pg_ctl on the path or in /usr/lib/postgresql")?;
        // PostgreSQL refuses to run as root.
        let user = if geteuid().is_root() {
            Some(user_id("postgres").or_else(|| user_id("nobody")).ok_or(
                "PostgreSQL does not run as root, and there is no user `postgres` or `nobody`",
            )?)
        } else {
            None
        };
        Ok(Self {
            directory,
            user,
            environment: Vec::new(),
        })
    }

    /// Makes the data directory of a server. It is a copy, where that takes less time than making another one.
    fn make_data(&self, data: &Path) -> Result<(), String> {
        // Its keeper removes it when this process ends.
        static FIRST: OnceLock<Result<(PathBuf, Child), String>> = OnceLock::new();
        if !self.environment.is_empty() {
            return self.init_data(data);
        }
        let first = FIRST.get_or_init(|| {
            let directory = self.directory_of_its_own();
            self.init_data(&directory.join("data"))?;
            let keeper = self.keeper(&directory);
            Ok((directory, keeper))
        });
        let (first, _keeper) = first.as_ref().map_err(Clone::clone)?;
        let mut copy = Command::new("cp");
        copy.args(["--archive", "--reflink=auto"])
            .arg(first.join("data"))
            .arg(data);
        copy.status()
            .unwrap()
            .success()
            .then_some(())
            .ok_or_else(|| "cp failed".to_owned())
    }

    fn init_data(&self, data: &Path) -> Result<(), String> {
        let made = self.run(
            "initdb",
            &[
                "--pgdata",
                data.to_str().unwrap(),
                "--username=postgres",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
            ],
        );
        if made.status.success() {
            return Ok(());
        }
        Err(format!(
            "initdb failed: {}",
            String::from_utf8_lossy(&made.stderr)
        ))
    }

    /// A directory that its user owns.
    pub fn directory_of_its_own(&self) -> PathBuf {
        let directory = TempDir::new().unwrap().keep();
        if let Some(user) = self.user {
            chown(&directory, Some(user), None).unwrap();
        }
        directory
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir("/").stdin(Stdio::null());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some(user) = self.user {
            command.uid(user);
        }
        command
    }

    pub fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let mut command = self.command(&self.directory.join(program));
        command.args(arguments).stdout(Stdio::null());
        // The server that `pg_ctl` starts would keep a pipe open.
        let errors = if program == "pg_ctl" {
            Stdio::null()
        } else {
            Stdio::piped()
        };
        let child = command.stderr(errors).spawn().unwrap();
        child.wait_with_output().unwrap()
    }

    pub fn keeper(&self, directory: &Path) -> Child {
        let stop = self.directory.join("pg_ctl");
        // A test that failed may leave processes behind that a signal has stopped: they would never end, nor who waits for their answer.
        let script = r#"read -r _
            if read -r first < "$2/data/postmaster.pid"; then
                kill -CONT $(cat "/proc/$first/task/$first/children") "$first"
            fi
            "$1" --pgdata "$2/data" --mode immediate --silent stop
            rm -rf "$2""#;
        let mut command = self.command(Path::new("sh"));
        command
            .args(["-c", script, "keeper"])
            .arg(stop)
            .arg(directory);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap()
    }
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn user_id(name: &str) -> Option<u32> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    let line = users
        .lines()
        .find(|line| line.split(':').next() == Some(name))?;
    line.split(':').nth(2)?.parse().ok()
}
