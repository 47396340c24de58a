//! The URL of PostgreSQL: where it leads is read as libpq reads it, and over a network it says how what is sent is protected. No server
//! is needed for any of it: what is let through finds nobody, at once.

use std::process::Output;

use tempfile::TempDir;

use crate::support::process::{credence, stderr};

/// A URL, and the variables of the environment that it is tried with.
type Case = (&'static str, &'static [(&'static str, &'static str)]);

/// Runs a command over a URL, with these variables of libpq and no others.
fn run(words: &[&str], (url, variables): Case) -> Output {
    let mut command = credence(words);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PG")) {
        command.env_remove(name);
    }
    command
        .env("CREDENCE_DATABASE_URL", url)
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

fn migrate(case: Case) -> Output {
    run(&["migrate"], case)
}

#[test]
fn what_leads_to_this_machine_needs_no_tls() {
    const CASES: [Case; 18] = [
        ("postgres://127.0.0.1:1/d", &[]),
        ("postgresql://localhost:1", &[]),
        ("postgres://LOCALHOST:1?sslmode=prefer", &[]),
        ("postgres://[::1]:1/d", &[]),
        ("postgres://127.0.0.1:1,[::1]:1/d", &[]),
        ("postgres://u@127.0.0.2:1/d", &[]),
        ("postgres://u:p%40db.example.com@127.0.0.1:1/d", &[]),
        ("postgres://u:a?b@127.0.0.1:1/d", &[]),
        ("postgres://db.example.com:p@127.0.0.1:1/d", &[]),
        ("postgres://%2Fnowhere/d", &[]),
        ("postgres://u@%2Fnowhere,127.0.0.1:1/d", &[]),
        ("postgres:///d?host=/nowhere", &[]),
        ("postgres:///d", &[("PGHOST", "/nowhere")]),
        ("postgres://127.0.0.1:1/d", &[("PGHOST", "db.example.com")]),
        ("postgres://db.example.com/d?host=127.0.0.1&port=1", &[]),
        ("postgres://db.example.com:1/d?hostaddr=127.0.0.1", &[]),
        (
            "postgres://db.example.com:1/d",
            &[("PGHOSTADDR", "127.0.0.1")],
        ),
        (
            "postgres://db.example.com:1,%2Fnowhere/d?hostaddr=127.0.0.1,",
            &[],
        ),
    ];
    for case in CASES {
        let output = migrate(case);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(69), "{case:?}: {said}");
        assert!(said.contains("cannot be reached"), "{case:?}: {said}");
        assert!(!said.contains("WARN"), "{case:?}: {said}");
    }
}

#[test]
fn what_leads_to_another_machine_without_insisting_on_tls_is_refused_before_anything_is_sent() {
    const CASES: [Case; 25] = [
        ("postgres://db.example.com/d", &[]),
        ("postgres://db.example.com", &[]),
        ("postgres://db.example.com/d?sslmode=prefer", &[]),
        ("postgres://db.example.com/d?sslmode=allow", &[]),
        ("postgres://db.example.com/d", &[("PGSSLMODE", "prefer")]),
        (
            "postgres://db.example.com/d?sslmode=prefer",
            &[("PGSSLMODE", "verify-full")],
        ),
        (
            "postgres://db.example.com/d?sslmode=verify-full&sslmode=prefer",
            &[],
        ),
        (
            "postgres://db.example.com/d?application_name=sslmode%3Drequire",
            &[],
        ),
        ("postgres://u:?sslmode=disable@db.example.com/d", &[]),
        ("postgres://192.0.2.1/d", &[]),
        ("postgres://[2001:db8::1]:5432/d", &[]),
        ("postgres://u:p@[2001:db8::1]/d", &[]),
        ("postgres://localhost.example.com/d", &[]),
        ("postgres://localhost@db.example.com/d", &[]),
        ("postgres://127.0.0.1:p@db.example.com/d", &[]),
        ("postgres://127.0.0.1,db.example.com/d", &[]),
        ("postgres://127.0.0.1%2Cdb.example.com/d", &[]),
        ("postgres:///d?host=db.example.com", &[]),
        ("postgres:///d?h%6Fst=%2Fnowhere,db.example.com", &[]),
        ("postgres://localhost/d?hostaddr=192.0.2.1", &[]),
        ("postgres:///d", &[("PGHOST", "db.example.com")]),
        ("postgres://localhost/d", &[("PGHOSTADDR", "192.0.2.1")]),
        ("postgres://localhost/d?service=elsewhere", &[]),
        (
            "postgres://localhost/d?service=elsewhere&sslrootcert=system",
            &[],
        ),
        (
            "postgres://localhost/d",
            &[("PGSERVICE", "elsewhere"), ("PGSSLMODE", "verify-full")],
        ),
    ];
    for case in CASES {
        let output = migrate(case);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(78), "{case:?}: {said}");
        assert!(
            said.contains("sslmode=verify-full&sslrootcert="),
            "{case:?}: {said}"
        );
        assert!(!said.contains("example.com"), "{said}");
    }
}

/// The address that is none of this machine's own in particular is reached here all the same, and nobody listens at its first port.
#[test]
fn what_is_less_than_a_checked_server_is_said_in_the_log() {
    const CASES: [(Case, Option<&str>); 11] = [
        (("postgres://0.0.0.0:1/d?sslmode=verify-full", &[]), None),
        (
            ("postgres://0.0.0.0:1/d", &[("PGSSLMODE", "verify-full")]),
            None,
        ),
        (("postgres://0.0.0.0:1/d?sslrootcert=system", &[]), None),
        (
            ("postgres://0.0.0.0:1/d?sslmode=verify-ca", &[]),
            Some("host name is not checked"),
        ),
        (
            ("postgres://0.0.0.0:1/d?sslmode=require", &[]),
            Some("certificate is not checked"),
        ),
        (
            ("postgres://0.0.0.0:1/d?ssl=true", &[]),
            Some("certificate is not checked"),
        ),
        (
            ("postgres://0.0.0.0:1/d", &[("PGSSLMODE", "require")]),
            Some("certificate is not checked"),
        ),
        (
            ("postgres://0.0.0.0:1/d", &[("PGREQUIRESSL", "1")]),
            Some("certificate is not checked"),
        ),
        (
            (
                "postgres://0.0.0.0:1/d?sslmode=disable",
                &[("PGSSLMODE", "verify-full")],
            ),
            Some("is not encrypted"),
        ),
        (
            ("postgres://0.0.0.0:1/d?sslmod%65=%64isable", &[]),
            Some("is not encrypted"),
        ),
        (
            ("postgres://127.0.0.1:1,0.0.0.0:1/d?sslmode=disable", &[]),
            Some("is not encrypted"),
        ),
    ];
    for (case, warning) in CASES {
        let output = migrate(case);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(69), "{case:?}: {said}");
        assert_eq!(said.contains("WARN"), warning.is_some(), "{case:?}: {said}");
        assert!(said.contains(warning.unwrap_or("")), "{case:?}: {said}");
    }
}

#[test]
fn local_mode_takes_no_database_of_another_machine() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let words = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        data.to_str().unwrap(),
    ];
    for case in [
        ("postgres://0.0.0.0:1/d?sslmode=disable", &[][..]),
        ("postgres://0.0.0.0:1/d?sslmode=verify-full", &[]),
    ] {
        let output = run(&words, case);
        assert_eq!(output.status.code(), Some(78), "{}", stderr(&output));
        assert!(
            stderr(&output).contains("local mode"),
            "{}",
            stderr(&output)
        );
        assert!(!data.exists());
    }
    let here = run(&words, ("postgres://127.0.0.1:1/d", &[]));
    assert_eq!(here.status.code(), Some(69), "{}", stderr(&here));
}
