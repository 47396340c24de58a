//! The pages of the manual.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::support::process::{run, stderr, stdout};
use crate::support::text;
use crate::tool;

/// Writes all pages, and returns their names.
fn write_pages(directory: &Path) -> Vec<String> {
    let output = run(&["man", text(directory)]);
    assert!(output.status.success(), "{}", stderr(&output));
    let entries = std::fs::read_dir(directory).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn every_command_has_a_page_and_it_says_the_same_at_each_time() {
    let directory = TempDir::new().unwrap();
    let folder = directory.path().join("share/man/man1");
    let names = write_pages(&folder);
    for name in [
        "credence.1",
        "credence-serve.1",
        "credence-keys.1",
        "credence-keys-rotate.1",
        "credence-audit-verify.1",
        "credence-run.1",
        "credence-health.1",
        "credence-man.1",
    ] {
        assert!(names.contains(&name.to_owned()), "{name} is missing");
    }
    let page = std::fs::read(folder.join("credence.1")).unwrap();
    assert_eq!(run(&["man"]).stdout, page);
    // Its own settings are none of what the pages say.
    let mut command = Command::new(env!("CARGO_BIN_EXE_credence"));
    command.arg("man").env("CREDENCE_LOG", "warn");
    assert_eq!(command.output().unwrap().stdout, page);
    assert_eq!(write_pages(&folder), names);
}

#[test]
fn the_page_of_serve_has_its_options_their_variables_and_the_exit_codes() {
    let directory = TempDir::new().unwrap();
    write_pages(directory.path());
    let page = std::fs::read_to_string(directory.path().join("credence-serve.1")).unwrap();
    let page = page.replace('\\', "");
    for part in [
        "credence-serve - Serve the API",
        "--listen",
        "CREDENCE_LISTEN",
        "127.0.0.1:8080",
        "--jwks-file",
        ".SH \"EXIT STATUS\"",
        "78 configuration",
        ".SH \"SEE ALSO\"",
    ] {
        assert!(page.contains(part), "{part} is missing");
    }
}

/// But that they have no date: it would be another one with each build, and a version tells more.
#[test]
fn mandoc_has_no_complaint_about_any_page() {
    if !tool::has("mandoc", "mandoc") {
        return;
    }
    let directory = TempDir::new().unwrap();
    let names = write_pages(directory.path());
    let mandoc = Command::new("mandoc")
        .args(["-T", "lint", "-W", "warning"])
        .args(&names)
        .current_dir(directory.path())
        .output()
        .unwrap();
    let told = stdout(&mandoc);
    let complaints: Vec<&str> = told
        .lines()
        .filter(|line| !line.ends_with("WARNING: missing date, using \"\": TH"))
        .collect();
    assert_eq!(complaints, Vec::<&str>::new());
    assert_eq!(told.lines().count(), names.len());
}

#[test]
fn man_shows_the_page_without_a_warning() {
    if !tool::has("man", "man-db and groff-base") {
        return;
    }
    let directory = TempDir::new().unwrap();
    for name in write_pages(directory.path()) {
        let man = Command::new("man")
            .args(["--warnings=w", "--pager=cat", "--local-file"])
            .arg(directory.path().join(&name))
            .env("MANWIDTH", "80")
            .env("LC_ALL", "C.UTF-8")
            .output()
            .unwrap();
        assert!(man.status.success(), "{name}: {}", stderr(&man));
        assert_eq!(stderr(&man), "", "{name}");
        assert!(stdout(&man).contains("SYNOPSIS"), "{name}");
    }
}
