//! `/metrics`: who is told, where, and in which format.

use credence::app::App;
use credence::types::clock::Clock;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::support::keys::new_key;
use crate::support::metrics::Scrape;
use crate::support::server::settings;
use crate::support::{MARKER, Server, http_client};

#[tokio::test]
async fn a_server_on_loopback_tells_programs_of_this_machine_and_nobody_else() {
    let server = Server::plain(&[]).await;
    let ask = |name: &'static str, value: &str| {
        server
            .client
            .get(server.url("/metrics"))
            .header(name, value)
            .send()
    };
    let port = server.address.port();
    for host in [
        format!("localhost:{port}"),
        format!("127.0.0.1:{port}"),
        format!("[::1]:{port}"),
    ] {
        assert_eq!(ask("host", &host).await.unwrap().status(), 200, "{host}");
    }
    for (name, value) in [
        ("host", "credence.example.com"),
        ("host", "127.0.0.1.example.com"),
        ("x-forwarded-for", "192.0.2.1"),
        ("forwarded", "for=192.0.2.1"),
        ("via", "1.1 proxy"),
        ("x-real-ip", "192.0.2.1"),
        ("x-client-ip", "192.0.2.1"),
        ("x-forwarded-port", "443"),
    ] {
        let answered = ask(name, value).await.unwrap();
        assert_eq!(answered.status(), 404, "{name}: {value}");
    }
    let posted = server
        .client
        .post(server.url("/metrics"))
        .send()
        .await
        .unwrap();
    assert_eq!(
        (
            posted.status().as_u16(),
            &posted.headers()["allow"].to_str().unwrap()
        ),
        (405, &"GET, HEAD")
    );
}

/// A proxy that says nothing of itself, as nginx does that was told nothing: who comes through it cannot be told from a program of this machine.
#[tokio::test]
async fn a_server_that_was_told_of_a_proxy_has_no_metrics_at_its_address() {
    for told in [
        &["--trusted-proxy", "127.0.0.1"][..],
        &["--trusted-proxy", "10.0.0.0/8"],
        &["--behind-tls-proxy"],
        &["--public-url", "https://credence.example.com"],
    ] {
        let server = Server::plain(told).await;
        let get = |path: &str| server.client.get(server.url(path)).send();
        assert_eq!(get("/metrics").await.unwrap().status(), 404, "{told:?}");
        assert_eq!(get("/healthz").await.unwrap().status(), 200, "{told:?}");
    }
    // Nothing is said of a proxy here.
    let server = Server::plain(&["--public-url", "http://localhost:8080"]).await;
    let answered = server.client.get(server.url("/metrics")).send().await;
    assert_eq!(answered.unwrap().status(), 200);
}

#[tokio::test]
async fn an_address_for_metrics_has_them_and_health_and_the_other_has_none() {
    let server = Server::start_with(&["--metrics-listen", "127.0.0.1:0"])
        .await
        .unwrap();
    let own = server
        .client
        .get(server.url("/metrics"))
        .send()
        .await
        .unwrap();
    assert_eq!(own.status(), 404);
    let address = server.metrics_address.unwrap();
    let get = |path: &str| {
        let request = server.client.get(format!("http://{address}{path}"));
        request.header("host", "prometheus.example.com").send()
    };
    for path in ["/metrics", "/healthz", "/readyz"] {
        let answered = get(path).await.unwrap();
        assert_eq!(answered.status(), 200, "{path}");
        assert_eq!(answered.headers()["cache-control"], "no-store");
    }
    for path in ["/", "/graphql", "/session", "/credentials"] {
        assert_eq!(get(path).await.unwrap().status(), 404, "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_others_reach_has_no_metrics_at_its_address() {
    let directory = TempDir::new().unwrap();
    let (key, _) = new_key(directory.path(), "master.key");
    let secret = directory.path().join("token.key");
    credence::data_directory::write_secret_file(&secret, b"a secret of more than 32 bytes, shared")
        .unwrap();
    let mut settings = settings(
        &directory.path().join("data"),
        &[
            "--behind-tls-proxy",
            "--jwt-issuer",
            "https://id.example.com",
            "--jwt-key-file",
            secret.to_str().unwrap(),
            "--master-key-file",
            key.to_str().unwrap(),
        ],
    );
    settings.listen = "0.0.0.0:0".parse().unwrap();
    let app = App::start(&settings, Clock::system()).await.unwrap();
    let url = format!("http://127.0.0.1:{}", app.address.port());
    let (stop, stopped) = watch::channel(false);
    let serving = tokio::spawn(app.serve(stopped));
    let get = |path: &str| http_client().get(format!("{url}{path}")).send();
    assert_eq!(get("/metrics").await.unwrap().status(), 404);
    assert_eq!(get("/healthz").await.unwrap().status(), 200);
    stop.send(true).unwrap();
    serving.await.unwrap();
}

#[tokio::test]
async fn both_text_formats_say_the_same() {
    let server = Server::start().await;
    let ask = |accept: &'static str| {
        let request = server.client.get(server.metrics_url());
        async move { request.header("accept", accept).send().await.unwrap() }
    };
    // As Prometheus asks.
    let open = ask("application/openmetrics-text;version=1.0.0;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1").await;
    assert_eq!(
        open.headers()["content-type"],
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    let open = open.text().await.unwrap();
    assert!(open.ends_with("\n# EOF\n"));
    assert!(open.contains("# TYPE credence_resolves counter\n"));
    let plain = ask("*/*").await;
    assert_eq!(
        plain.headers()["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let plain = plain.text().await.unwrap();
    assert!(!plain.contains("# EOF"));
    assert!(plain.contains("# HELP credence_resolves_total Resolves that were answered.\n# TYPE credence_resolves_total counter\n"));
    assert_eq!(Scrape::read(&open).names(), Scrape::read(&plain).names());
}

#[tokio::test]
async fn an_address_of_metrics_that_is_taken_ends_with_74() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().to_string();
    let failure = Server::start_with(&["--metrics-listen", &taken])
        .await
        .err()
        .unwrap();
    assert_eq!(failure.kind.exit_code(), 74);
    assert!(failure.to_string().contains(&taken), "{failure}");
}

#[tokio::test]
async fn wrong_settings_of_metrics_and_traces_end_with_78_and_say_what_to_do() {
    let refused = async |arguments: &[&str]| {
        let failure = Server::start_with(arguments).await.err().unwrap();
        (failure.kind.exit_code(), failure.to_string())
    };
    let directory = TempDir::new().unwrap();
    let mut both = settings(directory.path(), &[]);
    // It is taken, too: that both are the same is found before it is listened there.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    both.listen = taken.local_addr().unwrap();
    both.telemetry.metrics_listen = Some(both.listen);
    let failure = App::start(&both, Clock::system()).await.err().unwrap();
    assert_eq!(failure.kind.exit_code(), 78);
    assert!(failure.to_string().contains("a port of their own"));
    for url in [
        "collector:4318",
        "ftp://collector",
        "http://",
        "http://user:Marker5eCret@/?a",
    ] {
        let (code, told) = refused(&["--otlp-endpoint", url]).await;
        assert_eq!(code, 78, "{told}");
        assert!(
            told.contains("http://127.0.0.1:4318") && !told.contains(MARKER),
            "{told}"
        );
    }
}
