//! The command: what it prints, what it refuses, and with which exit code.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use credence::crypto::master_key::MasterKey;
use credence::graphql::sdl::sdl;
use serde_json::json;
use tempfile::TempDir;

use crate::support::process::{ServerProcess, credence, run, stderr, stdout};
use crate::support::{secret, text};

fn directory() -> TempDir {
    TempDir::new().unwrap()
}

/// Runs `serve`, which must end by itself within a second.
fn serve_fails(arguments: &[&str]) -> (i32, String) {
    let all: Vec<&str> = ["serve", "--listen", "127.0.0.1:0"]
        .iter()
        .chain(arguments)
        .copied()
        .collect();
    let mut command = credence(&all);
    let mut server = Killed(
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let deadline = Instant::now() + Duration::from_secs(1);
    let status = loop {
        match server.0.try_wait().unwrap() {
            Some(status) => break status,
            None => assert!(Instant::now() < deadline, "it still runs after a second"),
        }
        std::thread::yield_now();
    };
    let mut texts = [String::new(), String::new()];
    server
        .0
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut texts[0])
        .unwrap();
    server
        .0
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut texts[1])
        .unwrap();
    let [output, errors] = texts;
    assert_eq!(output, "");
    (status.code().unwrap(), errors)
}

/// A process that ends with the test, however that ends.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _killed = self.0.kill();
        let _reaped = self.0.wait();
    }
}

#[test]
fn schema_prints_the_schema() {
    let output = run(&["schema"]);
    assert!(output.status.success());
    assert_eq!(stdout(&output), sdl());
}

#[test]
fn help_explains_every_command_and_option() {
    let outputs = [
        run(&["help"]),
        run(&["help", "serve"]),
        run(&["help", "check"]),
        run(&["help", "run"]),
    ];
    assert!(outputs.iter().all(|output| output.status.success()));
    let help: String = outputs.iter().map(stdout).collect();
    for word in [
        "serve",
        "token",
        "schema",
        "migrate",
        "keys",
        "check",
        "run",
        "--listen",
        "CREDENCE_TOKEN",
        "credence check workflows/*.yaml",
        "credence run --env",
        "CREDENCE_DATA_DIR",
        "Exit codes",
    ] {
        assert!(help.contains(word), "{word} is missing");
    }
    assert!(run(&["--version"]).status.success());
}

#[test]
fn a_line_that_cannot_be_understood_ends_with_64() {
    for arguments in [
        &["nothing"][..],
        &["--nothing"],
        &["serve", "--listen", "here"],
        &["serve", "--jwt-leeway-seconds", "61"],
        &["serve", "--log", "[[["],
        &["token"],
        &["token", "--sub", "a"],
        &["token", "--sub", "a", "--role", "king"],
        &["token", "--sub", "a", "--scope", "credentials:steal"],
        &[
            "token",
            "--sub",
            "a",
            "--role",
            "viewer",
            "--expires-in",
            "25h",
        ],
        &[
            "token",
            "--sub",
            "a",
            "--role",
            "viewer",
            "--expires-in",
            "soon",
        ],
        &["token", "--sub", "", "--role", "viewer"],
        &["token", "--sub", "a\nb", "--role", "viewer"],
        &["keys"],
        &["keys", "generate"],
    ] {
        let output = run(arguments);
        assert_eq!(
            output.status.code(),
            Some(64),
            "{arguments:?}: {}",
            stderr(&output)
        );
        assert!(!output.stderr.is_empty());
    }
}

#[test]
fn a_generated_master_key_can_be_read_by_its_owner_only_and_is_never_written_over() {
    let directory = directory();
    let path = directory.path().join("master.key");
    let output = run(&["keys", "generate", text(&path)]);
    assert!(output.status.success());
    assert_eq!(stdout(&output), "");
    let content = std::fs::read_to_string(&path).unwrap();
    assert!(content.starts_with("ck1_") && content.ends_with('\n'));
    let key = MasterKey::parse(&content).unwrap();
    assert!(stderr(&output).contains(&key.id().to_string()));
    assert!(!stderr(&output).contains(content.trim()));
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    let again = run(&["keys", "generate", text(&path)]);
    assert_eq!(again.status.code(), Some(74));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
    let nowhere = run(&[
        "keys",
        "generate",
        text(&directory.path().join("no/such/folder")),
    ]);
    assert_eq!(nowhere.status.code(), Some(74));
}

#[test]
fn the_files_of_a_data_directory_are_their_owners_alone() {
    let directory = directory();
    let data = directory.path().join("data");
    let _server = ServerProcess::start(&data, Stdio::null(), &[]);
    assert_eq!(std::fs::metadata(&data).unwrap().mode() & 0o777, 0o700);
    for entry in std::fs::read_dir(&data).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(
            entry.metadata().unwrap().mode() & 0o777,
            0o600,
            "{:?}",
            entry.file_name()
        );
    }
}

#[test]
fn the_commands_that_the_start_prints_work_as_they_are_printed() {
    let directory = directory();
    let data = directory.path().join("it's data");
    let mut server = ServerProcess::start(&data, Stdio::null(), &[]);
    server.signal("TERM");
    assert!(server.child.wait().unwrap().success());
    let greeting = server.output();
    let printed: String = greeting
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(
        greeting.ends_with("Ctrl-C stops the server.\n"),
        "{greeting}"
    );

    let again = ServerProcess::start(&data, Stdio::null(), &[]);
    let script = printed.replace(&server.address, &again.address);
    let output = Command::new("sh").args(["-euc", &script]).output().unwrap();
    let answers = stdout(&output);
    let (link, answer) = answers.split_once('\n').unwrap();
    assert!(
        link.starts_with(&format!("http://{}/login#", again.address)),
        "{script}{answers}"
    );
    assert!(
        answer.starts_with("{\"data\":{\"viewer\":{\"id\":\""),
        "{script}{answers}"
    );
}

#[test]
fn a_second_server_on_a_data_directory_is_refused_at_once() {
    let directory = directory();
    let data = directory.path().join("data");
    let mut first = ServerProcess::start(&data, Stdio::null(), &[]);
    let (code, message) = serve_fails(&["--data-dir", text(&data)]);
    assert_eq!(code, 75);
    assert!(
        message.contains("another server has the data directory"),
        "{message}"
    );
    first.child.kill().unwrap();
    first.child.wait().unwrap();
    let _second = ServerProcess::start(&data, Stdio::null(), &[]);
}

#[test]
fn of_fifty_servers_that_start_at_once_one_serves() {
    let directory = directory();
    let data = directory.path().join("data");
    let start = || {
        let arguments = [
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--data-dir",
            text(&data),
        ];
        let mut command = credence(&arguments);
        Killed(
            command
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap(),
        )
    };
    let mut servers: Vec<_> = (0..50).map(|_| start()).collect();
    let deadline = Instant::now() + Duration::from_secs(30);
    while servers.len() > 1 && Instant::now() < deadline {
        servers.retain_mut(|server| match server.0.try_wait().unwrap() {
            Some(status) => {
                assert_eq!(status.code(), Some(75));
                false
            }
            None => true,
        });
        std::thread::yield_now();
    }
    assert_eq!(servers.len(), 1);
}

/// A database with a credential in it, its server stopped.
fn used_data_directory(directory: &TempDir) -> std::path::PathBuf {
    let data = directory.path().join("data");
    let mut server = ServerProcess::start(&data, Stdio::null(), &[]);
    let token = ServerProcess::token(&data, "alice", "editor");
    let query = format!(
        "mutation {{ createCredential(input: {{name: \"kept\", value: \"{}\"}}) {{ credential {{ id }} }} }}",
        secret("kept")
    );
    let answer = request(
        &server.address,
        &token,
        &json!({ "query": query }).to_string(),
    );
    assert!(
        answer.starts_with("HTTP/1.1 200") && !answer.contains("errors"),
        "{answer}"
    );
    server.signal("TERM");
    assert!(server.child.wait().unwrap().success());
    data
}

/// A request and its answer, as bytes on a connection of its own.
fn request(address: &str, token: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .write_all(request_text(token, body).as_bytes())
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn request_text(token: &str, body: &str) -> String {
    format!(
        "POST /graphql HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn a_wrong_master_key_ends_with_78_within_a_second_and_leaves_the_database_untouched() {
    let directory = directory();
    let data = used_data_directory(&directory);
    let database = data.join("credence.db");
    let before = std::fs::read(&database).unwrap();
    let right = std::fs::read_to_string(data.join("master.key")).unwrap();
    let other = directory.path().join("other.key");
    assert!(run(&["keys", "generate", text(&other)]).status.success());
    let (code, message) =
        serve_fails(&["--data-dir", text(&data), "--master-key-file", text(&other)]);
    assert_eq!(code, 78, "{message}");
    let ids = [&right, &std::fs::read_to_string(&other).unwrap()]
        .map(|key| MasterKey::parse(key).unwrap().id().to_string());
    assert!(ids.iter().all(|id| message.contains(id)), "{message}");

    let bad = directory.path().join("bad.key");
    let mistyped = right.replacen(
        |c: char| c.is_ascii_lowercase() && c != 'c' && c != 'k',
        "A",
        1,
    );
    for (what, content) in [
        ("nothing", String::new()),
        ("too short", right.trim()[..30].to_owned()),
        ("too long", format!("{}A", right.trim())),
        ("a mistyped key", mistyped),
        ("zeros", weak(&[0; 32])),
        ("a repeated byte", weak(&[7; 32])),
        ("printable text", weak(b"correct horse battery staple 123")),
        ("bytes", "\u{0}\u{1}\u{2}".repeat(11)),
    ] {
        // A file of another one's mode would be refused for that.
        let _removed = std::fs::remove_file(&bad);
        credence::data_directory::write_secret_file(&bad, content.as_bytes()).unwrap();
        let (code, message) =
            serve_fails(&["--data-dir", text(&data), "--master-key-file", text(&bad)]);
        assert_eq!(code, 78, "{what}: {message}");
        assert!(
            content.is_empty() || !message.contains(content.trim()),
            "{what}: the message shows the key"
        );
    }
    for flip in 0..256 {
        let key = flipped(&right, flip);
        let _removed = std::fs::remove_file(&bad);
        credence::data_directory::write_secret_file(&bad, key.as_bytes()).unwrap();
        let (code, _) = serve_fails(&["--data-dir", text(&data), "--master-key-file", text(&bad)]);
        assert_eq!(code, 78, "bit {flip}");
    }
    assert!(
        std::fs::read(&database).unwrap() == before,
        "the database was changed"
    );
    let _server = ServerProcess::start(&data, Stdio::null(), &[]);
}

/// The text form of 32 bytes, with a checksum that fits.
fn weak(bytes: &[u8; 32]) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let checksum = &credence::crypto::digest::sha256(bytes)[..4];
    format!(
        "ck1_{}",
        URL_SAFE_NO_PAD.encode([bytes.as_slice(), checksum].concat())
    )
}

/// Another key: one bit of it is flipped, and its checksum fits.
fn flipped(key: &str, bit: usize) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let bytes = URL_SAFE_NO_PAD.decode(&key.trim()[4..]).unwrap();
    let mut key: [u8; 32] = bytes[..32].try_into().unwrap();
    key[bit / 8] ^= 1 << (bit % 8);
    weak(&key)
}

#[test]
fn a_missing_master_key_is_never_made_anew_over_data() {
    let directory = directory();
    let data = used_data_directory(&directory);
    let before = std::fs::read(data.join("credence.db")).unwrap();
    let key = std::fs::read(data.join("master.key")).unwrap();
    std::fs::remove_file(data.join("master.key")).unwrap();
    let (code, message) = serve_fails(&["--data-dir", text(&data)]);
    assert_eq!(code, 78, "{message}");
    assert!(!data.join("master.key").exists());
    assert!(std::fs::read(data.join("credence.db")).unwrap() == before);
    credence::data_directory::write_secret_file(&data.join("master.key"), &key).unwrap();
    let _server = ServerProcess::start(&data, Stdio::null(), &[]);
}

#[test]
fn credentials_without_a_keyring_are_refused() {
    let directory = directory();
    let data = used_data_directory(&directory);
    {
        use diesel::connection::SimpleConnection;
        let database = credence::store::connection::Database::Sqlite(data.join("credence.db"));
        database
            .connect()
            .unwrap()
            .batch_execute("DELETE FROM keyring")
            .unwrap();
    }
    let (code, message) = serve_fails(&["--data-dir", text(&data)]);
    assert_eq!(code, 78, "{message}");
}

#[test]
fn a_database_of_a_newer_version_is_refused() {
    let directory = directory();
    let data = used_data_directory(&directory);
    {
        use diesel::connection::SimpleConnection;
        let database = credence::store::connection::Database::Sqlite(data.join("credence.db"));
        let newer = "INSERT INTO __diesel_schema_migrations (version) VALUES ('99999999999999')";
        database.connect().unwrap().batch_execute(newer).unwrap();
    }
    for arguments in [
        &["serve", "--listen", "127.0.0.1:0"],
        &["migrate", "--data-dir", text(&data)],
    ] {
        let output = run(&[&arguments[..], &["--data-dir", text(&data)]].concat()
            [..if arguments[0] == "serve" { 5 } else { 3 }]);
        assert_eq!(output.status.code(), Some(78), "{}", stderr(&output));
    }
}

#[test]
fn a_file_that_is_no_database_ends_with_69() {
    let directory = directory();
    let data = used_data_directory(&directory);
    std::fs::write(
        data.join("credence.db"),
        "this is no database, but a text that is long enough to be taken for one. ".repeat(100),
    )
    .unwrap();
    let (code, message) = serve_fails(&["--data-dir", text(&data)]);
    assert_eq!(code, 69, "{message}");
}

#[test]
fn secret_keys_that_others_can_read_are_refused() {
    let directory = directory();
    let key = directory.path().join("master.key");
    assert!(run(&["keys", "generate", text(&key)]).status.success());
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).unwrap();
    let data = directory.path().join("data");
    let (code, message) =
        serve_fails(&["--data-dir", text(&data), "--master-key-file", text(&key)]);
    assert_eq!(code, 78);
    assert!(message.contains("chmod 600"), "{message}");
    assert!(!data.join("credence.db").exists());
}

#[test]
fn with_an_issuer_configured_nothing_is_made_up() {
    let directory = directory();
    let data = directory.path().join("data");
    let jwks = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/keys/jwks.json");
    let (code, message) = serve_fails(&[
        "--data-dir",
        text(&data),
        "--jwks-file",
        text(&jwks),
        "--jwt-issuer",
        "i",
    ]);
    assert_eq!(code, 78);
    assert!(message.contains("credence keys generate"), "{message}");
    let key = directory.path().join("master.key");
    assert!(run(&["keys", "generate", text(&key)]).status.success());
    let (code, message) = serve_fails(&[
        "--data-dir",
        text(&data),
        "--jwks-file",
        text(&jwks),
        "--master-key-file",
        text(&key),
    ]);
    assert_eq!(code, 78);
    assert!(message.contains("--jwt-issuer"), "{message}");
    for made in ["master.key", "signing.key"] {
        assert!(!data.join(made).exists(), "{made}");
    }
    let (code, _) = serve_fails(&[
        "--data-dir",
        text(&data),
        "--jwks-file",
        "nowhere",
        "--jwt-issuer",
        "i",
        "--master-key-file",
        text(&key),
    ]);
    assert_eq!(code, 78);
    let token = run(&[
        "token",
        "--sub",
        "a",
        "--role",
        "viewer",
        "--data-dir",
        text(&data),
    ]);
    assert_eq!(token.status.code(), Some(78), "{}", stderr(&token));
}

#[test]
fn local_mode_stays_on_loopback_and_plain_http_behind_a_proxy() {
    let directory = directory();
    let data = directory.path().join("data");
    let run_at = |more: &[&str]| {
        let all = [
            &["serve", "--listen", "0.0.0.0:0", "--data-dir", text(&data)][..],
            more,
        ]
        .concat();
        let output = run(&all);
        (output.status.code().unwrap(), stderr(&output))
    };
    let (code, message) = run_at(&["--behind-tls-proxy"]);
    assert_eq!(code, 78);
    assert!(message.contains("loopback"), "{message}");
    let jwks = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/keys/jwks.json");
    let (code, message) = run_at(&["--jwks-file", text(&jwks), "--jwt-issuer", "i"]);
    assert_eq!(code, 78);
    assert!(
        message.contains("--behind-tls-proxy") && message.contains("--tls-cert"),
        "{message}"
    );
    assert!(!data.exists());
}

#[test]
fn a_token_is_printed_alone_and_works_while_the_server_runs_and_after() {
    let directory = directory();
    let data = directory.path().join("data");
    let early = run(&[
        "token",
        "--sub",
        "a",
        "--role",
        "viewer",
        "--data-dir",
        text(&data),
    ]);
    assert_eq!(early.status.code(), Some(78));
    assert!(
        stderr(&early).contains("credence serve"),
        "{}",
        stderr(&early)
    );
    let mut server = ServerProcess::start(&data, Stdio::null(), &[]);
    let token = ServerProcess::token(&data, "alice", "viewer");
    assert_eq!(token.split('.').count(), 3);
    let body = json!({ "query": "{ viewer { subject } }" }).to_string();
    assert!(
        request(&server.address, &token, &body)
            .contains(r#"{"data":{"viewer":{"subject":"alice"}}}"#)
    );
    server.signal("INT");
    assert!(server.child.wait().unwrap().success());
    let scoped = run(&[
        "token",
        "--sub",
        "a",
        "--scope",
        "credentials:read audit:read",
        "--expires-in",
        "30s",
        "--data-dir",
        text(&data),
    ]);
    assert!(scoped.status.success(), "{}", stderr(&scoped));
    let server = ServerProcess::start(&data, Stdio::null(), &[]);
    let body = json!({ "query": "{ auditEvents { nodes { id } } }" }).to_string();
    assert!(
        request(&server.address, stdout(&scoped).trim(), &body)
            .contains(r#"{"data":{"auditEvents":{"nodes":[]}}}"#)
    );
}

#[test]
fn migrate_brings_the_database_to_this_version_and_stops() {
    let directory = directory();
    let data = directory.path().join("data");
    for _ in 0..2 {
        let output = run(&["migrate", "--data-dir", text(&data)]);
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(data.join("credence.db").exists());
    }
    assert!(!data.join("master.key").exists());
}

#[test]
fn settings_come_from_the_environment_too() {
    let directory = directory();
    let data = directory.path().join("data");
    let output = credence(&["migrate"])
        .env("CREDENCE_DATA_DIR", &data)
        .output()
        .unwrap();
    assert!(output.status.success());
    assert!(data.join("credence.db").exists());
}

#[test]
fn a_stopped_server_answers_what_is_under_way_and_leaves_one_file() {
    let directory = directory();
    let data = directory.path().join("data");
    let mut server = ServerProcess::start(&data, Stdio::null(), &[]);
    let token = ServerProcess::token(&data, "alice", "editor");
    // Requests whose bodies have come but for their last byte.
    let body = |number: usize| {
        json!({ "query": format!("mutation {{ createCredential(input: {{name: \"n{number}\", value: \"v\"}}) {{ credential {{ name }} }} }}") }).to_string()
    };
    let mut under_way: Vec<TcpStream> = (0..50)
        .map(|number| {
            let mut stream = TcpStream::connect(&server.address).unwrap();
            let text = request_text(&token, &body(number));
            stream
                .write_all(&text.as_bytes()[..text.len() - 1])
                .unwrap();
            stream
        })
        .collect();
    // An answer to a later request shows that the server has read all of the earlier ones.
    assert!(request(&server.address, &token, &body(1_000)).contains("n1000"));
    server.signal("TERM");
    for (number, stream) in under_way.iter_mut().enumerate() {
        stream.write_all(b"}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(
            answer.contains(&format!("\"name\":\"n{number}\"")),
            "{answer}"
        );
    }
    assert!(server.child.wait().unwrap().success());
    assert!(
        !data.join("credence.db-wal").exists()
            || std::fs::metadata(data.join("credence.db-wal"))
                .unwrap()
                .len()
                == 0
    );
}

/// It would have ten seconds for the rest.
#[test]
fn a_stopping_server_does_not_wait_for_a_header_that_has_only_begun() {
    let directory = directory();
    let data = directory.path().join("data");
    let mut server = ServerProcess::start(&data, Stdio::null(), &[]);
    let token = ServerProcess::token(&data, "alice", "editor");
    let mut half = TcpStream::connect(&server.address).unwrap();
    half.write_all(b"POST /graphql HT").unwrap();
    // An answer to a later request shows that the server has read the half of the header.
    assert!(request(&server.address, &token, "{}").starts_with("HTTP/1.1 400"));
    server.signal("TERM");
    let told = Instant::now();
    assert!(server.child.wait().unwrap().success());
    assert!(
        told.elapsed() < Duration::from_secs(6),
        "{:?}",
        told.elapsed()
    );
}

#[test]
fn the_log_is_for_people_or_json_and_stands_on_standard_error() {
    let directory = directory();
    let data = directory.path().join("data");
    for (format, is_json) in [("human", false), ("json", true)] {
        let path = directory.path().join(format);
        let log = File::create(&path).unwrap();
        let mut server = ServerProcess::start(&data, Stdio::from(log), &["--log-format", format]);
        server.signal("TERM");
        assert!(server.child.wait().unwrap().success());
        let log = std::fs::read_to_string(&path).unwrap();
        assert!(log.contains("serving") && log.contains("stopped"), "{log}");
        for line in log.lines() {
            assert_eq!(
                serde_json::from_str::<serde_json::Value>(line).is_ok(),
                is_json,
                "{line}"
            );
        }
    }
}

#[test]
fn a_directory_that_was_only_migrated_is_served_in_local_mode() {
    let directory = directory();
    let data = directory.path().join("data");
    assert!(
        run(&["migrate", "--data-dir", text(&data)])
            .status
            .success()
    );
    let early = run(&[
        "token",
        "--sub",
        "a",
        "--role",
        "viewer",
        "--data-dir",
        text(&data),
    ]);
    assert_eq!(early.status.code(), Some(78));
    let _server = ServerProcess::start(&data, Stdio::null(), &[]);
    ServerProcess::token(&data, "alice", "viewer");
}

#[test]
fn a_server_whose_log_nobody_reads_goes_on() {
    let directory = directory();
    let data = directory.path().join("data");
    let mut server = ServerProcess::start(&data, Stdio::piped(), &[]);
    drop(server.child.stderr.take());
    for _ in 0..3 {
        assert!(request(&server.address, "bad", "{}").starts_with("HTTP/1.1 401"));
    }
    server.signal("TERM");
    assert!(server.child.wait().unwrap().success());
}

#[test]
fn a_data_directory_that_others_can_write_into_is_refused() {
    let directory = directory();
    let data = directory.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::set_permissions(&data, PermissionsExt::from_mode(0o777)).unwrap();
    let (code, message) = serve_fails(&["--data-dir", text(&data)]);
    assert_eq!(code, 78);
    assert!(message.contains("chmod 700"), "{message}");
    let file = directory.path().join("file");
    File::create(&file).unwrap();
    let (code, message) = serve_fails(&["--data-dir", text(&file)]);
    assert_eq!(code, 78);
    assert!(message.contains("is no directory"), "{message}");
}

#[test]
fn wrong_settings_are_told_before_anything_is_made() {
    let directory = directory();
    let data = directory.path().join("data");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(&["serve", "--listen", &address, "--data-dir", text(&data)]);
    assert_eq!(output.status.code(), Some(74));
    assert!(stderr(&output).contains(&address), "{}", stderr(&output));
    assert!(!data.join("credence.db").exists());
    assert!(!data.join("master.key").exists());
}

#[test]
fn options_of_the_log_stand_before_or_behind_the_command() {
    let directory = directory();
    let data = directory.path().join("data");
    for arguments in [
        &["--log", "debug", "migrate", "--data-dir", text(&data)][..],
        &["--log-format=json", "migrate", "--data-dir", text(&data)],
        &["migrate", "--log", "warn", "--data-dir", text(&data)],
    ] {
        let output = run(arguments);
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            stderr(&output)
        );
    }
    // Without a command, it serves.
    let (code, _) = {
        let output = run(&[
            "--log",
            "info",
            "--listen",
            "0.0.0.0:0",
            "--data-dir",
            text(&data),
        ]);
        (output.status.code().unwrap(), stderr(&output))
    };
    assert_eq!(code, 78);
}

#[test]
fn a_key_file_that_is_a_pipe_is_refused_and_not_waited_for() {
    let directory = directory();
    let pipe = directory.path().join("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let data = directory.path().join("data");
    let (code, message) =
        serve_fails(&["--data-dir", text(&data), "--master-key-file", text(&pipe)]);
    assert_eq!(code, 78);
    assert!(message.contains("no regular file"), "{message}");
}

#[test]
fn an_issuer_without_a_key_is_not_taken_for_local_mode() {
    let directory = directory();
    let (code, message) = serve_fails(&[
        "--data-dir",
        text(&directory.path().join("data")),
        "--jwt-issuer",
        "i",
    ]);
    assert_eq!(code, 78);
    assert!(message.contains("--jwks-file"), "{message}");
}

/// A file that cannot grow is a disk that is full.
#[test]
fn on_a_full_disk_nothing_is_changed_or_resolved_and_everybody_is_told() {
    let directory = directory();
    let data = directory.path().join("data");
    let log_path = directory.path().join("log");
    drop(ServerProcess::start(&data, Stdio::null(), &[]));
    let serve = format!(
        "trap '' XFSZ; ulimit -f 1200; exec {} serve --listen 127.0.0.1:0 --data-dir {}",
        env!("CARGO_BIN_EXE_credence"),
        text(&data)
    );
    let mut command = Command::new("sh");
    command.arg("-c").arg(serve).stdin(Stdio::null());
    let server = ServerProcess::spawn(command, Stdio::from(File::create(&log_path).unwrap()));
    let admin = ServerProcess::token(&data, "ada", "admin");
    let runtime = ServerProcess::token(&data, "runtime", "runtime");
    let ask = |token: &str, query: String| {
        request(
            &server.address,
            token,
            &json!({ "query": query }).to_string(),
        )
    };
    assert!(ask(&runtime, "{ viewer { id } }".to_owned()).starts_with("HTTP/1.1 200"));
    let mut follower = TcpStream::connect(&server.address).unwrap();
    let subscribe =
        json!({ "query": "subscription { credentialChanged { credentialId } }" }).to_string();
    write!(
        follower,
        "POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {admin}\r\nAccept: text/event-stream\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{subscribe}",
        subscribe.len()
    )
    .unwrap();
    let value = secret(&"x".repeat(30_000));
    let mut last_good = None;
    let refused = (0..200).find_map(|number| {
        let query = format!("mutation {{ createCredential(input: {{name: \"n{number}\", value: \"{value}\"}}) {{ credential {{ id }} }} }}");
        let answer = ask(&admin, query);
        let id = answer.split("\"id\":\"").nth(1).map(|rest| rest[..36].to_owned());
        last_good = id.or(last_good.take());
        answer.contains("UNAVAILABLE").then_some(answer)
    });
    let refused = refused.expect("the disk never was full");
    assert!(
        refused.starts_with("HTTP/1.1 200") && refused.contains("\"createCredential\":null"),
        "{refused}"
    );
    // Whether a commit that failed has kept anything is not known to who follows.
    let mut told = String::new();
    follower.read_to_string(&mut told).unwrap();
    assert!(told.contains("EVENTS_MISSED"), "{told}");
    let id = last_good.unwrap();
    // A few may still fit into what is left.
    let mut refused_in_a_row = 0;
    for _ in 0..500 {
        let query = format!(
            "mutation {{ resolveCredential(input: {{credentialId: \"{id}\", consumer: {{kind: WORKFLOW, externalId: \"{}\"}}}}) {{ value }} }}",
            "w".repeat(255)
        );
        let answer = ask(&runtime, query);
        refused_in_a_row = if answer.contains("UNAVAILABLE") {
            refused_in_a_row + 1
        } else {
            0
        };
        if refused_in_a_row > 0 {
            assert!(answer.contains("\"resolveCredential\":null"), "{answer}");
            assert!(!answer.contains("xxx"), "a value left without its event");
        }
        if refused_in_a_row == 20 {
            break;
        }
    }
    assert_eq!(refused_in_a_row, 20);
    assert!(ask(&admin, "{ credentials { totalCount } }".to_owned()).contains("\"totalCount\":"));
    // Its own small writes fill what the larger ones left.
    let is_ready = || {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        stream
            .write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        !answer.starts_with("HTTP/1.1 503")
    };
    // It is looked at once a second.
    let began_at = Instant::now();
    while is_ready() {
        assert!(
            began_at.elapsed() < Duration::from_secs(5),
            "a server that cannot write says that it is ready"
        );
    }
    assert!(
        std::fs::read_to_string(&log_path)
            .unwrap()
            .contains("cannot be reached or written")
    );
}
