//! MCP servers from end to end, with the official SDK: over HTTP with a value in a header, over stdio with one in the environment.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};

use credence::client::{Client, ClientError};
use credence::types::consumer::{Consumer, ConsumerKind};
use credence::types::credential::Credential;
use credence::types::id::Id;
use http::HeaderValue;
use http::header::AUTHORIZATION;
use rmcp::ServiceExt;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::json;

use crate::support::local::Local;
use crate::support::mcp::{HttpMcpServer, OneTool, use_first_tool};
use crate::support::runtime::client;
use crate::support::{Server, holds_marker, secret};

fn crm() -> Consumer {
    Consumer {
        kind: ConsumerKind::HttpMcpServer,
        external_id: "mcp.yaml#crm".to_owned(),
        name: None,
    }
}

/// Connects as the platform does, lists the tools and calls one.
async fn use_tool(
    server: &HttpMcpServer,
    authorization: HeaderValue,
) -> Result<(String, String), String> {
    let mut config = StreamableHttpClientTransportConfig::with_uri(server.url.clone());
    config.custom_headers = HashMap::from([(AUTHORIZATION, authorization)]);
    let transport = StreamableHttpClientTransport::from_config(config);
    let client = ().serve(transport).await.map_err(|error| error.to_string())?;
    let used = use_first_tool(&client).await;
    client.cancel().await.unwrap();
    Ok(used)
}

/// What a runtime does for each call: it asks its client for the header, and the client decides whether that is a kept one.
async fn call(
    client: &Client,
    id: Id<Credential>,
    server: &HttpMcpServer,
) -> Result<(String, String), ClientError> {
    let authorization = client.authorization(id, &crm()).await?;
    Ok(use_tool(server, authorization).await.unwrap())
}

#[tokio::test]
async fn an_http_mcp_server_gets_the_present_value_and_no_older_one() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    let id = alice.create("MCP_CRM_TOKEN").await;
    let first = secret("MCP_CRM_TOKEN");
    let second = secret("the second");
    let mcp = HttpMcpServer::start(&first).await;
    let client = client(&server).await;
    let mut changes = client.changes();
    let typed = Id::parse(&id).unwrap();
    let used = ("find_customer".to_owned(), "Ada".to_owned());

    assert_eq!(call(&client, typed, &mcp).await.unwrap(), used);
    assert_eq!(call(&client, typed, &mcp).await.unwrap(), used);
    let resolves = "{ auditEvents(filter: {actions: [CREDENTIAL_RESOLVED]}) { nodes { id } } }";
    let answer = server.admin("root").ask(resolves).await;
    assert_eq!(
        answer.field()["nodes"].as_array().unwrap().len(),
        1,
        "the second call used the kept value"
    );
    let seen = mcp.take_seen();
    assert!(
        seen.iter().all(|token| *token == format!("Bearer {first}")),
        "{seen:?}"
    );

    // Rotated at the server and in Credence: the next call has the new value, and nothing has the old one.
    mcp.accept_only(&second);
    let input = json!({ "credentialId": id, "value": second });
    alice.mutate("updateCredential", input).await;
    changes.recv().await.unwrap();
    assert_eq!(call(&client, typed, &mcp).await.unwrap(), used);
    let seen = mcp.take_seen();
    assert!(!seen.is_empty());
    assert!(
        seen.iter()
            .all(|token| *token == format!("Bearer {second}")),
        "{seen:?}"
    );
    let stale = HeaderValue::from_str(&format!("Bearer {first}")).unwrap();
    assert!(
        use_tool(&mcp, stale).await.is_err(),
        "the server refuses other bearers"
    );
    mcp.take_seen();

    // Deleted: the error names the credential, and nothing is sent.
    alice
        .mutate("deleteCredential", json!({ "credentialId": id }))
        .await;
    changes.recv().await.unwrap();
    let error = call(&client, typed, &mcp).await.unwrap_err();
    let message = error.to_string();
    assert!(matches!(error, ClientError::Deleted { .. }), "{message}");
    assert!(
        message.contains("MCP_CRM_TOKEN was deleted at 20"),
        "{message}"
    );
    assert!(!holds_marker(message.as_bytes()), "{message}");
    assert_eq!(mcp.take_seen(), Vec::<String>::new());
}

/// Names the test below when this program is started as a server, and where that server finds its secret.
const SECRET_VARIABLE: &str = "STDIO_SERVER_SECRET";

/// Not a test of its own: the server that the test below starts. It is this program, of which the test runner writes to standard
/// output as well; so the server answers on descriptor 3.
#[tokio::test]
async fn serve_over_stdio() {
    let Ok(value) = std::env::var(SECRET_VARIABLE) else {
        return;
    };
    let mut options = tokio::fs::OpenOptions::new();
    let output = options.write(true).open("/dev/fd/3").await.unwrap();
    let tool = OneTool {
        name: "show_secret",
        answer: value,
    };
    let serving = tool.serve((tokio::io::stdin(), output));
    serving.await.unwrap().waiting().await.unwrap();
}

#[tokio::test]
async fn a_stdio_mcp_server_finds_its_secret_in_the_environment_and_nobody_finds_it_elsewhere() {
    let local = Local::start();
    let value = secret("crm");
    local.create("MCP_CRM_TOKEN", &value).await;
    let this = std::env::current_exe().unwrap();
    let variable = format!("{SECRET_VARIABLE}=MCP_CRM_TOKEN");
    let script = "exec \"$@\" 3>&1 >/dev/null";
    let words = [
        "run",
        "--env",
        &variable,
        "--",
        "sh",
        "-c",
        script,
        "sh",
        this.to_str().unwrap(),
        "--exact",
        "mcp::serve_over_stdio",
        "--nocapture",
    ];
    let mut command = tokio::process::Command::from(local.command(&words));
    // Wherever a program may leave something is within the directory of the test.
    let directory = local.directory.path();
    for variable in [
        "HOME",
        "TMPDIR",
        "XDG_CACHE_HOME",
        "XDG_STATE_HOME",
        "XDG_RUNTIME_DIR",
    ] {
        command.env(variable, directory);
    }
    command
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let id = child.id().unwrap();
    let streams = (child.stdout.take().unwrap(), child.stdin.take().unwrap());
    let client = ().serve(streams).await.unwrap();
    let used = use_first_tool(&client).await;
    assert_eq!(used, ("show_secret".to_owned(), value.clone()));

    // While it serves: it is the process that was started, its environment has the value, and no command line has.
    let environment = std::fs::read(format!("/proc/{id}/environ")).unwrap();
    let environment: Vec<&[u8]> = environment.split(|byte| *byte == 0).collect();
    let expected = format!("{SECRET_VARIABLE}={value}");
    assert!(environment.contains(&expected.as_bytes()));
    assert!(
        !environment
            .iter()
            .any(|variable| variable.starts_with(b"CREDENCE_"))
    );
    let processes = Command::new("ps")
        .args(["-A", "-ww", "-o", "pid,args"])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&processes.stdout).contains("mcp::serve_over_stdio"));
    assert!(!holds_marker(&processes.stdout));
    for entry in std::fs::read_dir("/proc").unwrap() {
        // Processes come and go.
        let line = std::fs::read(entry.unwrap().path().join("cmdline"));
        assert!(!holds_marker(&line.unwrap_or_default()));
    }
    assert!(!holds_marker_on_disk(directory));

    client.cancel().await.unwrap();
    assert!(child.wait().await.unwrap().success());
}

/// Whether the marker stands in a file below a folder.
fn holds_marker_on_disk(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            holds_marker_on_disk(&path)
        } else {
            holds_marker(&std::fs::read(path).unwrap())
        }
    })
}
