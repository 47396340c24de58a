//! The pages: what is served where, and with which headers. What they do is tested in a browser (`web/test`).

use std::io::Write;

use reqwest::header::HeaderMap;
use reqwest::{Method, Response};

use crate::support::{Server, holds_marker};

const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types lit-html";
const EXPLORER_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Whether the pages were built into this server. Without npm they are not, and there is nothing to test; in CI that is a failure.
async fn has_pages(server: &Server) -> bool {
    if ask(server, Method::GET, "/credentials", &[]).await.status() != 503 {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "the pages are missing");
    // Not by `eprintln`, which the test runner keeps to itself.
    std::io::stderr()
        .write_all(b"\n==== A test of the pages is SKIPPED: they were not built into the server.\n")
        .unwrap();
    false
}

async fn ask(server: &Server, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = server.client.request(method, server.url(path));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

async fn get(server: &Server, path: &str) -> (HeaderMap, String) {
    let response = ask(server, Method::GET, path, &[]).await;
    assert_eq!(response.status(), 200, "{path}");
    let headers = response.headers().clone();
    (headers, response.text().await.unwrap())
}

/// The addresses in a page that its attributes `src` and `href` have.
fn references(html: &str) -> Vec<String> {
    let attributes = html.split([' ', '\n', '<', '>']);
    let values = attributes.filter_map(|word| {
        let value = word
            .strip_prefix("src=\"")
            .or_else(|| word.strip_prefix("href=\""))?;
        value.strip_suffix('"')
    });
    values.map(str::to_owned).collect()
}

#[tokio::test]
async fn the_root_leads_to_the_page() {
    let server = Server::start().await;
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let response = client.get(server.url("/")).send().await.unwrap();
    assert_eq!(response.status(), 303);
    assert_eq!(response.headers()["location"], "/credentials");
}

#[tokio::test]
async fn every_page_keeps_the_browser_to_this_server() {
    let server = Server::start().await;
    if !has_pages(&server).await {
        return;
    }
    for (path, policy) in [
        ("/credentials", PAGE_POLICY),
        ("/login", PAGE_POLICY),
        ("/ui/picker-example", PAGE_POLICY),
        ("/graphiql", EXPLORER_POLICY),
    ] {
        let (headers, html) = get(&server, path).await;
        for (name, value) in [
            ("content-security-policy", policy),
            ("content-type", "text/html; charset=utf-8"),
            ("cache-control", "no-cache"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("vary", "Accept-Encoding"),
        ] {
            assert_eq!(headers[name], value, "{path} {name}");
        }
        assert!(!headers.contains_key("set-cookie"));
        assert!(!holds_marker(html.as_bytes()));
        for inline in ["<style", "<script>", " style=", " onclick=", "javascript:"] {
            assert!(!html.contains(inline), "{path} has {inline}");
        }
        let assets: Vec<String> = references(&html)
            .into_iter()
            .filter(|reference| reference.starts_with("/ui/"))
            .collect();
        assert!(!assets.is_empty(), "{html}");
        for reference in references(&html) {
            assert!(
                reference.starts_with('/') && !reference.starts_with("//"),
                "{path} has {reference}"
            );
        }
        for asset in assets
            .iter()
            .filter(|asset| asset.starts_with("/ui/assets/"))
        {
            let (headers, _content) = get(&server, asset).await;
            let caching = "public, max-age=31536000, immutable";
            assert_eq!(headers["cache-control"], caching, "{asset}");
            let content_type = match asset.rsplit('.').next() {
                Some("css") => "text/css; charset=utf-8",
                Some("svg") => "image/svg+xml",
                _ => "text/javascript; charset=utf-8",
            };
            assert_eq!(headers["content-type"], content_type, "{asset}");
        }
    }
}

#[tokio::test]
async fn a_page_that_the_browser_has_is_not_sent_again() {
    let server = Server::start().await;
    if !has_pages(&server).await {
        return;
    }
    let tag = |response: &Response| response.headers()["etag"].to_str().unwrap().to_owned();
    let plain = ask(&server, Method::GET, "/credentials", &[]).await;
    let brotli = ask(
        &server,
        Method::GET,
        "/credentials",
        &[("accept-encoding", "br")],
    )
    .await;
    let (plain_tag, brotli_tag) = (tag(&plain), tag(&brotli));
    // They are two representations, and a cache on the way must not take one for the other.
    assert_ne!(plain_tag, brotli_tag);
    for (known, encoding, status) in [
        (plain_tag.clone(), "identity", 304),
        (format!("W/{plain_tag}"), "identity", 304),
        (format!("\"another\", {brotli_tag}"), "br", 304),
        ("*".to_owned(), "br", 304),
        (plain_tag.clone(), "br", 200),
        ("\"another\"".to_owned(), "br", 200),
    ] {
        let headers = [
            ("if-none-match", known.as_str()),
            ("accept-encoding", encoding),
        ];
        let response = ask(&server, Method::GET, "/credentials", &headers).await;
        assert_eq!(response.status(), status, "{known} {encoding}");
        assert_eq!(response.headers()["cache-control"], "no-cache");
        assert!(response.headers().contains_key("etag"));
        let is_empty = response.bytes().await.unwrap().is_empty();
        assert_eq!(is_empty, status == 304);
    }
}

#[tokio::test]
async fn what_is_sent_is_compressed_as_the_browser_accepts_it() {
    let server = Server::start().await;
    if !has_pages(&server).await {
        return;
    }
    let whole = get(&server, "/third-party-licenses").await.1.len();
    for (accepted, encoding) in [
        ("gzip, deflate, br, zstd", Some("br")),
        ("br;q=0.1, gzip", Some("br")),
        ("gzip", Some("gzip")),
        ("GZIP;q=1.0", Some("gzip")),
        ("br;q=0, gzip", Some("gzip")),
        ("br; q=0.000, gzip; q=0", None),
        ("identity", None),
        ("", None),
        ("brotli, x-gzip", None),
    ] {
        let headers = [("accept-encoding", accepted)];
        let response = ask(&server, Method::GET, "/third-party-licenses", &headers).await;
        assert_eq!(
            response.headers()["content-type"],
            "text/plain; charset=utf-8"
        );
        assert_eq!(response.headers()["vary"], "Accept-Encoding");
        let given = response.headers().get("content-encoding");
        let given = given.map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(given.as_deref(), encoding, "{accepted}");
        let length = response.bytes().await.unwrap().len();
        assert_eq!(length == whole, encoding.is_none());
        assert!(
            encoding.is_none() || length * 4 < whole,
            "{accepted}: {length} of {whole}"
        );
    }
}

#[tokio::test]
async fn head_tells_of_a_page_what_get_does_and_other_methods_are_refused() {
    let server = Server::start().await;
    if !has_pages(&server).await {
        return;
    }
    for path in [
        "/credentials",
        "/ui/credential-picker.js",
        "/third-party-licenses",
    ] {
        let by_get = ask(&server, Method::GET, path, &[]).await;
        let by_head = ask(&server, Method::HEAD, path, &[]).await;
        assert_eq!(by_head.status(), 200);
        for name in ["content-length", "content-type", "etag", "cache-control"] {
            assert_eq!(
                by_get.headers()[name],
                by_head.headers()[name],
                "{path} {name}"
            );
        }
        assert!(by_head.bytes().await.unwrap().is_empty());
        let refused = ask(&server, Method::POST, path, &[]).await;
        assert_eq!(refused.status(), 405);
        assert_eq!(refused.headers()["allow"], "GET, HEAD");
    }
}

#[tokio::test]
async fn the_picker_is_for_the_pages_of_allowed_origins() {
    let allowed = "https://host.example";
    let server = Server::start_with(&["--cors-origin", allowed])
        .await
        .unwrap();
    if !has_pages(&server).await {
        return;
    }
    for (origin, admitted) in [(allowed, Some(allowed)), ("https://other.example", None)] {
        let headers = [("origin", origin)];
        let response = ask(&server, Method::GET, "/ui/credential-picker.js", &headers).await;
        let headers = response.headers();
        let given = headers.get("access-control-allow-origin");
        assert_eq!(given.map(|value| value.to_str().unwrap()), admitted);
        assert!(!headers.contains_key("access-control-allow-credentials"));
        assert_eq!(headers["cross-origin-resource-policy"], "cross-origin");
        assert_eq!(headers["cache-control"], "public, max-age=300");
        assert_eq!(headers["content-type"], "text/javascript; charset=utf-8");
        assert!(headers.contains_key("etag"));
        let varies: Vec<&str> = headers
            .get_all("vary")
            .iter()
            .map(|value| value.to_str().unwrap())
            .collect();
        assert_eq!(varies, ["Accept-Encoding", "Origin"]);
    }
}

#[tokio::test]
async fn what_is_no_page_is_not_found() {
    let server = Server::start().await;
    if !has_pages(&server).await {
        return;
    }
    let (_headers, html) = get(&server, "/credentials").await;
    let asset = references(&html)
        .into_iter()
        .find(|path| path.starts_with("/ui/assets/"))
        .unwrap();
    for path in [
        "/credentials.html",
        "/credentials/",
        "/ui/assets/",
        "/ui/assets/none.js",
        "/ui/assets/..%2f..%2fcredentials.html",
        "/ui/picker-example.html",
        "/ui/credential-picker.js.br",
        &format!("{asset}.br"),
        &format!("{asset}.gz"),
        "/favicon.svg",
        "/web/src",
    ] {
        let response = ask(&server, Method::GET, path, &[]).await;
        assert_eq!(response.status(), 404, "{path}");
        assert_eq!(response.headers()["cache-control"], "no-store");
    }
}
