//! The endpoint as HTTP: methods, types, sizes, headers, health.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use credence::store::connection::DatabaseConnection;
use diesel::connection::SimpleConnection;
use futures_util::future::join_all;
use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::support::metrics::Scrape;
use crate::support::stream::Socket;
use crate::support::{Answer, Person, Server, database, http_client};

const QUERY: &str = r#"{"query":"{ viewer { subject } }"}"#;

async fn answer(request: reqwest::RequestBuilder) -> Answer {
    Answer::from(request.send().await.unwrap()).await
}

#[tokio::test]
async fn other_methods_are_not_allowed() {
    let server = Server::start().await;
    let vera = server.viewer("vera");
    for method in ["PUT", "DELETE", "PATCH", "HEAD", "TRACE", "QUERY"] {
        let request = server
            .client
            .request(
                Method::from_bytes(method.as_bytes()).unwrap(),
                server.url("/graphql"),
            )
            .header(AUTHORIZATION, format!("Bearer {}", vera.token));
        let answer = answer(request).await;
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.headers["allow"], "GET, POST, OPTIONS");
    }
}

/// A request by GET, its parameters in the URL.
fn get(person: &Person<'_>, parameters: &[(&str, &str)]) -> reqwest::RequestBuilder {
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(parameters)
        .finish();
    let request = person
        .server
        .client
        .get(person.server.url(&format!("/graphql?{query}")));
    request.header(AUTHORIZATION, format!("Bearer {}", person.token))
}

#[tokio::test]
async fn queries_are_answered_by_get() {
    let server = Server::start().await;
    let vera = server.viewer("vera");
    let query = "query a($ids: [ID!]!) { credentialStatuses(ids: $ids) { state } } query b { viewer { subject } }";
    let cases: [(&[(&str, &str)], u16, Value); 12] = [
        (
            &[("query", "{ viewer { subject } }")],
            200,
            json!({ "data": { "viewer": { "subject": "vera" } } }),
        ),
        (
            &[("query", query), ("operationName", "b")],
            200,
            json!({ "data": { "viewer": { "subject": "vera" } } }),
        ),
        (
            &[
                ("query", query),
                ("operationName", "a"),
                ("variables", r#"{"ids":["x"]}"#),
                ("extensions", "{}"),
            ],
            200,
            json!({ "data": { "credentialStatuses": [{ "state": "UNKNOWN" }] } }),
        ),
        (
            &[
                ("query", "{ viewer { subject } }"),
                ("variables", ""),
                ("operationName", ""),
            ],
            200,
            json!({ "data": { "viewer": { "subject": "vera" } } }),
        ),
        (
            &[("query", "{ viewer { subject } }"), ("unknown", "x")],
            200,
            json!({ "data": { "viewer": { "subject": "vera" } } }),
        ),
        (
            &[("query", query)],
            200,
            json!("OPERATION_RESOLUTION_FAILURE"),
        ),
        (&[], 400, json!("BAD_REQUEST")),
        (&[("query", "")], 200, json!("GRAPHQL_PARSE_FAILED")),
        (
            &[("query", "{ viewer { subject } }"), ("variables", "[]")],
            400,
            json!("BAD_REQUEST"),
        ),
        (
            &[("query", "{ viewer { subject } }"), ("variables", "{")],
            400,
            json!("BAD_REQUEST"),
        ),
        (
            &[("query", "{ viewer { subject } }"), ("extensions", "1")],
            400,
            json!("BAD_REQUEST"),
        ),
        (
            &[
                ("query", "{ viewer { subject } }"),
                ("query", "{ viewer { id } }"),
            ],
            400,
            json!("BAD_REQUEST"),
        ),
    ];
    for (parameters, status, expected) in cases {
        let answer = answer(get(&vera, parameters)).await;
        assert_eq!(answer.status, status, "{parameters:?}: {}", answer.body);
        match expected {
            Value::String(code) => assert_eq!(answer.codes(), [code], "{parameters:?}"),
            body => assert_eq!(answer.body, body, "{parameters:?}"),
        }
    }
    let nobody = answer(
        server
            .client
            .get(server.url("/graphql?query=%7Bviewer%7Bid%7D%7D")),
    )
    .await;
    assert_eq!(nobody.status, 401);
    assert_eq!(nobody.headers["www-authenticate"], "Bearer");
}

#[tokio::test]
async fn nothing_is_changed_by_get() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    let create = r#"mutation { createCredential(input: {name: "by get", value: "v"}) { credential { id } } }"#;
    let answer = answer(get(&alice, &[("query", create)])).await;
    assert_eq!(
        (answer.status.as_u16(), answer.codes()),
        (405, vec!["BAD_REQUEST"])
    );
    assert_eq!(answer.headers["allow"], "POST");
    let follow = "subscription { credentialChanged { action } }";
    let request = get(&alice, &[("query", follow)]).header(ACCEPT, "text/event-stream");
    let refused = request.send().await.unwrap();
    assert_eq!(refused.status(), 405);
    assert_eq!(
        alice.ask("{ credentials { totalCount } }").await.field()["totalCount"],
        0
    );
}

#[tokio::test]
async fn a_url_has_16_kib_at_most() {
    let server = Server::start().await;
    let vera = server.viewer("vera");
    let url = |length: usize| {
        let start = "/graphql?query=%7Bviewer%7Bsubject%7D%7D&x=";
        format!("{start}{}", "x".repeat(length - start.len()))
    };
    let request = |length: usize| {
        let request = server.client.get(server.url(&url(length)));
        answer(request.header(AUTHORIZATION, format!("Bearer {}", vera.token)))
    };
    assert_eq!(request(16 * 1024).await.status, 200);
    let long = request(16 * 1024 + 1).await;
    assert_eq!(
        (long.status.as_u16(), long.codes()),
        (414, vec!["BAD_REQUEST"])
    );
    // Far longer ones are refused while they are read.
    let response = server
        .client
        .get(server.url(&url(40_000)))
        .send()
        .await
        .unwrap();
    assert!(
        [414, 431].contains(&response.status().as_u16()),
        "{}",
        response.status()
    );
}

#[tokio::test]
async fn only_pages_of_allowed_origins_may_read_answers() {
    let allowed = "https://admin.example.com";
    let server = Server::start_with(&[
        "--cors-origin",
        allowed,
        "--cors-origin",
        "http://localhost:3000",
    ])
    .await
    .unwrap();
    let vera = server.viewer("vera");
    let preflight = |origin: &str| {
        let request = server
            .client
            .request(Method::OPTIONS, server.url("/graphql"));
        let request = request
            .header("origin", origin)
            .header("access-control-request-method", "POST");
        request.send()
    };
    for origin in [allowed, "http://localhost:3000"] {
        let answer = preflight(origin).await.unwrap();
        assert_eq!(answer.status(), 204);
        assert_eq!(answer.headers()["access-control-allow-origin"], origin);
        assert_eq!(
            answer.headers()["access-control-allow-methods"],
            "GET, POST"
        );
        assert_eq!(
            answer.headers()["access-control-allow-headers"],
            "authorization, content-type, accept"
        );
        let answer = vera
            .request()
            .header("origin", origin)
            .body(QUERY)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.headers()["access-control-allow-origin"], origin);
        // What is refused before anything looks at it can be read by the page, too.
        let long = server.url(&format!("/graphql?{}", "x".repeat(20_000)));
        let refused = server.client.get(long).header("origin", origin).send();
        let refused = refused.await.unwrap();
        assert_eq!(refused.status(), 414);
        assert_eq!(refused.headers()["access-control-allow-origin"], origin);
        let vary: Vec<&str> = answer
            .headers()
            .get_all("vary")
            .iter()
            .map(|value| value.to_str().unwrap())
            .collect();
        assert_eq!(vary, ["Accept", "Origin"]);
    }
    for origin in [
        "https://evil.example.com",
        "https://admin.example.com.evil.com",
        "http://admin.example.com",
        "null",
        "*",
    ] {
        for answer in [
            preflight(origin).await.unwrap(),
            vera.request()
                .header("origin", origin)
                .body(QUERY)
                .send()
                .await
                .unwrap(),
        ] {
            assert_eq!(
                answer.headers().get("access-control-allow-origin"),
                None,
                "{origin}"
            );
        }
    }
    // Without a list nobody may, and nobody's cookies are wanted.
    let closed = Server::start().await;
    let answer = closed
        .viewer("vera")
        .request()
        .header("origin", allowed)
        .body(QUERY)
        .send()
        .await
        .unwrap();
    assert!(
        answer
            .headers()
            .keys()
            .all(|name| !name.as_str().starts_with("access-control"))
    );
}

#[tokio::test]
async fn only_json_in_utf8_is_taken() {
    let server = Server::start().await;
    let vera = server.viewer("vera");
    let post = |content_type: Option<&str>| {
        let request = server
            .client
            .post(server.url("/graphql"))
            .header(AUTHORIZATION, format!("Bearer {}", vera.token));
        let request = content_type.into_iter().fold(request, |request, value| {
            request.header(CONTENT_TYPE, value)
        });
        answer(request.body(QUERY))
    };
    for good in [
        "application/json",
        "application/json; charset=utf-8",
        "APPLICATION/JSON;charset=\"UTF-8\"",
    ] {
        assert_eq!(post(Some(good)).await.status, 200, "{good}");
    }
    for bad in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data; boundary=x"),
        Some("application/graphql"),
        Some("application/json; charset=latin1"),
        Some("application/jsonx"),
        Some(""),
    ] {
        let answer = post(bad).await;
        assert_eq!(
            (answer.status.as_u16(), answer.codes()),
            (415, vec!["BAD_REQUEST"]),
            "{bad:?}"
        );
    }
    for encoding in ["gzip", "br", "deflate", "identity"] {
        assert_eq!(
            answer(
                vera.request()
                    .header(CONTENT_ENCODING, encoding)
                    .body(QUERY)
            )
            .await
            .status,
            415,
            "{encoding}"
        );
    }
}

#[tokio::test]
async fn the_answer_has_the_type_that_the_client_likes_best() {
    let server = Server::start().await;
    let vera = server.viewer("vera");
    const JSON: &str = "application/json; charset=utf-8";
    const GRAPHQL: &str = "application/graphql-response+json; charset=utf-8";
    for (accept, expected) in [
        (None, JSON),
        (Some("*/*"), JSON),
        (Some("application/*"), JSON),
        (Some("application/json"), JSON),
        (Some("application/graphql-response+json"), GRAPHQL),
        (
            Some("application/graphql-response+json, application/json;q=0.9"),
            GRAPHQL,
        ),
        (
            Some("application/graphql-response+json;q=0.5, application/json"),
            JSON,
        ),
        (
            Some("application/json, application/graphql-response+json"),
            JSON,
        ),
        (
            Some(
                "application/graphql-response+json; charset=utf-8, application/json; charset=utf-8",
            ),
            GRAPHQL,
        ),
        (Some("text/html, application/json;q=0.1"), JSON),
        (Some("application/json;q=0, */*"), GRAPHQL),
        (Some("multipart/mixed, */*;q=0.1"), JSON),
        // What is no weight is passed over with its type.
        (
            Some("application/json;q=5e-1, application/graphql-response+json;q=0.1"),
            GRAPHQL,
        ),
        (
            Some("application/json;q=1.1, application/graphql-response+json;q=0.1"),
            GRAPHQL,
        ),
        (Some("application/json, text/event-stream"), JSON),
        (Some("text/event-stream;q=0.1, application/json"), JSON),
    ] {
        let request = accept.into_iter().fold(vera.request(), |request, value| {
            request.header(ACCEPT, value)
        });
        let answer = answer(request.body(QUERY)).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.headers["content-type"]),
            (200, &expected.parse().unwrap()),
            "{accept:?}"
        );
        assert_eq!(answer.headers["vary"], "Accept");
    }
    for accept in [
        "text/html;level=1",
        "application/json;version=2",
        "application/json;charset=latin1;q=1",
        "text/html",
        "application/xml",
        "application/json;q=0",
        "*/*;q=0",
        "text/*",
    ] {
        let answer = answer(vera.request().header(ACCEPT, accept).body(QUERY)).await;
        assert_eq!(
            (answer.status.as_u16(), answer.codes()),
            (406, vec!["BAD_REQUEST"]),
            "{accept}"
        );
    }
}

/// A server may leave an upgrade alone (RFC 9110, section 7.8), and some clients always offer HTTP/2.
#[tokio::test]
async fn an_upgrade_to_anything_but_a_socket_is_passed_over() {
    let server = Server::start().await;
    let vera = server.viewer("vera");
    let request = http_client()
        .get(server.url("/graphql?query=%7Bviewer%7Bid%7D%7D"))
        .bearer_auth(&vera.token)
        .header("connection", "Upgrade, HTTP2-Settings")
        .header("upgrade", "h2c")
        .header("http2-settings", "AAMAAABkAAQAoAAAAAIAAAAA");
    answer(request).await.data();
}

/// A request of which nothing is executed is an answer like any other under the older type, and 400 under the newer.
#[tokio::test]
async fn the_status_of_a_refused_document_depends_on_the_type() {
    let server = Server::start().await;
    let vera = server.viewer("vera");
    for (body, code) in [
        (
            json!({ "query": "{ nothing }" }),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (json!({ "query": "{ viewer" }), "GRAPHQL_PARSE_FAILED"),
        (
            json!({ "query": "query a { viewer { id } } query b { viewer { id } }" }),
            "OPERATION_RESOLUTION_FAILURE",
        ),
        (
            json!({ "query": "{ viewer { id } }", "operationName": "a" }),
            "OPERATION_RESOLUTION_FAILURE",
        ),
        (
            json!({ "query": "query($id: ID!) { node(id: $id) { id } }" }),
            "BAD_USER_INPUT",
        ),
    ] {
        for (accept, status) in [
            ("application/json", 200),
            ("application/graphql-response+json", 400),
        ] {
            let answer = answer(vera.request().header(ACCEPT, accept).body(body.to_string())).await;
            assert_eq!(
                (answer.status.as_u16(), answer.codes()),
                (status, vec![code]),
                "{body}"
            );
            assert_eq!(answer.body.get("data"), None);
        }
    }
    for accept in ["application/json", "application/graphql-response+json"] {
        let partial = answer(
            vera.request()
                .header(ACCEPT, accept)
                .body(r#"{"query":"{ viewer { subject } users { totalCount } }"}"#),
        )
        .await;
        assert_eq!(partial.status, 200);
        assert_eq!(
            partial.body["data"],
            json!({ "viewer": { "subject": "vera" }, "users": null })
        );
        let expected = json!([{
            "message": "This needs a token with the scope users:manage.",
            "locations": [{ "line": 1, "column": 22 }],
            "path": ["users"],
            "extensions": { "code": "FORBIDDEN" },
        }]);
        assert_eq!(partial.body["errors"], expected);
    }
}

#[tokio::test]
async fn the_named_operation_is_executed() {
    let server = Server::start().await;
    let vera = server.viewer("vera");
    let query = "query a { viewer { subject } } query b { viewer { name __typename } }";
    let body = |name: Value| {
        json!({ "query": query, "operationName": name, "extensions": {}, "variables": null })
            .to_string()
    };
    assert_eq!(
        *vera.send(body(json!("a"))).await.field(),
        json!({ "subject": "vera" })
    );
    assert_eq!(
        *vera.send(body(json!("b"))).await.field(),
        json!({ "name": "vera", "__typename": "User" })
    );
    assert_eq!(
        vera.send(body(json!("c"))).await.codes(),
        ["OPERATION_RESOLUTION_FAILURE"]
    );
    assert_eq!(
        vera.send(body(json!(""))).await.codes(),
        ["OPERATION_RESOLUTION_FAILURE"]
    );
}

#[tokio::test]
async fn bodies_that_are_no_request_are_bad_requests() {
    let server = Server::start().await;
    let vera = server.viewer("vera");
    let deep = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        format!(r#"{{"query":"{{ viewer {{ subject }} }}","variables":{{"v":{open}{close}}}}}"#)
    };
    let texts = |count: usize| {
        format!(
            r#"{{"query":"{{ viewer {{ subject }} }}","variables":{{"v":{}}}}}"#,
            json!(vec!["t"; count])
        )
    };
    let cases: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b" ".to_vec(),
        b"null".to_vec(),
        b"1".to_vec(),
        b"\"{ viewer { subject } }\"".to_vec(),
        b"[]".to_vec(),
        format!("[{QUERY}]").into_bytes(),
        format!("[{QUERY},{QUERY}]").into_bytes(),
        b"{}".to_vec(),
        br#"{"query":null}"#.to_vec(),
        br#"{"query":1}"#.to_vec(),
        br#"{"query":["{ viewer { subject } }"]}"#.to_vec(),
        br#"{"query":"{ viewer { subject } }","variables":"x"}"#.to_vec(),
        br#"{"query":"{ viewer { subject } }","variables":[]}"#.to_vec(),
        br#"{"query":"{ viewer { subject } }","variables":1}"#.to_vec(),
        br#"{"query":"{ viewer { subject } }","operationName":1}"#.to_vec(),
        br#"{"query":"{ viewer { subject } }","extensions":"x"}"#.to_vec(),
        br#"{"query":"{ viewer { subject } }","extensions":[]}"#.to_vec(),
        br#"{"query":"{ viewer { subject } }","query":"{ viewer { id } }"}"#.to_vec(),
        br#"{"query":"{ viewer { subject } }","variables":{"a":1,"a":2}}"#.to_vec(),
        br#"{"query":"{ viewer { subject } }"} {}"#.to_vec(),
        br#"{"query":"{ viewer { subject } }",}"#.to_vec(),
        br"{'query':'{ viewer { subject } }'}".to_vec(),
        br#"{"query":"{ viewer { subject } }""#.to_vec(),
        b"query={ viewer { subject } }".to_vec(),
        b"\xef\xbb\xbf{\"query\":\"{ viewer { subject } }\"}".to_vec(),
        b"{\"query\":\"{ viewer { subject } }\",\"variables\":{\"v\":\"\xff\xfe\"}}".to_vec(),
        b"{\"query\":\"{ viewer { subject } }\",\"variables\":{\"v\":\"\xc0\xaf\"}}".to_vec(),
        br#"{"query":"{ viewer { subject } }","variables":{"v":"\ud83d"}}"#.to_vec(),
        br#"{"query":"{ viewer { subject } }","variables":{"v":NaN}}"#.to_vec(),
        br#"{"query":"{ viewer { subject } }","variables":{"v":1e999}}"#.to_vec(),
        deep(31).into_bytes(),
        deep(100_000).into_bytes(),
        texts(1_000).into_bytes(),
    ];
    for body in cases {
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        let answer = vera.send(body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.codes()),
            (400, vec!["BAD_REQUEST"]),
            "{shown}"
        );
    }
    for good in [deep(30), texts(900)] {
        assert_eq!(vera.send(good).await.status, 200);
    }
    // What the operation does not define, and members of other protocols, are passed over.
    let more = json!({ "query": "{ viewer { subject } }", "variables": { "unused": 1 }, "id": 7 });
    assert_eq!(
        *vera.send(more.to_string()).await.field(),
        json!({ "subject": "vera" })
    );
    assert_eq!(
        vera.send(r#"{"query":""}"#).await.codes(),
        ["GRAPHQL_PARSE_FAILED"]
    );
}

#[tokio::test]
async fn a_body_has_512_kib_at_most() {
    let server = Server::start().await;
    let vera = server.viewer("vera");
    let padded = |length: usize| format!("{QUERY}{}", " ".repeat(length - QUERY.len()));
    assert_eq!(vera.send(padded(512 * 1024)).await.status, 200);
    let answer = vera.send(padded(512 * 1024 + 1)).await;
    assert_eq!(
        (answer.status.as_u16(), answer.codes()),
        (413, vec!["BAD_REQUEST"])
    );
}

/// The size is counted while reading, and what comes behind the limit is read for a while, so that the answer arrives.
#[tokio::test]
async fn a_chunked_body_of_more_than_512_kib_is_refused() {
    let server = Server::start().await;
    let vera = server.viewer("vera");
    let chunked = |chunks: usize| {
        let head = format!(
            "POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n",
            vera.token
        );
        let spaces = format!("10000\r\n{}\r\n", " ".repeat(65_536)).repeat(chunks);
        format!("{head}{spaces}{:x}\r\n{QUERY}\r\n0\r\n\r\n", QUERY.len())
    };
    let answers = exchange(&server, chunked(7)).await;
    assert_eq!(statuses(&answers), ["200"]);
    for chunks in [8, 16, 320] {
        let answers = exchange(&server, chunked(chunks)).await;
        assert_eq!(statuses(&answers), ["413"], "{chunks} chunks of 64 KiB");
        assert!(answers.contains(r#""code":"BAD_REQUEST""#), "{answers}");
    }
}

/// A client that never ends is stopped all the same.
#[tokio::test]
async fn a_chunked_body_is_cut_off_at_512_kib() {
    let server = Server::start().await;
    let vera = server.viewer("vera");
    let head = format!(
        "POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
        vera.token
    );
    let address = server.address;
    let sent = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        let chunk = format!("10000\r\n{}\r\n", " ".repeat(65_536));
        let mut sent = 0;
        while sent < 128 * 1024 * 1024 && stream.write_all(chunk.as_bytes()).is_ok() {
            sent += 65_536;
        }
        let mut answer = Vec::new();
        // The server may have closed the connection before all that was sent was read.
        let _read = stream.read_to_end(&mut answer);
        (sent, String::from_utf8_lossy(&answer).into_owned())
    });
    let (sent, answer) = sent.await.unwrap();
    assert!(sent < 64 * 1024 * 1024, "{sent} bytes were taken");
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 413"),
        "{answer}"
    );
}

#[tokio::test]
async fn every_answer_has_its_own_id_and_is_kept_by_nobody() {
    let server = Server::start().await;
    let vera = server.viewer("vera");
    let mut ids = Vec::new();
    let client = &server.client;
    for request in [
        vera.request().body(QUERY),
        vera.request().header("x-request-id", "mine").body(QUERY),
        vera.request().body("x"),
        client.post(server.url("/graphql")),
        client.get(server.url("/nothing")),
        client.get(server.url("/graphql/x")),
        client.get(server.url("/healthz")),
        client.get(server.url("/readyz")),
        client.post(server.url("/healthz")),
    ] {
        let response = request.send().await.unwrap();
        let headers = response.headers();
        assert_eq!(headers["cache-control"], "no-store");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers.get("server"), None);
        ids.push(headers["x-request-id"].to_str().unwrap().to_owned());
    }
    assert!(ids.iter().all(|id| id.len() == 36));
    let mut sorted = ids.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted, ids, "IDs rise, and none comes twice");
}

#[tokio::test]
async fn health_is_told_without_a_token() {
    let server = Server::start().await;
    for path in ["/healthz", "/readyz"] {
        let response = server.client.get(server.url(path)).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.text().await.unwrap(), "ok\n");
        let answer = answer(server.client.post(server.url(path))).await;
        assert_eq!(answer.status, 405);
        assert_eq!(answer.headers["allow"], "GET, HEAD");
    }
    let missing = answer(server.client.get(server.url("/elsewhere"))).await;
    assert_eq!(
        (missing.status.as_u16(), missing.codes()),
        (404, vec!["BAD_REQUEST"])
    );
}

/// To find it out costs a write, and anybody may ask.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_again_and_again_whether_the_server_is_ready_has_it_write_once_a_second() {
    let server = Server::start().await;
    let commits = async || {
        let scrape = Scrape::of(&server).await;
        scrape.value("credence_commits_total{outcome=\"committed\"}")
    };
    let ask = async || {
        let answer = server.client.get(server.url("/readyz")).send().await;
        answer.unwrap().status().as_u16()
    };
    let (before, began_at) = (commits().await, Instant::now());
    let askers = (0..8).map(async |_| {
        for _ in 0..50 {
            assert_eq!(ask().await, 200);
        }
    });
    join_all(askers).await;
    let (made, seconds) = (commits().await - before, began_at.elapsed().as_secs());
    // A few the server makes by itself.
    assert!(made <= i64::try_from(seconds).unwrap() + 10, "{made}");
    // What has changed is seen a second later.
    let mut other = server.connect();
    if !database::is_postgres() {
        other.batch_execute("BEGIN IMMEDIATE").unwrap();
        server.clock.shift_seconds(1);
        assert_eq!(join_all((0..8).map(async |_| ask().await)).await, [503; 8]);
        other.batch_execute("ROLLBACK").unwrap();
        server.clock.shift_seconds(1);
        assert_eq!(ask().await, 200);
    }
}

/// A client that reads GraphQL's errors under its type reads the refusals of the endpoint, too.
#[tokio::test]
async fn refusals_have_the_type_that_the_client_likes_best() {
    let server = Server::start().await;
    for (accept, content_type) in [
        (
            "application/graphql-response+json, application/json;q=0.9",
            "application/graphql-response+json; charset=utf-8",
        ),
        ("application/json", "application/json; charset=utf-8"),
        ("text/event-stream", "application/json; charset=utf-8"),
    ] {
        for (person, body, status, code) in [
            (server.stranger(), QUERY, 401, "UNAUTHENTICATED"),
            (server.viewer("vera"), "[]", 400, "BAD_REQUEST"),
        ] {
            let refused = answer(person.request().header(ACCEPT, accept).body(body)).await;
            assert_eq!(
                (refused.status.as_u16(), refused.codes()),
                (status, vec![code])
            );
            assert_eq!(refused.headers["content-type"], content_type);
        }
    }
}

#[tokio::test]
async fn what_is_no_utf8_in_a_url_is_not_made_to_be_some() {
    let server = Server::start().await;
    let vera = server.viewer("vera");
    for query in [
        "query=%7Bviewer%7Bid%7D%7D&operationName=%ff",
        "query=%7Bviewer%7Bid%7D%7D&variables=%7B%22a%22:%22%ff%22%7D",
    ] {
        let request = server.client.get(server.url(&format!("/graphql?{query}")));
        let refused = answer(request.header(AUTHORIZATION, format!("Bearer {}", vera.token))).await;
        assert_eq!(
            (refused.status.as_u16(), refused.codes()),
            (400, vec!["BAD_REQUEST"])
        );
    }
}

#[tokio::test]
async fn json_has_ten_thousand_values_at_most() {
    let server = Server::start().await;
    let vera = server.viewer("vera");
    // The body itself, the document, the variables and the list are four.
    for (count, codes) in [(9_996, vec![]), (9_997, vec!["BAD_REQUEST"])] {
        let variables = json!({ "unused": vec![0; count] });
        let answer = vera.ask_with("{ viewer { id } }", variables).await;
        assert_eq!(answer.codes(), codes, "{count}");
    }
}

/// Somebody may paste a value where a name belongs, and a message is often logged.
#[tokio::test]
async fn a_message_repeats_the_beginning_of_a_variables_name_only() {
    let server = Server::start().await;
    let name = "n".repeat(20_000);
    for (ty, variables) in [
        ("[ID!]!", json!({})),
        ("[ID!]", json!({ name.as_str(): null })),
    ] {
        let query = format!(
            "query(${name}: {ty} = [1]) {{ credentialStatuses(ids: ${name}) {{ credentialId }} }}"
        );
        let query = query.replace("! = [1]", "!");
        let answer = server.viewer("vera").ask_with(&query, variables).await;
        assert_eq!(answer.codes(), ["BAD_USER_INPUT"]);
        let message = answer.body["errors"][0]["message"].as_str().unwrap();
        assert!(message.len() < 200, "{message}");
    }
}

#[tokio::test]
async fn variables_are_coerced_by_their_types() {
    let server = Server::start().await;
    let vera = server.viewer("vera");
    async fn ask(vera: &Person<'_>, ty: &str, default: &str, variables: Value) -> Answer {
        let query = format!(
            "query($v: {ty}{default}) {{ credentialStatuses(ids: $v) {{ credentialId }} }}"
        );
        vera.ask_with(&query, variables).await
    }
    let ids = |answer: &Answer| -> Vec<String> {
        let statuses = answer.field().as_array().unwrap();
        statuses
            .iter()
            .map(|status| status["credentialId"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        ids(&ask(&vera, "[ID!]!", "", json!({ "v": ["a", 7] })).await),
        ["a", "7"]
    );
    // One item is a list of one (GraphQL specification, section 3.11).
    assert_eq!(
        ids(&ask(&vera, "[ID!]!", "", json!({ "v": "a" })).await),
        ["a"]
    );
    assert_eq!(
        ids(&ask(&vera, "[ID!]!", " = [\"d\"]", json!({})).await),
        ["d"]
    );
    for (ty, default, variables) in [
        ("[ID!]!", "", json!({})),
        ("[ID!]!", "", json!({ "v": null })),
        ("[ID!]!", "", json!({ "v": [null] })),
        ("[ID!]!", "", json!({ "v": [1.5] })),
        ("[ID!]!", "", json!({ "v": [true] })),
        ("[ID!]!", "", json!({ "v": {} })),
        ("[ID!]!", " = [\"d\"]", json!({ "v": null })),
        ("[ID!]", " = [\"d\"]", json!({ "v": null })),
    ] {
        let answer = ask(&vera, ty, default, variables.clone()).await;
        assert_eq!(
            answer.codes(),
            ["BAD_USER_INPUT"],
            "{ty} {variables}: {}",
            answer.body
        );
    }
}

#[tokio::test]
async fn an_argument_whose_variable_is_absent_has_its_default() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    for name in ["b", "a"] {
        alice.create(name).await;
    }
    let query = "query($order: CredentialOrder, $first: Int, $actor: String) {
        credentials(orderBy: $order, first: $first) { nodes { name } } ...audit
    }
    fragment audit on Query { viewer { credentials(orderBy: $order, query: $actor) { nodes { name } } } }";
    let expected = json!({ "nodes": [{ "name": "a" }, { "name": "b" }] });
    let answer = alice.ask_with(query, json!({})).await;
    assert_eq!(answer.data()["credentials"], expected);
    assert_eq!(answer.data()["viewer"]["credentials"], expected);
    let null = alice.ask_with(query, json!({ "order": null })).await;
    assert!(null.codes().contains(&"BAD_USER_INPUT"), "{}", null.body);
}

#[tokio::test]
async fn skip_and_include_are_followed() {
    let server = Server::start().await;
    let vera = server.viewer("vera");
    let query = "query($yes: Boolean!) { viewer { subject @include(if: $yes) name @skip(if: $yes) ...f @include(if: $yes) } }
        fragment f on User { __typename }";
    assert_eq!(
        *vera.ask_with(query, json!({ "yes": true })).await.field(),
        json!({ "subject": "vera", "__typename": "User" })
    );
    assert_eq!(
        *vera.ask_with(query, json!({ "yes": false })).await.field(),
        json!({ "name": "vera" })
    );
}

/// All that comes back on a connection of its own, when these bytes are sent.
async fn exchange(server: &Server, sent: impl Into<Vec<u8>>) -> String {
    let (address, sent) = (server.address, sent.into());
    let answers = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(&sent).unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).unwrap();
        answers
    });
    answers.await.unwrap()
}

/// A request as bytes on a connection of its own, and the first line of the answer.
async fn raw(server: &Server, head: &str, body: &str) -> String {
    let answers = exchange(server, format!("{head}\r\n\r\n{body}")).await;
    answers.lines().next().unwrap().to_owned()
}

#[tokio::test]
async fn requests_that_two_servers_could_understand_differently_are_refused() {
    let server = Server::start().await;
    let authorization = format!("Authorization: Bearer {}", server.viewer("vera").token);
    let head = |headers: &str| {
        format!("POST /graphql HTTP/1.1\r\nConnection: close\r\n{authorization}\r\n{headers}")
    };
    let chunked = format!("{:x}\r\n{QUERY}\r\n0\r\n\r\n", QUERY.len());
    let json = "Content-Type: application/json";
    let length = format!("Content-Length: {}", QUERY.len());
    for (headers, body, status) in [
        (format!("Host: x\r\n{json}\r\n{length}"), QUERY, 200),
        (
            format!("Host: x\r\n{json}\r\nTransfer-Encoding: chunked"),
            chunked.as_str(),
            200,
        ),
        (format!("{json}\r\n{length}"), QUERY, 400),
        (
            format!("Host: x\r\nHost: y\r\n{json}\r\n{length}"),
            QUERY,
            400,
        ),
        (
            format!("Host: x\r\n{json}\r\n{json}\r\n{length}"),
            QUERY,
            415,
        ),
        (
            format!("Host: x\r\n{json}\r\n{length}\r\nContent-Length: 5"),
            QUERY,
            400,
        ),
        (
            format!("Host: x\r\n{json}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked"),
            chunked.as_str(),
            400,
        ),
        (
            format!(
                "Host: x\r\n{json}\r\nTRANSFER-ENCODING: chunked\r\ncontent-length: {}",
                QUERY.len()
            ),
            chunked.as_str(),
            400,
        ),
        (
            format!("Host: x\r\n{json}\r\nTransfer-Encoding: gzip"),
            QUERY,
            400,
        ),
        (
            format!("Host: x\r\n{json}\r\nTransfer-Encoding: gzip, chunked"),
            chunked.as_str(),
            400,
        ),
        (
            format!(
                "Host: x\r\n{json}\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked"
            ),
            chunked.as_str(),
            400,
        ),
        (
            format!("Host: x\r\n{json}\r\nContent-Length: -1"),
            QUERY,
            400,
        ),
    ] {
        let line = raw(&server, &head(&headers), body).await;
        assert!(
            line.starts_with(&format!("HTTP/1.1 {status}")),
            "{headers}: {line}"
        );
    }
    // Extensions of chunks are passed over, within bounds.
    let extended = format!(
        "{:x};{}\r\n{QUERY}\r\n0\r\n\r\n",
        QUERY.len(),
        "x".repeat(100_000)
    );
    let line = raw(
        &server,
        &head(&format!("Host: x\r\n{json}\r\nTransfer-Encoding: chunked")),
        &extended,
    )
    .await;
    assert!(line.starts_with("HTTP/1.1 400"), "{line}");
}

/// The statuses of all answers.
fn statuses(answers: &str) -> Vec<&str> {
    let lines = answers.split("HTTP/1.1 ").skip(1);
    lines.map(|answer| &answer[..3]).collect()
}

/// The query in two chunks, each in a way of its own.
fn chunked_query(trailer: &str) -> String {
    let (first, second) = QUERY.split_at(10);
    format!(
        "{:X};x=\"y\"\r\n{first}\r\n00{:x} \r\n{second}\r\n0\r\n{trailer}\r\n",
        first.len(),
        second.len()
    )
}

/// Lines may end with a bare LF, and empty lines stand before the first one (RFC 9112, section 2.2).
#[tokio::test]
async fn a_length_that_is_told_twice_is_refused_however_the_header_is_written() {
    let server = Server::start().await;
    let fields = [
        "POST /graphql HTTP/1.1".to_owned(),
        "Host: x".to_owned(),
        format!("Authorization: Bearer {}", server.viewer("vera").token),
        "Content-Type: application/json".to_owned(),
        "Content-Length:5".to_owned(),
        "Transfer-Encoding: chunked".to_owned(),
    ];
    let body = chunked_query("");
    for (start, line_end, end) in [
        ("", "\r\n", "\r\n"),
        ("\r\n\r\n", "\r\n", "\r\n"),
        ("\n\n\n", "\n", "\n"),
        ("", "\n", "\r\n"),
        ("", "\r\n", "\n"),
    ] {
        let header = format!("{start}{}{line_end}{end}", fields.join(line_end));
        let ambiguous = format!("{header}{body}");
        let answers = exchange(&server, ambiguous.as_str()).await;
        assert_eq!(statuses(&answers), ["400"], "{header:?}");
        // A byte at a time, and the body only when it is asked for.
        let expecting = header.replacen("Host", "Expect: 100-continue\r\nHost", 1);
        let (address, body) = (server.address, body.clone());
        let answers = tokio::task::spawn_blocking(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_nodelay(true).unwrap();
            for byte in expecting.as_bytes() {
                stream.write_all(&[*byte]).unwrap();
            }
            let mut answers = vec![0; 12];
            stream.read_exact(&mut answers).unwrap();
            if answers == b"HTTP/1.1 100" {
                stream.write_all(body.as_bytes()).unwrap();
            }
            stream.read_to_end(&mut answers).unwrap();
            String::from_utf8(answers).unwrap()
        });
        assert_eq!(statuses(&answers.await.unwrap()), ["400"], "{header:?}");
    }
}

#[tokio::test]
async fn requests_behind_each_other_in_one_segment_are_understood_one_by_one() {
    let server = Server::start().await;
    let authorization = format!("Authorization: Bearer {}", server.viewer("vera").token);
    let post = |fields: &str, body: &str| {
        format!(
            "POST /graphql HTTP/1.1\r\nHost: x\r\n{authorization}\r\nContent-Type: application/json\r\n{fields}\r\n\r\n{body}"
        )
    };
    let sized = post(&format!("Content-Length: {}", QUERY.len()), QUERY);
    let bare = sized.replace("\r\n", "\n");
    let chunked = |trailer: &str| post("Transfer-Encoding: chunked", &chunked_query(trailer));
    let get = format!(
        "GET /graphql?query=%7Bviewer%7Bid%7D%7D HTTP/1.1\r\nHost: x\r\n{authorization}\r\n\r\n"
    );
    let no_body = post("Content-Length: 0", "");
    let last = get.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    let good = [
        &sized,
        &chunked(""),
        &get,
        "\r\n",
        &bare,
        &chunked("X: y\r\n"),
        "\n\r\n",
        &get,
        &chunked(""),
        &no_body,
        &sized,
        &last,
    ];
    let answers = exchange(&server, good.concat()).await;
    let expected = [
        "200", "200", "200", "200", "200", "200", "200", "400", "200", "200",
    ];
    assert_eq!(statuses(&answers), expected);

    // However the request before it ends, and whatever stands behind it.
    let ambiguous = post(
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        &chunked_query(""),
    );
    for before in [
        &sized,
        &chunked(""),
        &chunked("X: y\r\n"),
        &chunked("X: \n\r\n"),
        &get,
        &bare,
    ] {
        let answers = exchange(&server, format!("{before}{ambiguous}{last}")).await;
        assert_eq!(statuses(&answers), ["200", "400"], "{before:?}");
    }
}

/// hyper's own answers are empty.
#[tokio::test]
async fn what_is_no_http_is_refused_like_any_other_request() {
    let server = Server::start().await;
    let head = "POST /graphql HTTP/1.1\r\nHost: x\r\n";
    let long_url = format!("GET /graphql?query={} HTTP/1.1\r\n\r\n", "x".repeat(40_000));
    let good = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    for (sent, status) in [
        ("garbage\r\n\r\n".to_owned(), "400"),
        ("\x16\x03\x01\x02\x00\x01\x00".to_owned(), "400"),
        ("GET /graphql HTTP/3.0\r\n\r\n".to_owned(), "400"),
        ("GET /gra phql HTTP/1.1\r\n\r\n".to_owned(), "400"),
        (format!("{head}Bad name: x\r\n\r\n"), "400"),
        (format!("{head} folded\r\n\r\n"), "400"),
        (
            format!("{head}Content-Length: 1\r\nContent-Length: 2\r\n\r\nx"),
            "400",
        ),
        (format!("{head}Transfer-Encoding: gzip\r\n\r\nx"), "400"),
        (format!("{head}{}\r\n", "X: y\r\n".repeat(70)), "431"),
        (format!("{head}X: {}\r\n\r\n", "x".repeat(40_000)), "431"),
        (long_url, "414"),
    ] {
        let shown = &sent[..sent.len().min(100)];
        for before in ["", good] {
            let answers = exchange(&server, format!("{before}{sent}")).await;
            let at = answers.rfind("HTTP/1.1 ").unwrap();
            assert_eq!(at > 0, !before.is_empty(), "{answers}");
            let (header, body) = answers[at..].split_once("\r\n\r\n").unwrap();
            assert_eq!(&header[9..12], status, "{shown:?}");
            for field in [
                "content-type: application/json; charset=utf-8".to_owned(),
                "cache-control: no-store".to_owned(),
                "x-content-type-options: nosniff".to_owned(),
                "connection: close".to_owned(),
                format!("content-length: {}", body.len()),
            ] {
                let is_there = header.lines().any(|line| line == field);
                assert!(is_there, "{shown:?}: {field} is not in {header}");
            }
            assert_eq!(header.matches("\r\ndate: ").count(), 1, "{header}");
            let body: Value = serde_json::from_str(body).unwrap();
            assert_eq!(body["errors"][0]["extensions"]["code"], "BAD_REQUEST");
            assert!(body["errors"][0]["message"].is_string(), "{body}");
        }
    }
}

/// What nobody reads is answered by a reset, which can overtake the answer (RFC 9112, section 9.6).
#[tokio::test]
async fn a_client_that_sends_all_before_it_reads_gets_its_refusal() {
    const LENGTH: usize = 20 * 1024 * 1024;
    let server = Server::start().await;
    let token = server.viewer("vera").token.clone();
    for (token, length, status) in [
        ("bad", format!("Content-Length: {LENGTH}"), "401"),
        (&token, format!("Content-Length: {LENGTH}"), "413"),
        (
            &token,
            "Content-Length: 1\r\nContent-Length: 2".to_owned(),
            "400",
        ),
    ] {
        let mut request = format!(
            "POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n{length}\r\n\r\n"
        );
        request.push_str(&" ".repeat(LENGTH));
        let answers = exchange(&server, request).await;
        assert_eq!(statuses(&answers), [status]);
    }
}

#[tokio::test]
async fn a_client_is_told_why_a_message_that_is_too_large_closes_its_socket() {
    let server = Server::start().await;
    let mut socket = Socket::open(&server.viewer("vera")).await;
    socket
        .send(json!({ "type": "ping", "payload": " ".repeat(20 * 1024 * 1024) }))
        .await;
    assert_eq!(socket.receive().await, Err(4400));
}

/// What has one name in the answer is one field, and is executed once (GraphQL specification, section 6.3.2).
#[tokio::test]
async fn a_mutation_that_stands_twice_under_one_name_is_made_once() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    let twice = "mutation($i: CreateCredentialInput!) {
        createCredential(input: $i) { credential { id name } }
        createCredential(input: $i) { credential { valueVersion } userErrors { code } }
    }";
    let answer = alice
        .ask_with(twice, json!({ "i": { "name": "once", "value": "v" } }))
        .await;
    let credential = &answer.field()["credential"];
    assert_eq!(
        (&credential["name"], &credential["valueVersion"]),
        (&json!("once"), &json!(1))
    );
    assert_eq!(answer.field()["userErrors"], json!([]));
    let query = "mutation($id: ID!, $no: Boolean = false) {
        ...a
        ... on Mutation { u: updateCredential(input: {credentialId: $id, value: \"2\"}) { userErrors { code } } }
        ... @include(if: $no) { v: updateCredential(input: {credentialId: $id, value: \"3\"}) { userErrors { code } } }
        w: updateCredential(input: {credentialId: $id, value: \"4\"}) @skip(if: true) { userErrors { code } }
    }
    fragment a on Mutation { u: updateCredential(input: {credentialId: $id, value: \"2\"}) { credential { valueVersion } } }";
    let answer = alice
        .ask_with(query, json!({ "id": credential["id"] }))
        .await;
    assert_eq!(
        *answer.data(),
        json!({ "u": { "credential": { "valueVersion": 2 }, "userErrors": [] } })
    );
    let two = "mutation($id: ID!) {
        a: updateCredential(input: {credentialId: $id, value: \"a\"}) { credential { valueVersion } }
        b: updateCredential(input: {credentialId: $id, value: \"b\"}) { credential { valueVersion } }
    }";
    let answer = alice.ask_with(two, json!({ "id": credential["id"] })).await;
    let version = |version: i32| json!({ "credential": { "valueVersion": version } });
    assert_eq!(*answer.data(), json!({ "a": version(3), "b": version(4) }));
}

#[tokio::test]
async fn defaults_of_variables_are_those_of_the_operation_that_is_executed() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    for name in ["a", "b", "c"] {
        alice.create(name).await;
    }
    let query = "query A($n: Int = 1) { credentials(first: $n) { nodes { name } } }
        query B($n: Int) { credentials(first: $n) { nodes { name } } }";
    for (operation, expected) in [("A", 1), ("B", 3)] {
        let answer = alice
            .send(json!({ "query": query, "operationName": operation }).to_string())
            .await;
        assert_eq!(
            answer.field()["nodes"].as_array().unwrap().len(),
            expected,
            "{operation}"
        );
    }
    let query = "query($yes: Boolean! = true, $no: Boolean = false) {
        viewer { subject @include(if: $yes) name @skip(if: $yes) id @include(if: $no) } }";
    assert_eq!(
        *alice.ask(query).await.field(),
        json!({ "subject": "alice" })
    );
}

/// A root field is null by itself (GraphQL specification, section 6.4.1); of what stands deeper nothing is executed.
#[tokio::test]
async fn null_where_null_is_not_allowed_is_an_error_of_the_field() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    for (query, variables, key) in [
        (
            "query($o: CredentialOrder) { viewer { subject } c: credentials(orderBy: $o) { nodes { id } } }",
            json!({ "o": null }),
            "c",
        ),
        (
            "query($o: CredentialOrder = null) { viewer { subject } credentials(orderBy: $o) { nodes { id } } }",
            json!({}),
            "credentials",
        ),
        (
            "query($d: OrderDirection = ASC) { viewer { subject } credentials(orderBy: {field: NAME, direction: $d}) { nodes { id } } }",
            json!({ "d": null }),
            "credentials",
        ),
        (
            "query($i: ID = \"a\") { viewer { subject } nodes(ids: [$i]) { id } }",
            json!({ "i": null }),
            "nodes",
        ),
        (
            "query($i: ID = \"a\") { viewer { subject } node(id: $i) { id } }",
            json!({ "i": null }),
            "node",
        ),
    ] {
        let answer = alice.ask_with(query, variables).await;
        assert_eq!(
            answer.codes(),
            ["BAD_USER_INPUT"],
            "{query}: {}",
            answer.body
        );
        assert_eq!(
            answer.body["data"],
            json!({ "viewer": { "subject": "alice" }, key: null })
        );
        assert_eq!(answer.body["errors"][0]["path"], json!([key]));
    }
    // One name in the answer is one field, which fails once and stands where it is asked for first.
    let query = "query($o: CredentialOrder) { viewer { id } viewer { subject } a: credentials(orderBy: $o) { totalCount } \
                 a: credentials(orderBy: $o) { nodes { id } } b: __typename }";
    let body = json!({ "query": query, "variables": { "o": null } }).to_string();
    let answer = alice.request().body(body).send().await.unwrap();
    let text = answer.text().await.unwrap();
    assert!(text.contains("BAD_USER_INPUT"), "{text}");
    let data = &text[text.find("\"data\":").unwrap()..];
    let id = alice.id().await;
    let expected =
        format!(r#""data":{{"viewer":{{"id":"{id}","subject":"alice"}},"a":null,"b":"Query"}}}}"#);
    assert_eq!(data, expected);
    for (query, variables) in [
        (
            "query($if: Boolean = true) { ...F viewer { name @include(if: $if) } } fragment F on Query { viewer { id } }",
            json!({ "if": null }),
        ),
        (
            "query($o: CredentialOrder) { ...f } fragment f on Query { credentials(orderBy: $o) { nodes { id } } }",
            json!({ "o": null }),
        ),
        (
            "query($o: CredentialOrder) { viewer { credentials(orderBy: $o) { nodes { id } } } }",
            json!({ "o": null }),
        ),
    ] {
        let answer = alice.ask_with(query, variables).await;
        assert_eq!(
            answer.codes(),
            ["BAD_USER_INPUT"],
            "{query}: {}",
            answer.body
        );
        assert_eq!(answer.body.get("data"), None);
    }
}

#[tokio::test]
async fn pages_within_pages_multiply_up_to_ten_thousand_objects() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    alice.create("one").await;
    let nested = |sizes: &[usize]| {
        let mut query = "id".to_owned();
        for size in sizes.iter().rev() {
            query = format!("credentials(first: {size}) {{ nodes {{ owner {{ {query} }} }} }}");
        }
        format!("{{ viewer {{ {query} }} }}")
    };
    for (query, variables) in [
        (nested(&[100, 98]), json!({})),
        (nested(&[20, 20, 20]), json!({})),
        ("query($n: Int) { viewer { credentials(first: $n) { nodes { owner { credentials(last: $n) { nodes { id } } } } } } }".to_owned(), json!({ "n": 99 })),
    ] {
        assert!(alice.ask_with(&query, variables).await.codes().is_empty(), "{query}");
    }
    let ids = vec!["a"; 100];
    for (query, variables) in [
        (nested(&[100, 100]), json!({})),
        (nested(&[20, 20, 20, 20]), json!({})),
        ("query($n: Int) { viewer { credentials(first: $n) { nodes { owner { credentials(last: $n) { nodes { id } } } } } } }".to_owned(), json!({ "n": 100 })),
        ("query($n: Int = 100) { credentials(first: $n) { nodes { ...f } } } fragment f on Credential { owner { credentials(first: $n) { nodes { id } } } }".to_owned(), json!({})),
        ("query($ids: [ID!]!) { nodes(ids: $ids) { ... on User { credentials(first: 100) { nodes { id } } } } }".to_owned(), json!({ "ids": ids })),
    ] {
        let answer = alice.ask_with(&query, variables).await;
        assert_eq!(answer.codes(), ["GRAPHQL_VALIDATION_FAILED"], "{query}");
        assert_eq!(answer.body.get("data"), None);
    }
}

#[tokio::test]
async fn introspection_can_be_turned_off() {
    let server = Server::start_with(&["--no-introspection"]).await.unwrap();
    let vera = server.viewer("vera");
    for query in [
        "{ __schema { queryType { name } } }",
        "{ __type(name: \"Query\") { name } }",
        "{ ...f } fragment f on Query { ... { __schema { queryType { name } } } }",
    ] {
        assert_eq!(
            vera.ask(query).await.codes(),
            ["GRAPHQL_VALIDATION_FAILED"],
            "{query}"
        );
    }
    assert_eq!(
        vera.ask("{ __typename viewer { __typename } }")
            .await
            .data()["__typename"],
        "Query"
    );
}

/// Whoever changes the list in between must not see the ID of one credential with the name of another.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_list_that_is_asked_for_twice_is_read_once() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    let done = AtomicBool::new(false);
    let writing = async {
        for number in 0..400 {
            alice.create(&format!("n{number}")).await;
        }
        done.store(true, Ordering::Relaxed);
    };
    let reading = async {
        let order = "orderBy: {field: CREATED_AT, direction: DESC}";
        let queries = [
            format!(
                "{{ a: credentials({order}) {{ nodes {{ id }} }} a: credentials({order}) {{ nodes {{ name }} }} }}"
            ),
            format!(
                "{{ ...A ...B }} fragment A on Query {{ a: credentials({order}) {{ nodes {{ id }} }} }} fragment B on Query {{ a: credentials({order}) {{ nodes {{ name }} }} }}"
            ),
            format!(
                "{{ viewer {{ a: credentials({order}) {{ nodes {{ id }} }} }} viewer {{ ... {{ a: credentials({order}) {{ nodes {{ name }} }} }} }} }}"
            ),
        ];
        let mut names = HashMap::new();
        while !done.load(Ordering::Relaxed) {
            for query in &queries {
                let answer = alice.ask(query).await;
                let root = answer.field();
                let list = root.get("nodes").unwrap_or_else(|| &root["a"]["nodes"]);
                for node in list.as_array().unwrap() {
                    let (id, name) = (node["id"].to_string(), node["name"].to_string());
                    assert_eq!(*names.entry(id).or_insert_with(|| name.clone()), name);
                }
            }
        }
        names.len()
    };
    let ((), seen) = tokio::join!(writing, reading);
    assert!(seen > 20);
}

#[tokio::test]
async fn fragments_on_several_types_are_merged_for_each() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    let id = alice.create("one").await;
    let query = "query($id: ID!) { node(id: $id) { id ...C ... on Node { __typename ... on Credential { owner { name } } } ... on User { email } } } \
                 fragment C on Credential { name owner { subject } }";
    let answer = alice.ask_with(query, json!({ "id": id })).await;
    let expected = json!({
        "id": id, "name": "one", "__typename": "Credential", "owner": { "subject": "alice", "name": "alice" }
    });
    assert_eq!(*answer.field(), expected);
    let mine = alice
        .ask_with(query, json!({ "id": alice.id().await }))
        .await;
    assert_eq!(mine.field()["__typename"], "User");
    // A field that fails fails once, wherever it stands.
    for query in [
        "{ viewer { id } viewer { credentials(after: \"x\") { nodes { id } } } }",
        "{ viewer { credentials(after: \"x\") { nodes { id } } } viewer { id } }",
    ] {
        let answer = alice.ask(query).await;
        assert_eq!(answer.codes(), ["BAD_USER_INPUT"]);
        assert_eq!(answer.body["data"], json!({ "viewer": null }), "{query}");
    }
    let deprecated =
        "query($d: Boolean) { __type(name: \"User\") { fields(includeDeprecated: $d) { name } } }";
    let answer = alice.ask_with(deprecated, json!({ "d": null })).await;
    assert!(answer.field()["fields"].as_array().unwrap().len() > 3);
}

#[tokio::test]
async fn a_request_that_takes_longer_than_fifteen_seconds_is_given_up() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    alice.create("before").await;
    // Somebody else has the database for as long as the test takes: each field waits for its time.
    let mut other = database::database(&server.data_directory())
        .connect()
        .unwrap();
    let lock = match &other {
        DatabaseConnection::Sqlite(_) => "BEGIN IMMEDIATE",
        DatabaseConnection::Postgres(_) => {
            "SET idle_in_transaction_session_timeout = 0; BEGIN; LOCK TABLE credentials IN EXCLUSIVE MODE"
        }
    };
    other.batch_execute(lock).unwrap();
    let fields: String = (0..9)
        .map(|number| {
            format!("f{number}: createCredential(input: {{name: \"{number}\", value: \"v\"}}) {{ userErrors {{ code }} }} ")
        })
        .collect();
    let answer = alice.ask(&format!("mutation {{ {fields} }}")).await;
    assert_eq!(
        (answer.status.as_u16(), answer.codes()),
        (504, vec!["UNAVAILABLE"])
    );
}
