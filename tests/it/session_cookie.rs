//! The cookie of a session: where it counts, and that nobody forges it or what it stands for.

use credence::types::scope::Role;
use diesel::connection::SimpleConnection;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, COOKIE};
use serde_json::json;

use crate::support::browser::{Browser, WHO, code};
use crate::support::store::lines;
use crate::support::stream::Socket;
use crate::support::{Answer, Server, database};

#[tokio::test]
async fn what_the_cookie_authenticates_comes_from_the_servers_own_pages() {
    let server = Server::start().await;
    let browser = Browser::signed_in(&server, &server.editor("alice").token).await;
    let (own, port) = (format!("http://{}", server.address), server.address.port());
    let (localhost, neighbour) = (
        format!("http://localhost:{port}"),
        format!("http://127.0.0.1:{}", port - 1),
    );
    let secure = format!("https://{}", server.address);
    let cases: [(&[(&'static str, &str)], bool); 15] = [
        (&[("sec-fetch-site", "same-origin")], true),
        (&[("origin", &own)], true),
        (&[("origin", &localhost)], true),
        (&[], false),
        (&[("sec-fetch-site", "none")], false),
        (&[("sec-fetch-site", "same-site")], false),
        (
            &[
                ("sec-fetch-site", "cross-site"),
                ("origin", "https://evil.example"),
            ],
            false,
        ),
        (&[("origin", "null")], false),
        // What the browser says of itself counts more than the origin.
        (&[("sec-fetch-site", "same-site"), ("origin", &own)], false),
        (&[("sec-fetch-site", "none"), ("origin", &own)], false),
        (
            &[
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-site", "same-origin"),
                ("origin", &own),
            ],
            false,
        ),
        (&[("origin", &neighbour)], false),
        (&[("origin", &secure)], false),
        (
            &[("origin", "https://evil.example"), ("origin", &own)],
            false,
        ),
        (
            &[
                ("sec-fetch-site", "same-origin"),
                ("sec-fetch-site", "cross-site"),
            ],
            false,
        ),
    ];
    let token = server.viewer("vera").token;
    let sign_in = json!({ "token": token }).to_string();
    let query = json!({ "query": WHO }).to_string();
    let get = "/graphql?query=%7Bviewer%7Bsubject%7D%7D";
    let requests: [(Method, &str, Option<&str>); 5] = [
        (Method::POST, "/graphql", Some(&query)),
        (Method::GET, get, None),
        (Method::GET, "/session", None),
        (Method::POST, "/session", Some(&sign_in)),
        (Method::DELETE, "/session", None),
    ];
    for (headers, is_own) in cases {
        for (method, path, body) in requests.clone() {
            // A session that ends here is not the one of the next case.
            let browser = if path == "/session" && method != Method::GET {
                Browser::signed_in(&server, &token).await
            } else {
                browser.clone()
            };
            let mut request = browser.bare(method.clone(), path);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            if let Some(body) = body {
                request = request
                    .header(CONTENT_TYPE, "application/json")
                    .body(body.to_owned());
            }
            let answer = Answer::from(request.send().await.unwrap()).await;
            let status = answer.status.as_u16();
            if is_own {
                assert!(
                    [200, 204].contains(&status),
                    "{method} {path} {headers:?}: {status}"
                );
            } else {
                assert_eq!(status, 403, "{method} {path} {headers:?}");
                assert_eq!(answer.codes(), ["FORBIDDEN"]);
                assert!(!answer.headers.contains_key("set-cookie"));
                assert_eq!(
                    browser.ask(WHO).await.status,
                    200,
                    "{method} {path} did something"
                );
            }
        }
        let cookie = ("cookie", browser.cookie.as_str());
        let headers: Vec<_> = headers.iter().copied().chain([cookie]).collect();
        let mut socket = Socket::with_headers(&server, &headers).await;
        socket.send(json!({ "type": "connection_init" })).await;
        let expected = if is_own {
            Ok(json!({ "type": "connection_ack" }))
        } else {
            Err(4403)
        };
        assert_eq!(socket.receive().await, expected, "{headers:?}");
    }
}

#[tokio::test]
async fn over_https_the_cookie_is_secure_and_bound_to_the_host() {
    let arguments = ["--public-url", "https://credence.example.com/"];
    let server = Server::start_with(&arguments).await.unwrap();
    let mut browser = Browser::new(&server);
    let answer = browser
        .sign_in(json!({ "token": server.viewer("vera").token }))
        .await;
    let cookie = answer.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Host-credence-session="), "{cookie}");
    assert!(
        cookie.contains("; HttpOnly; SameSite=Strict; Path=/; Secure; Max-Age="),
        "{cookie}"
    );
    let ask = async |origin: &str| {
        let request = browser.bare(Method::POST, "/graphql");
        let request = request
            .header("origin", origin)
            .header(CONTENT_TYPE, "application/json");
        let body = json!({ "query": WHO }).to_string();
        request.body(body).send().await.unwrap().status().as_u16()
    };
    assert_eq!(ask("https://credence.example.com").await, 200);
    assert_eq!(ask("http://credence.example.com").await, 403);
    assert_eq!(ask(&format!("http://{}", server.address)).await, 403);
}

#[tokio::test]
async fn no_forged_cookie_is_a_session() {
    let server = Server::start().await;
    let browser = Browser::signed_in(&server, &server.admin("ada").token).await;
    let (name, value) = browser.cookie.split_once('=').unwrap();
    let hash = lines(
        &mut server.connect(),
        &hex("SELECT id_hash FROM sessions", "id_hash"),
    );
    let mut last = value.to_owned();
    let end = last.pop().unwrap();
    let mut other = value.to_owned();
    other.replace_range(0..1, if value.starts_with('A') { "B" } else { "A" });
    let token = server.admin("ada").token;
    let good = &browser.cookie;
    for cookie in [
        format!("{name}="),
        format!("{name}={other}"),
        format!("{name}={last}"),
        format!("{name}={value}A"),
        format!("{name}={value}=="),
        format!("{name}=\"{value}\""),
        format!("{name}={}", "A".repeat(43)),
        format!("{name}={}", "x".repeat(10_000)),
        format!("{name}={}", hash[0]),
        format!("{name}={token}"),
        format!("{name}={value}{end}; {name}={value}"),
        format!("{good}; {good}"),
        format!("{}={value}", name.to_uppercase()),
        format!("session={value}"),
        format!("__Host-credence-session={value}"),
    ] {
        let request = server.client.post(server.url("/graphql"));
        let request = request
            .header(COOKIE, &cookie)
            .header("sec-fetch-site", "same-origin")
            .header(CONTENT_TYPE, "application/json")
            .body(json!({ "query": WHO }).to_string());
        let answer = Answer::from(request.send().await.unwrap()).await;
        assert_eq!(
            (answer.status.as_u16(), answer.codes()),
            (401, vec!["UNAUTHENTICATED"]),
            "{cookie}"
        );
    }
    assert_eq!(browser.ask(WHO).await.status, 200);
}

/// A query that shows a column of bytes in hexadecimal digits.
fn hex(query: &str, column: &str) -> String {
    let shown = if database::is_postgres() {
        format!("encode({column}, 'hex')")
    } else {
        format!("lower(hex({column}))")
    };
    query.replacen(column, &format!("{shown} AS line"), 1)
}

#[tokio::test]
async fn who_can_write_to_the_database_makes_no_session_and_gives_none_more_rights() {
    let server = Server::start().await;
    let ada = server.admin("ada");
    let ada_id = database::bytes(&ada.id().await.replace('-', ""));
    for change in [
        "scopes = 'credentials:read credentials:resolve'".to_owned(),
        format!("user_id = {ada_id}"),
        "ends_at_us = ends_at_us + 1000000".to_owned(),
        "issued_at = issued_at + 1".to_owned(),
        "created_at_us = created_at_us + 1".to_owned(),
        format!("credential_ids = {}", database::bytes("")),
        format!("authenticator = {}", database::bytes(&"00".repeat(32))),
        format!("mac = {}", database::bytes(&"00".repeat(32))),
    ] {
        let viewer = Browser::signed_in(&server, &server.viewer("vera").token).await;
        assert_eq!(viewer.ask(WHO).await.status, 200);
        server
            .connect()
            .batch_execute(&format!("UPDATE sessions SET {change}"))
            .unwrap();
        assert_eq!(viewer.ask(WHO).await.status, 401, "{change}");
        server
            .connect()
            .batch_execute("DELETE FROM sessions")
            .unwrap();
    }
    for change in [
        "subject = 'ada'",
        "scopes = 'users:manage'",
        "ends_at_us = ends_at_us + 1000000",
        "created_at_us = created_at_us + 1",
    ] {
        let code = code(&server, "vera", Role::Viewer.scopes());
        server
            .connect()
            .batch_execute(&format!("UPDATE login_codes SET {change}"))
            .unwrap();
        let answer = Browser::new(&server).sign_in(json!({ "code": code })).await;
        assert_eq!(answer.status, 401, "{change}");
        server
            .connect()
            .batch_execute("DELETE FROM login_codes")
            .unwrap();
    }
}
