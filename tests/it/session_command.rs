//! Sessions and the command: the link that it makes, and what it prints and logs.

use std::fs::File;
use std::io::BufRead;
use std::path::Path;
use std::process::Stdio;

use credence::types::clock::Clock;
use credence::types::scope::Role;
use diesel::connection::SimpleConnection;
use reqwest::header::{CONTENT_TYPE, COOKIE};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::process::{Place, ServerProcess, Terminal, stderr, stdout};
use crate::support::{Answer, Server, database, http_client};

#[tokio::test]
async fn the_command_makes_a_link_beside_a_running_server() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let place = database::place(&data);
    let never = place.command(&["login-link"]).output().unwrap();
    assert_eq!(never.status.code(), Some(78), "{}", stderr(&never));
    let server = ServerProcess::start(&data, Stdio::null(), &[]);
    let url = format!("http://{}", server.address);
    let enter = async |words: &[&str]| {
        let words = [&["login-link", "--public-url", &url], words].concat();
        let output = place.command(&words).output().unwrap();
        let link = stdout(&output);
        let link = link
            .strip_suffix('\n')
            .unwrap_or_else(|| panic!("{}", stderr(&output)));
        let code = link.strip_prefix(&format!("{url}/login#")).unwrap();
        let request = http_client().post(format!("{url}/session"));
        let request = request
            .header("origin", &url)
            .header(CONTENT_TYPE, "application/json")
            .body(json!({ "code": code }).to_string());
        Answer::from(request.send().await.unwrap()).await.body
    };
    let operator = enter(&[]).await;
    assert_eq!(operator["scopes"], json!(Role::Admin.scopes().words()));
    assert!(!operator["subject"].as_str().unwrap().is_empty());
    let alice = enter(&["--sub", "alice", "--role", "viewer"]).await;
    assert_eq!(
        (&alice["subject"], &alice["scopes"]),
        (&json!("alice"), &json!(["credentials:read"]))
    );
    let scoped = enter(&["--scope", "audit:read users:manage"]).await;
    assert_eq!(scoped["scopes"], json!(["users:manage", "audit:read"]));
    for wrong in [
        ["--scope", "none"],
        ["--sub", ""],
        ["--public-url", "ftp://a"],
    ] {
        let output = place
            .command(&[&["login-link"], wrong.as_slice()].concat())
            .output();
        assert_eq!(output.unwrap().status.code(), Some(64), "{wrong:?}");
    }
}

#[tokio::test]
async fn neither_the_log_nor_what_is_printed_holds_a_token_a_cookie_or_a_code() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let log_path = directory.path().join("log");
    let log = Stdio::from(File::create(&log_path).unwrap());
    let mut server = ServerProcess::start(&data, log, &["--log", "trace"]);
    let url = format!("http://{}", server.address);
    let token = ServerProcess::token(&data, "alice", "admin");
    let place = database::place(&data);
    let words = ["login-link", "--public-url", &url];
    let link = stdout(&place.command(&words).output().unwrap());
    let code = link.trim().split('#').nth(1).unwrap().to_owned();
    let client = http_client();
    let mut secrets = vec![token.clone(), code.clone()];
    for body in [
        json!({ "token": token }),
        json!({ "code": code }),
        json!({ "code": code }),
    ] {
        let request = client.post(format!("{url}/session")).header("origin", &url);
        let request = request
            .header(CONTENT_TYPE, "application/json")
            .body(body.to_string());
        let answer = request.send().await.unwrap();
        let Some(cookie) = answer.headers().get("set-cookie") else {
            continue;
        };
        let pair = cookie
            .to_str()
            .unwrap()
            .split(';')
            .next()
            .unwrap()
            .to_owned();
        secrets.push(pair.split_once('=').unwrap().1.to_owned());
        let asked = client
            .get(format!("{url}/session"))
            .header("origin", &url)
            .header(COOKIE, &pair);
        let state: Value =
            serde_json::from_str(&asked.send().await.unwrap().text().await.unwrap()).unwrap();
        assert_eq!(state["signedIn"], true);
        let out = client
            .delete(format!("{url}/session"))
            .header("origin", &url)
            .header(COOKIE, pair);
        assert_eq!(out.send().await.unwrap().status(), 204);
    }
    assert_eq!(secrets.len(), 4);
    server.signal("TERM");
    assert!(server.child.wait().unwrap().success());
    let printed = server.output();
    let log = std::fs::read_to_string(&log_path).unwrap();
    assert!(log.contains("DEBUG") && log.contains("a one-time code was refused"));
    for secret in secrets {
        assert!(!log.contains(&secret), "the log holds {secret}");
        assert!(!printed.contains(&secret), "it was printed: {secret}");
    }
    // What is printed goes to no terminal here: it says how to get a link, and holds none.
    assert!(printed.contains("login-link") && !printed.contains("/login#"));
}

/// Starts a server on a terminal. Its log goes to a file.
fn serve_on_terminal(place: &Place, log: &Path) -> Terminal {
    let quoted = |path: &Path| format!("'{}'", path.to_str().unwrap());
    let line = format!(
        "exec {} serve --listen 127.0.0.1:0 --log trace --data-dir {} 2>{}",
        quoted(Path::new(env!("CARGO_BIN_EXE_credence"))),
        quoted(&place.data),
        quoted(log),
    );
    Terminal::run(&line, |command| {
        command.envs(place.url.iter().map(|url| ("CREDENCE_DATABASE_URL", url)));
    })
}

#[tokio::test]
async fn the_start_shows_a_terminal_a_link_and_nobody_else() {
    let directory = TempDir::new().unwrap();
    let log = directory.path().join("log");
    let place = database::place(&directory.path().join("data"));
    let mut terminal = serve_on_terminal(&place, &log);
    let mut link = String::new();
    while !link.contains("/login#") {
        link.clear();
        let length = terminal.seen.read_line(&mut link).unwrap();
        assert!(length > 0, "there is no link");
    }
    let (url, code) = link.trim().split_once("/login#").unwrap();
    let request = http_client().post(format!("{url}/session"));
    let request = request
        .header("origin", url)
        .header(CONTENT_TYPE, "application/json")
        .body(json!({ "code": code }).to_string());
    let entered = Answer::from(request.send().await.unwrap()).await;
    assert_eq!(entered.body["scopes"], json!(Role::Admin.scopes().words()));
    let (_rest, status) = terminal.interrupt();
    assert!(status.success());
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("serving") && !log.contains(code));
}

#[tokio::test]
async fn a_start_that_can_make_no_link_serves_and_says_how_one_is_made() {
    let directory = TempDir::new().unwrap();
    let log = directory.path().join("log");
    let data = directory.path().join("data");
    let server = Server::instance(&data, Clock::system(), &[]).await.unwrap();
    let nothing_goes_in = if database::is_postgres() {
        "ALTER TABLE login_codes ADD CONSTRAINT nothing_goes_in CHECK (false)"
    } else {
        "CREATE TRIGGER nothing_goes_in BEFORE INSERT ON login_codes BEGIN SELECT RAISE(ABORT, 'nothing goes in'); END"
    };
    server.connect().batch_execute(nothing_goes_in).unwrap();
    server.end().await;
    let mut terminal = serve_on_terminal(&database::place(&data), &log);
    let (mut shown, mut line) = (String::new(), String::new());
    while !line.contains("login-link") {
        line.clear();
        let length = terminal.seen.read_line(&mut line).unwrap();
        assert!(length > 0, "{}", std::fs::read_to_string(&log).unwrap());
        shown.push_str(&line);
    }
    assert!(!shown.contains("/login#"), "{shown}");
    let (_rest, status) = terminal.interrupt();
    assert!(status.success());
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("no link to sign in with"), "{log}");
}

#[tokio::test]
async fn the_command_says_when_the_server_of_its_settings_takes_no_links() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    Server::instance(&data, Clock::system(), &[])
        .await
        .unwrap()
        .end()
        .await;
    let place = database::place(&data);
    let plain = place.command(&["login-link"]).output().unwrap();
    assert!(
        plain.status.success() && stderr(&plain).is_empty(),
        "{}",
        stderr(&plain)
    );
    for name in ["CREDENCE_JWKS_FILE", "CREDENCE_JWT_KEY_FILE"] {
        let output = place
            .command(&["login-link"])
            .env(name, "keys.json")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(78), "{name}");
        assert!(stdout(&output).is_empty());
        assert!(
            stderr(&output).contains(name) && stderr(&output).contains("local mode"),
            "{}",
            stderr(&output)
        );
    }
}
