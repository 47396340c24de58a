//! Which consumers are declared, and what is told of those that are not.

use serde_json::{Value, json};

use crate::check::{PASTED, UNKNOWN, declared, write};
use crate::support::local::Local;
use crate::support::process::{stderr, stdout};
use crate::support::workflow;

fn declare(local: &Local, words: &[&str]) -> std::process::Output {
    let mut command = local.command(&[&["check", "--declare"], words].concat());
    let directory = std::fs::canonicalize(local.directory.path()).unwrap();
    command.current_dir(directory).output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_is_left_out_is_told_and_keeps_no_other_one_from_being_declared() {
    let local = Local::start();
    let id = local.create("live", "v").await;
    let long = "x".repeat(300);
    let wrong = format!(
        "defs:\n  {long}: {{kind: model, settings: {{api_key: {id}}}}}\n  pasted: {{kind: model, settings: {{api_key: {PASTED}}}}}\n  \
         unknown: {{kind: model, settings: {{api_key: {UNKNOWN}}}}}\n"
    );
    write(&local, "a.yaml", &wrong);
    write(&local, "b.yaml", &workflow(&id));
    let output = declare(&local, &["--json", "a.yaml", "b.yaml"]);
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(report["declaredConsumers"], 1);
    let omitted = report["omittedConsumers"].as_array().unwrap();
    let omitted: Vec<String> = omitted
        .iter()
        .map(|omitted| {
            let [file, consumer, reason] =
                ["file", "consumer", "reason"].map(|key| omitted[key].as_str().unwrap());
            let reason = reason.split(' ').take(3).collect::<Vec<&str>>().join(" ");
            format!(
                "{file}:{}:{} {consumer} {reason}",
                omitted["line"], omitted["column"]
            )
        })
        .collect();
    assert_eq!(
        omitted,
        [
            format!("a.yaml:2:339 a.yaml#{long} the prefix, the"),
            "a.yaml:3:45 a.yaml#pasted what it uses".to_owned(),
            "a.yaml:4:46 a.yaml#unknown what it uses".to_owned(),
        ]
    );
    assert_eq!(report["failure"]["exitCode"], 64);
    assert_eq!(declared(&local, &id).await.len(), 1);

    let printed = stdout(&declare(&local, &["a.yaml", "b.yaml"]));
    assert!(
        printed.contains("\na.yaml:3:45: a.yaml#pasted is not declared: what it uses is not known"),
        "{printed}"
    );
    assert!(
        printed.ends_with("\n1 consumer declared, 3 left out\n"),
        "{printed}"
    );

    write(
        &local,
        "a.yaml",
        &format!("defs: {{{long}: {{kind: model}}}}"),
    );
    let output = declare(&local, &["a.yaml", "b.yaml"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(stderr(&output).contains("more than 255 characters"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_the_server_refuses_is_told_and_keeps_no_other_one_from_being_declared() {
    let local = Local::start();
    let mut servers = String::new();
    let mut last = String::new();
    // One more than a consumer may declare. Without names, all of them are the consumer of their host.
    for number in 0..=100 {
        last = local.create(&format!("n{number}"), "v").await;
        servers += &format!("- {{url: 'https://crm.example.com', credential: {last}}}\n");
    }
    write(&local, "a.yaml", &servers);
    write(&local, "b.yaml", &workflow(&last));
    let output = declare(&local, &["--json", "a.yaml", "b.yaml"]);
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(output.status.code(), Some(78), "{}", stderr(&output));
    assert_eq!(report["declaredConsumers"], 1);
    let omitted = &report["omittedConsumers"];
    assert_eq!(omitted[0]["consumer"], "a.yaml#crm.example.com");
    assert_eq!(omitted.as_array().unwrap().len(), 1);
    assert_eq!(
        declared(&local, &last).await,
        ["AI_MODEL_BINDING b.yaml#primary_model model primary_model"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_servers_of_an_interface_are_no_mcp_servers_unless_they_say_so() {
    let local = Local::start();
    let id = local.create("live", "v").await;
    let document = |entry: &str| {
        write(
            &local,
            "api.yaml",
            &format!(
                "openapi: 3.1.0\nservers:\n  - {{url: 'https://api.example.com'}}\n  - {entry}\n"
            ),
        );
        let output = declare(&local, &["--json", "api.yaml"]);
        let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
        report["declaredConsumers"].clone()
    };
    assert_eq!(document("{url: u, description: d}"), json!(0));
    for entry in [
        format!("{{url: u, credential: {id}}}"),
        "{url: u, transport: http}".to_owned(),
        "{url: u, type: streamable-http}".to_owned(),
    ] {
        assert_eq!(document(&entry), json!(1), "{entry}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_name_is_none() {
    let local = Local::start();
    let id = local.create("live", "v").await;
    write(
        &local,
        "mcp.yaml",
        &format!("- {{name: '', url: 'https://crm.example.com', credential: {id}}}\n"),
    );
    assert_eq!(declare(&local, &["mcp.yaml"]).status.code(), Some(0));
    assert_eq!(
        declared(&local, &id).await,
        ["HTTP_MCP_SERVER mcp.yaml#crm.example.com MCP server crm.example.com"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_of_something_else_is_no_list_of_mcp_servers() {
    let local = Local::start();
    for content in [
        "name: {type: string}\nage: {type: number}\n",
        "name: x\nrepository: {type: git, url: u}\n",
        "a: {command: x}\nb: {image: y}\n",
    ] {
        write(&local, "other.yaml", content);
        let output = declare(&local, &["--json", "other.yaml"]);
        let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
        assert_eq!(
            report["unrecognizedFiles"],
            json!(["other.yaml"]),
            "{content}"
        );
        assert_eq!(report["declaredConsumers"], json!(0), "{content}");
    }
}
