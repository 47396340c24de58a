//! `credence health`: what it asks, what it says, and with which exit code.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

use diesel::connection::SimpleConnection;
use futures_util::FutureExt;
use tempfile::TempDir;

use crate::support::certificate::{make_certificates, put_tls_before};
use crate::support::database;
use crate::support::local::Local;
use crate::support::peer;
use crate::support::process::{ServerProcess, credence, run, stderr, stdout};
use crate::support::text;

#[track_caller]
fn assert_healthy(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    assert_eq!(stdout(output), "ok\n");
}

#[track_caller]
fn assert_told(output: &Output, code: i32, part: &str) {
    let message = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{message}");
    assert_eq!(stdout(output), "");
    assert!(message.contains(part), "{part} is missing in: {message}");
}

#[test]
fn a_server_that_can_serve_is_asked_at_its_address_or_by_a_url() {
    let local = Local::start();
    let address = &local.server.address;
    assert_healthy(&run(&["health", "--listen", address]));
    assert_healthy(&run(&["health", "--listen", address, "--alive"]));
    let endpoint = format!("http://{address}/graphql");
    assert_healthy(&run(&["health", "--url", &endpoint]));
    let port = address.rsplit(':').next().unwrap();
    // As in a container, where the server and the command have one environment.
    let mut command = credence(&["health"]);
    command.env("CREDENCE_LISTEN", format!("0.0.0.0:{port}"));
    assert_healthy(&command.output().unwrap());
}

/// No proxy of the environment is asked: it would not reach this machine, or answer in its place.
#[test]
fn a_proxy_of_the_environment_is_passed_by() {
    let local = Local::start();
    let mut command = credence(&["health", "--listen", &local.server.address]);
    for variable in ["http_proxy", "HTTP_PROXY", "ALL_PROXY"] {
        command.env(variable, "http://127.0.0.1:9");
    }
    assert_healthy(&command.output().unwrap());
}

#[test]
fn where_nobody_listens_it_ends_with_69_and_names_the_address() {
    // Bound, and never listened at again.
    let address = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().to_string()
    };
    let output = run(&["health", "--listen", &address]);
    assert_told(
        &output,
        69,
        &format!("http://{address}/readyz does not answer"),
    );
}

#[tokio::test]
async fn another_program_that_answers_there_is_not_taken_for_the_server() {
    for (status, body) in [(200, "<html>"), (404, "ok\n"), (302, "ok\n")] {
        let url = peer::serve(move |_, _| {
            std::future::ready(peer::answer(status, "text/plain", body)).boxed()
        })
        .await;
        let output = tokio::task::spawn_blocking(move || run(&["health", "--url", &url]));
        assert_told(&output.await.unwrap(), 69, "is it another server?");
    }
}

#[test]
fn a_server_whose_database_cannot_be_written_is_alive_and_not_ready() {
    let local = Local::start();
    let address = &local.server.address;
    let mut other = database::database(&local.place.data).connect().unwrap();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    assert_told(
        &run(&["health", "--listen", address]),
        69,
        "cannot serve now",
    );
    assert_healthy(&run(&["health", "--listen", address, "--alive"]));
    other.batch_execute("ROLLBACK").unwrap();
    // It is looked at once a second.
    assert_healthy(&run(&["health", "--listen", address, "--wait", "5s"]));
}

#[test]
fn it_waits_until_the_server_can_serve() {
    // First somebody else is there, who cannot serve.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut waiting = credence(&["health", "--listen", &address, "--wait", "5m"]);
    let waiting = waiting.stdout(Stdio::piped()).stderr(Stdio::piped());
    let waiting = waiting.spawn().unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    let mut request = [0; 1024];
    assert!(stream.read(&mut request).unwrap() > 0);
    let busy =
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    stream.write_all(busy).unwrap();
    drop((stream, listener));
    let directory = TempDir::new().unwrap();
    let place = database::place(&directory.path().join("data"));
    let command = place.command(&["serve", "--listen", &address]);
    let _server = ServerProcess::spawn(command, Stdio::null());
    assert_healthy(&waiting.wait_with_output().unwrap());
}

/// A certificate is for a name, and the server is asked by its address; a server that is named by a URL has to show a good one.
#[tokio::test(flavor = "multi_thread")]
async fn over_tls_this_machine_is_believed_and_another_has_to_show_its_certificate() {
    let local = Local::start();
    let directory = TempDir::new().unwrap();
    make_certificates(directory.path(), "localhost");
    let port = put_tls_before(local.server.address.parse().unwrap(), directory.path()).await;
    let address = format!("127.0.0.1:{port}");
    let certificate = directory.path().join("server.pem");
    let authority = directory.path().join("ca.pem");
    let own = ["health", "--listen", &address];
    assert_healthy(&run(
        &[&own[..], &["--tls-cert", text(&certificate)]].concat()
    ));
    assert_told(&run(&own), 69, "/readyz");
    let url = format!("https://localhost:{port}");
    let named = ["health", "--url", &url];
    assert_healthy(&run(
        &[&named[..], &["--ca-file", text(&authority)]].concat()
    ));
    assert_told(&run(&named), 69, "shows a certificate that is not trusted");
    let key = directory.path().join("server.key");
    let wrong = [&named[..], &["--ca-file", text(&key)]].concat();
    assert_told(&run(&wrong), 78, "holds no certificate");
}

#[test]
fn what_is_no_url_and_no_duration_ends_with_64() {
    for arguments in [
        ["--url", "credence.example.com"],
        ["--url", "ftp://credence.example.com"],
        ["--url", "https://user:word@credence.example.com"],
        ["--url", "https://credence.example.com/?token=x"],
        ["--wait", "soon"],
        ["--listen", "here"],
    ] {
        let output = run(&[&["health"], &arguments[..]].concat());
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
    }
}

/// What systemd is told (`sd_notify(3)`): by a socket whose path is in the environment.
#[test]
fn a_service_manager_is_told_that_the_server_is_ready_and_that_it_stops() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("notify");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    let place = database::place(&directory.path().join("data"));
    let mut command: Command = place.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("NOTIFY_SOCKET", &path);
    let mut server = ServerProcess::spawn(command, Stdio::null());
    let hear = || {
        let mut message = [0; 256];
        let length = socket.recv(&mut message).unwrap();
        String::from_utf8(message[..length].to_vec()).unwrap()
    };
    assert_eq!(hear().trim(), "READY=1");
    assert_healthy(&run(&["health", "--listen", &server.address]));
    server.signal("TERM");
    assert_eq!(hear().trim(), "STOPPING=1");
    assert!(server.child.wait().unwrap().success());
}
