//! Programs of the system that a test needs, and that not every system has.

use std::io::Write;
use std::process::Command;

use rustix::process::geteuid;

/// Whether a program is there. Without it, the test has nothing to look with, and says so; in CI that is a failure.
pub fn has(program: &str, package: &str) -> bool {
    let looked = Command::new("sh")
        .args(["-c", "command -v \"$1\"", "sh", program])
        .output();
    if looked.unwrap().status.success() {
        return true;
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "the program {program} is missing: install {package}"
    );
    skipped(&format!("there is no program {program}. Install {package}"));
    false
}

/// Whether the tests run as root, who alone may give a file to another user. A contributor runs CI as another user, too.
pub fn may_give_files_away() -> bool {
    if geteuid().is_root() {
        return true;
    }
    skipped("only root may give a file to another user");
    false
}

fn skipped(why: &str) {
    let told = format!("\n==== A test is SKIPPED: {why}.\n");
    // Not by `eprintln`, which the test runner keeps to itself.
    std::io::stderr().write_all(told.as_bytes()).unwrap();
}
