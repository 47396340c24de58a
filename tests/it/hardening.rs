//! What the process does to itself, before it knows anything: nobody else on the machine learns what it will know.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::geteuid;
use tempfile::TempDir;

use crate::support::process::{ServerProcess, signal, stderr};
use crate::support::{MARKER, text};

/// What a user without privileges is, where the tests run as root: root without what root may do more than others. Elsewhere, nothing.
fn without_privileges() -> Vec<&'static str> {
    if geteuid().is_root() {
        vec![
            "setpriv",
            "--bounding-set=-all",
            "--inh-caps=-all",
            "--securebits=+noroot",
        ]
    } else {
        Vec::new()
    }
}

/// A script of a shell, whose `"$@"` are these words.
fn shell(script: &str, words: &[&str]) -> Command {
    let all = [
        &without_privileges()[..],
        &["bash", "-euc", script, "bash"],
        words,
    ]
    .concat();
    let mut command = Command::new(all[0]);
    command.args(&all[1..]).stdin(Stdio::null());
    command
}

/// What a server is started by, in a script.
fn serve(data: &Path) -> Vec<&str> {
    let program = env!("CARGO_BIN_EXE_credence");
    vec![
        program,
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        text(data),
    ]
}

/// A process that runs until it is told to end.
struct Sleeper(Child);

impl Sleeper {
    fn start(script: &str) -> Self {
        let mut command = shell(script, &["sleep", "60"]);
        let mut child = command.env("VARIABLE", MARKER).spawn().unwrap();
        let name = format!("/proc/{}/comm", child.id());
        while std::fs::read_to_string(&name).unwrap() != "sleep\n" {
            assert!(child.try_wait().unwrap().is_none(), "it does not run");
            std::thread::yield_now();
        }
        Self(child)
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _killed = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// Whether somebody can open these files of a process: a process of the same user, or, when it is named, of another one.
fn opens(process: u32, file: &str, other_user: &[&str]) -> bool {
    let path = format!("/proc/{process}/{file}");
    let script = format!(
        "{}head -c 0 {path}",
        other_user
            .iter()
            .map(|word| format!("{word} "))
            .collect::<String>()
    );
    let output = if other_user.is_empty() {
        shell(&script, &[]).output()
    } else {
        Command::new("bash").args(["-c", &script]).output()
    };
    let output = output.unwrap();
    let told = stderr(&output);
    assert!(
        output.status.success() || told.contains("Permission denied"),
        "{told}"
    );
    output.status.success()
}

#[test]
fn no_other_process_reads_its_memory_or_its_environment() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let mut command = shell("exec \"$@\"", &serve(&data));
    command.env("VARIABLE", MARKER);
    let server = ServerProcess::spawn(command, Stdio::null());
    let sleeper = Sleeper::start("exec \"$@\"");
    for file in ["mem", "environ", "maps"] {
        assert!(
            opens(sleeper.0.id(), file, &[]),
            "the same user cannot read {file} of any process"
        );
        assert!(
            !opens(server.child.id(), file, &[]),
            "the same user reads {file}"
        );
    }
    if geteuid().is_root() {
        let nobody = [
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
        ];
        for file in ["mem", "environ", "maps"] {
            assert!(
                !opens(server.child.id(), file, &nobody),
                "another user reads {file}"
            );
        }
    }
}

#[test]
fn a_server_that_is_brought_down_leaves_no_core() {
    let directory = TempDir::new().unwrap();
    let place = directory.path().join("here");
    std::fs::create_dir(&place).unwrap();
    let script = format!("ulimit -c unlimited; cd '{}'; exec \"$@\"", text(&place));
    let mut sleeper = Sleeper::start(&script);
    signal("SEGV", sleeper.0.id());
    let ended = sleeper.0.wait().unwrap();
    assert!(
        ended.core_dumped(),
        "nothing leaves a core on this machine: {ended}"
    );
    let cores = || std::fs::read_dir(&place).unwrap().count();
    let before = cores();

    let data = directory.path().join("data");
    let mut server = ServerProcess::spawn(shell(&script, &serve(&data)), Stdio::null());
    // The first one is taken by a handler that is there for overflows of the stack, and the next one by nobody.
    let ended = loop {
        server.signal("SEGV");
        if let Some(ended) = server.child.try_wait().unwrap() {
            break ended;
        }
    };
    assert_eq!(ended.signal(), Some(11));
    assert!(!ended.core_dumped(), "a core was left");
    assert_eq!(cores(), before);
}

#[test]
fn its_files_are_its_own_and_it_takes_all_descriptors_that_it_may_have() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let script = "umask 0; ulimit -Sn 256; exec \"$@\"";
    let server = ServerProcess::spawn(shell(script, &serve(&data)), Stdio::null());
    let of_process = |file: &str, name: &str| {
        let told = std::fs::read_to_string(format!("/proc/{}/{file}", server.child.id())).unwrap();
        let line = told.lines().find_map(|line| line.strip_prefix(name));
        let words = line.unwrap().split_whitespace().map(str::to_owned);
        words.collect::<Vec<_>>()
    };
    assert_eq!(of_process("status", "Umask:"), ["0077"]);
    assert_eq!(of_process("limits", "Max core file size")[..2], ["0", "0"]);
    let descriptors = of_process("limits", "Max open files");
    assert!(
        descriptors[0] == descriptors[1] && descriptors[0] != "256",
        "{descriptors:?}"
    );
    for file in std::fs::read_dir(&data).unwrap() {
        let file = file.unwrap();
        let mode = std::os::unix::fs::MetadataExt::mode(&file.metadata().unwrap());
        assert_eq!(mode & 0o077, 0, "{:?}", file.path());
    }
}

/// What the runtime makes of this variable ends in a panic that repeats it.
#[test]
fn a_panic_tells_its_place_and_not_what_it_was_about() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let mut command = shell("exec \"$@\"", &serve(&data));
    let output = command
        .env("TOKIO_WORKER_THREADS", MARKER)
        .output()
        .unwrap();
    let told = stderr(&output);
    assert!(!output.status.success());
    assert!(
        told.contains("a fault of the program") && told.contains(".rs:"),
        "{told}"
    );
    assert!(
        !told.contains(MARKER) && !told.contains("panicked"),
        "{told}"
    );
}

#[test]
fn where_memory_cannot_be_locked_the_server_says_so_once_and_serves() {
    let directory = TempDir::new().unwrap();
    for (limit, times) in [("0", 1), ("64", 0)] {
        let data = directory.path().join(limit);
        let log = directory.path().join(format!("{limit}.log"));
        let script = format!("ulimit -l {limit}; exec \"$@\"");
        let to_file = Stdio::from(File::create(&log).unwrap());
        let mut server = ServerProcess::spawn(shell(&script, &serve(&data)), to_file);
        server.signal("TERM");
        assert!(server.child.wait().unwrap().success());
        let told = std::fs::read_to_string(&log).unwrap();
        assert_eq!(told.matches("cannot be locked").count(), times, "{told}");
    }
}
