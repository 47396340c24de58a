//! What is done to a PostgreSQL server in the tests of this suite.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use crate::support::cluster::{Cluster, Programs, free_port};
use crate::support::process::signal;

impl Cluster {
    /// Makes a standby that follows this server. Commits wait for it from then on.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub fn standby(&self) -> Result<Self, String> {
        let programs = Programs::find()?;
        let directory = programs.directory_of_its_own();
        let copied = programs.run(
            "pg_basebackup",
            &[
                "--pgdata",
                directory.join("data").to_str().unwrap(),
                "--dbname",
                &self.url(),
                "--write-recovery-conf",
                "--checkpoint=fast",
            ],
        );
        if !copied.status.success() {
            return Err(String::from_utf8_lossy(&copied.stderr).into_owned());
        }
        let standby = Self {
            port: free_port(),
            keeper: programs.keeper(&directory),
            directory,
            programs,
        };
        let conninfo = format!(
            "primary_conninfo = 'host=127.0.0.1 port={} user=postgres'",
            self.port
        );
        standby.write_settings(&[&conninfo]);
        standby.control(&["start", "--wait"])?;
        self.write_settings(&["synchronous_standby_names = '*'"]);
        self.control(&["reload"])?;
        Ok(standby)
    }

    /// Answers by TLS, with `server.pem` and `server.key` of a directory.
    pub fn use_certificate(&self, directory: &Path) {
        for name in ["server.pem", "server.key"] {
            let path = self.data().join(name);
            std::fs::copy(directory.join(name), &path).unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            chown(&path, self.programs.user, None).unwrap();
        }
        let names = [
            "ssl_cert_file = 'server.pem'",
            "ssl_key_file = 'server.key'",
        ];
        self.write_settings(&["ssl = on", names[0], names[1]]);
        self.control(&["reload"]).unwrap();
    }

    /// Sends a signal, by name, to all of the server's processes. Its first one stands still before the others are listed: none
    /// is started any more, and one that ends keeps its ID, until all have the signal.
    pub fn signal(&self, name: &str) {
        let file = std::fs::read_to_string(self.data().join("postmaster.pid")).unwrap();
        let first: u32 = file.lines().next().unwrap().parse().unwrap();
        signal("STOP", first);
        let status = || std::fs::read_to_string(format!("/proc/{first}/status")).unwrap();
        while !status().contains("State:\tT") {
            std::thread::yield_now();
        }
        let children = std::fs::read_to_string(format!("/proc/{first}/task/{first}/children"));
        for child in children.unwrap().split_whitespace() {
            signal(name, child.parse().unwrap());
        }
        signal(name, first);
    }

    /// What it has logged.
    pub fn log(&self) -> Vec<u8> {
        std::fs::read(self.directory.join("log")).unwrap()
    }
}
