//! `credence run`: the command gets the values, and nothing else of Credence's.

use std::io::BufRead;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};

use serde_json::json;
use tempfile::TempDir;

use crate::support::certificate::{make_certificates, put_tls_before};
use crate::support::local::Local;
use crate::support::process::{Terminal, credence, run, stderr, stdout};
use crate::support::{MARKER, holds_marker, secret};

pub fn run_in(local: &Local, arguments: &[&str]) -> Output {
    local
        .command(&[&["run"], arguments].concat())
        .output()
        .unwrap()
}

/// What was refused says why, and holds no value.
#[track_caller]
pub fn assert_refused(output: &Output, code: i32, parts: &[&str]) {
    let message = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{message}");
    assert_eq!(stdout(output), "");
    assert!(!holds_marker(&output.stderr), "{message}");
    for part in parts {
        assert!(message.contains(part), "{part} is missing in: {message}");
    }
}

#[tokio::test]
async fn the_command_gets_each_value_byte_for_byte_by_id_or_by_name() {
    let local = Local::start();
    let pem = "-----BEGIN KEY-----\n  ÄÖ \t\n-----END KEY-----\n";
    let id = local.create("a key", pem).await;
    local.create("OPENAI_PROD_API_KEY", &secret("openai")).await;
    let by_id = format!("PEM={id}");
    let arguments = [
        "--env",
        &by_id,
        "--env",
        "API_KEY=openai_prod_api_key",
        "--",
        "sh",
        "-c",
        "printf %s \"$PEM\"; echo; printf %s \"$API_KEY\"",
    ];
    let output = run_in(&local, &arguments);
    assert_eq!(stderr(&output), "");
    assert_eq!(stdout(&output), format!("{pem}\n{}", secret("openai")));
}

#[tokio::test]
async fn the_command_sees_no_setting_of_ours_and_all_else_that_it_would_see() {
    let local = Local::start();
    local.create("n", "v").await;
    let mut command = local.command(&["run", "--env", "VALUE=n", "--", "env", "-0"]);
    command
        .env("CREDENCE_ANYTHING", "x")
        .env("KEPT", "as it is");
    let output = stdout(&command.output().unwrap());
    let names: Vec<&str> = output.split('\0').collect();
    assert!(names.contains(&"VALUE=v"), "{output}");
    assert!(names.contains(&"KEPT=as it is"), "{output}");
    assert!(!output.contains("CREDENCE"), "{output}");
}

/// What a process is given by the one that starts it, beside arguments and variables.
const SHOW: &str = "umask; cat /proc/self/limits; grep -E '^(SigBlk|SigIgn|SigCgt|NoNewPrivs|Seccomp):' /proc/self/status; ls /proc/self/fd";

#[tokio::test]
async fn the_command_has_the_limits_the_signals_and_the_files_that_it_would_have() {
    let local = Local::start();
    local.create("n", "v").await;
    // Settings that are not the usual ones, and not ours. The hard limit on core dumps stays what it is.
    let begin = "umask 027; ulimit -S -n 256; ulimit -S -c \"$(ulimit -H -c)\"; exec \"$@\"";
    let binary = env!("CARGO_BIN_EXE_credence");
    let under = [binary, "run", "--env", "VALUE=n", "--", "sh", "-c", SHOW];
    let shown = |words: &[&str]| {
        let mut command = Command::new("sh");
        command.args(["-c", begin, "sh"]).args(words);
        local.point(&mut command);
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    let alone = shown(&["sh", "-c", SHOW]);
    assert!(alone.starts_with("0027\n"), "{alone}");
    assert_eq!(shown(&under), alone);
}

#[tokio::test]
async fn the_process_becomes_the_command_with_its_exit_code_and_its_signals() {
    let local = Local::start();
    local.create("n", "v").await;
    let words = ["run", "--env", "VALUE=n", "--", "sh", "-c"];
    let ended = |script: &str| {
        let mut command = local.command(&[&words[..], &[script]].concat());
        let child = command.stdout(Stdio::piped()).spawn().unwrap();
        let id = child.id();
        let output = child.wait_with_output().unwrap();
        (id, output)
    };
    let (id, output) = ended("echo $$; exit 42");
    assert_eq!(output.status.code(), Some(42));
    assert_eq!(stdout(&output), format!("{id}\n"));
    let (_, output) = ended("kill -s TERM $$");
    assert_eq!(output.status.signal(), Some(15));
}

#[tokio::test]
async fn the_terminal_is_that_of_the_command() {
    let local = Local::start();
    local.create("n", "v").await;
    let script = "test -t 0 && test -t 1 && test -t 2 && trap 'echo caught; exit 7' INT && echo ready && while :; do sleep 0.1; done";
    let line = format!(
        "exec '{}' run --env V=n -- sh -c \"{script}\"",
        env!("CARGO_BIN_EXE_credence")
    );
    let mut terminal = Terminal::run(&line, |command| local.point(command));
    let mut said = String::new();
    terminal.seen.read_line(&mut said).unwrap();
    assert_eq!(said.trim(), "ready");
    let (said, status) = terminal.interrupt();
    assert!(said.contains("caught"), "{said}");
    assert_eq!(status.code(), Some(7));
}

#[tokio::test]
async fn a_command_that_cannot_be_started_ends_as_in_a_shell() {
    let local = Local::start();
    local.create("n", &secret("n")).await;
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("not-executable");
    std::fs::write(&file, "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    let start = |program: &str| run_in(&local, &["--env", "VALUE=n", "--", program]);
    assert_refused(&start("no-such-command"), 127, &["no-such-command"]);
    assert_refused(&start("/no/such/command"), 127, &["/no/such/command"]);
    assert_refused(&start(file.to_str().unwrap()), 126, &["not-executable"]);
    assert_refused(&start("/"), 126, &["cannot be executed"]);
}

#[tokio::test]
async fn credentials_that_cannot_be_handed_on_are_named_and_no_command_runs() {
    let local = Local::start();
    let gone = local.create("SUPPORT_KEY", &secret("gone")).await;
    local.delete(&gone).await;
    local
        .create("binary", &format!("{}\0", secret("binary")))
        .await;
    let unknown = "00000000-0000-4000-8000-000000000000";
    let start = |credential: &str| {
        let env = format!("VALUE={credential}");
        run_in(&local, &["--env", &env, "--", "echo", "started"])
    };
    assert_refused(
        &start(&gone),
        78,
        &["--env VALUE", "SUPPORT_KEY", &gone, "was deleted at 20"],
    );
    let refused = start(unknown);
    assert_refused(&refused, 78, &["--env VALUE", "no credential has the ID"]);
    assert!(!stderr(&refused).contains(unknown), "it may be a value");
    assert_refused(
        &start("binary"),
        78,
        &["--env VALUE", "binary", "null byte"],
    );
    // A value in place of a name is a mistake that is easily made.
    assert_refused(
        &start(&secret("pasted")),
        78,
        &["--env VALUE", "not repeated"],
    );
}

#[tokio::test]
async fn the_audit_log_names_the_operator_and_the_command() {
    let local = Local::start();
    local.create("n", "v").await;
    let events = async || {
        let query = "{ auditEvents(filter: {actions: [CREDENTIAL_RESOLVED]}) { nodes { actorSubject consumer { kind externalId name } } } }";
        local.ask(query, json!(null)).await["nodes"].clone()
    };
    let mut command = local.command(&["run", "--env", "VALUE=n", "--", "/bin/true"]);
    command.env_remove("USER").env("LOGNAME", "olga");
    assert!(command.status().unwrap().success());
    assert_eq!(
        events().await,
        json!([{ "actorSubject": "olga", "consumer": { "kind": "INTEGRATION", "externalId": "credence-run:olga/true", "name": null } }])
    );
    let named = [
        "--env",
        "VALUE=n",
        "--consumer-id",
        "mcp/crm",
        "--consumer-name",
        "CRM",
        "--",
        "true",
    ];
    assert!(run_in(&local, &named).status.success());
    assert_eq!(
        events().await[0]["consumer"],
        json!({ "kind": "INTEGRATION", "externalId": "mcp/crm", "name": "CRM" })
    );
}

#[test]
fn a_line_that_cannot_be_understood_ends_with_64_and_repeats_no_value() {
    let value = format!("VALUE={MARKER}");
    let twice = ["--env", &value, "--env", &value, "--", "true"];
    let no_letter = format!("1={MARKER}");
    let long = "x".repeat(256);
    for arguments in [
        &["--", "true"][..],
        &["--env", &value],
        &["--env", &value, "--"],
        &["--env", MARKER, "--", "true"],
        &["--env", &no_letter, "--", "true"],
        &["--env", "=name", "--", "true"],
        &["--env", "VALUE=", "--", "true"],
        &["--env", "CREDENCE_TOKEN=name", "--", "true"],
        &["--env", &value, "--consumer-id", &long, "--", "true"],
        &["--env", &value, "--url", "http://192.0.2.1", "--", "true"],
        &[
            "--env",
            &value,
            "--url",
            "https://u:Marker5eCret@host",
            "--",
            "true",
        ],
        &["--env", &value, "--url", "ftp://localhost", "--", "true"],
        &twice,
    ] {
        let output = run(&[&["run"], arguments].concat());
        assert_refused(&output, 64, &[]);
    }
}

#[tokio::test]
async fn a_token_of_an_issuer_comes_from_a_file_or_a_variable_and_goes_before_local_mode() {
    let local = Local::start();
    local.create("n", "v").await;
    let words = ["run", "--env", "VALUE=n", "--", "printenv", "VALUE"];
    let with = |name: &str, value: &str| {
        let mut command = credence(&words);
        command.env("CREDENCE_URL", local.url()).env(name, value);
        command.output().unwrap()
    };
    let runtime = local.place.token("runtime", "runtime");
    assert_eq!(stdout(&with("CREDENCE_TOKEN", &runtime)), "v\n");
    let file = local.directory.path().join("token");
    std::fs::write(&file, format!("{runtime}\n")).unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    let path = file.to_str().unwrap();
    assert_eq!(stdout(&with("CREDENCE_TOKEN_FILE", path)), "v\n");

    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    assert_refused(&with("CREDENCE_TOKEN_FILE", path), 78, &["chmod 600"]);
    assert_refused(
        &with("CREDENCE_TOKEN", MARKER),
        78,
        &["does not accept the token"],
    );
    assert_refused(
        &with("CREDENCE_TOKEN", "Marker5eCret Marker5eCret"),
        78,
        &["CREDENCE_TOKEN"],
    );
    let viewer = local.place.token("viewer", "viewer");
    assert_refused(
        &with("CREDENCE_TOKEN", &viewer),
        78,
        &["credentials:resolve"],
    );
}

#[test]
fn a_token_that_the_command_signs_itself_is_sent_to_no_other_machine() {
    let local = Local::start();
    let words = [
        "run",
        "--env",
        "VALUE=n",
        "--url",
        "https://credence.example.com",
        "--",
        "true",
    ];
    let output = local.command(&words).output().unwrap();
    assert_refused(
        &output,
        78,
        &["there is no token for https://credence.example.com/graphql"],
    );
}

#[test]
fn without_a_server_or_a_token_it_says_what_to_do() {
    let nothing = TempDir::new().unwrap();
    let nowhere = nothing.path().to_str().unwrap();
    let words = ["run", "--env", "VALUE=n", "--data-dir", nowhere];
    let start = |more: &[&str], token: &str| {
        let mut command = credence(&[&words[..], more, &["--", "true"]].concat());
        command.env("CREDENCE_TOKEN", token).output().unwrap()
    };
    // Port 9 is that of the discard service, which nobody runs any more.
    let discard = ["--url", "http://127.0.0.1:9"];
    assert_refused(
        &start(&discard, "token"),
        69,
        &["http://127.0.0.1:9/graphql", "cannot be reached"],
    );
    assert_refused(
        &start(&discard, ""),
        78,
        &["--token-file", "CREDENCE_TOKEN", "--data-dir"],
    );
    let elsewhere = ["--url", "https://credence.example.com"];
    assert_refused(
        &start(&elsewhere, ""),
        78,
        &["--token-file", "CREDENCE_TOKEN"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn over_https_only_authorities_that_are_named_or_the_systems_vouch_for_the_server() {
    let local = Local::start();
    local.create("n", "v").await;
    let [ours, others] = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    for directory in [&ours, &others] {
        make_certificates(directory.path(), "localhost");
    }
    let port = put_tls_before(local.server.address.parse().unwrap(), ours.path()).await;
    let start = |host: &str, authorities: &TempDir, variable: &str| {
        let url = format!("https://{host}:{port}");
        let mut command = local.command(&[
            "run", "--env", "VALUE=n", "--url", &url, "--", "printenv", "VALUE",
        ]);
        command.env("SSL_CERT_FILE", others.path().join("ca.pem"));
        command.env(variable, authorities.path().join("ca.pem"));
        command.output().unwrap()
    };
    assert_eq!(
        stdout(&start("localhost", &ours, "CREDENCE_CA_FILE")),
        "v\n"
    );
    assert_eq!(stdout(&start("localhost", &ours, "SSL_CERT_FILE")), "v\n");
    let told = ["certificate is not trusted"];
    assert_refused(&start("localhost", &others, "CREDENCE_CA_FILE"), 69, &told);
    assert_refused(&start("localhost", &others, "SSL_CERT_FILE"), 69, &told);
    assert_refused(&start("127.0.0.1", &ours, "CREDENCE_CA_FILE"), 69, &told);

    let no_certificate = ours.path().join("server.key");
    let mut command = local.command(&["run", "--env", "VALUE=n", "--", "true"]);
    command.env("CREDENCE_CA_FILE", &no_certificate);
    assert_refused(
        &command.output().unwrap(),
        78,
        &["server.key", "no certificate"],
    );
}

#[tokio::test]
async fn a_log_that_tells_everything_tells_no_value() {
    let local = Local::start();
    local.create("n", &secret("n")).await;
    let words = ["run", "--log", "trace", "--env", "VALUE=n", "--", "true"];
    let output = local.command(&words).output().unwrap();
    assert!(output.status.success());
    assert!(stderr(&output).contains("TRACE"), "{}", stderr(&output));
    assert!(!holds_marker(&output.stderr), "{}", stderr(&output));
}
