//! `credence check`: what it finds in files, where, and how it tells.

use std::process::Output;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::local::Local;
use crate::support::process::{credence, run, stderr, stdout};
use crate::support::{MARKER, holds_marker, workflow};

pub const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";

/// A text where an ID belongs, which nothing may repeat.
pub const PASTED: &str = "sk-Marker5eCret-0123456789abcdef";

pub fn write(local: &Local, name: &str, content: &str) -> String {
    let path = local.directory.path().join(name);
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

pub fn check(local: &Local, arguments: &[&str]) -> Output {
    let output = local
        .command(&[&["check"], arguments].concat())
        .output()
        .unwrap();
    for bytes in [&output.stdout, &output.stderr] {
        assert!(!holds_marker(bytes), "{}", String::from_utf8_lossy(bytes));
    }
    output
}

/// The findings of a file as `line:column kind path`, and the exit code.
pub fn findings(local: &Local, name: &str, content: &str) -> (Option<i32>, Vec<String>) {
    let path = write(local, name, content);
    let output = check(local, &["--json", &path]);
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let findings = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| {
            assert_eq!(finding["file"], json!(path));
            assert!(!finding["message"].as_str().unwrap().is_empty());
            format!(
                "{}:{} {} {}",
                finding["line"],
                finding["column"],
                finding["kind"].as_str().unwrap(),
                finding["path"].as_str().unwrap_or("-")
            )
        });
    (output.status.code(), findings.collect())
}

#[tokio::test]
async fn a_workflow_whose_credential_is_there_is_clean() {
    let local = Local::start();
    let id = local.create("OPENAI_PROD_API_KEY", "sk-1").await;
    let path = write(&local, "support.yaml", &workflow(&id));
    let output = check(&local, &[&path]);
    assert_eq!(stdout(&output), "1 file, 1 reference, 0 findings\n");
    assert_eq!(
        (output.status.code(), stderr(&output)),
        (Some(0), String::new())
    );
}

#[tokio::test]
async fn what_is_wrong_is_told_with_its_place_and_without_what_stands_there() {
    let local = Local::start();
    let gone = local.create("SUPPORT_KEY", "sk-1").await;
    local.delete(&gone).await;
    let deleted = write(&local, "deleted.yaml", &workflow(&gone));
    let unknown = write(&local, "unknown.yaml", &workflow(UNKNOWN));
    let pasted = write(&local, "pasted.yaml", &workflow(PASTED));
    let malformed = write(
        &local,
        "malformed.yaml",
        &workflow(&UNKNOWN.replace("4000", "4oo0")),
    );
    let output = check(&local, &[&deleted, &unknown, &pasted, &malformed]);
    let printed = stdout(&output);
    let lines: Vec<&str> = printed.lines().collect();
    let place = "7:16: defs.primary_model.settings.api_key:";
    assert!(
        lines[0].starts_with(&format!(
            "{deleted}:{place} the credential SUPPORT_KEY was deleted at 20"
        )),
        "{printed}"
    );
    assert!(
        lines[1].starts_with(&format!("{unknown}:{place} no credential has this ID")),
        "{printed}"
    );
    // A secret may have the form of an ID.
    assert!(!printed.contains(UNKNOWN), "{printed}");
    assert!(
        lines[2].starts_with(&format!(
            "{pasted}:{place} this is no credential ID. If it is a secret"
        )),
        "{printed}"
    );
    assert!(
        lines[3].starts_with(&format!(
            "{malformed}:{place} this is no credential ID: write the UUID"
        )),
        "{printed}"
    );
    assert_eq!(lines[4], "4 files, 2 references, 4 findings");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("4 findings"),
        "{}",
        stderr(&output)
    );
}

#[tokio::test]
async fn programs_get_one_object() {
    let local = Local::start();
    let gone = local.create("SUPPORT_KEY", "sk-1").await;
    local.delete(&gone).await;
    let path = write(&local, "w.yaml", &workflow(&gone));
    let output = check(&local, &["--json", &path]);
    let mut report: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let finding = &mut report["findings"][0];
    let deleted_at = finding["deletedAt"].take();
    let message = finding["message"].take();
    let (deleted_at, message) = (deleted_at.as_str().unwrap(), message.as_str().unwrap());
    assert!(
        message.contains(&format!("SUPPORT_KEY was deleted at {deleted_at}")),
        "{message}"
    );
    assert_eq!(
        report,
        json!({
            "files": 1,
            "references": 1,
            "uncheckedReferences": 0,
            "unreadFiles": [],
            "unrecognizedFiles": [],
            "findings": [{
                "file": path,
                "line": 7,
                "column": 16,
                "kind": "DELETED",
                "path": "defs.primary_model.settings.api_key",
                "credentialId": gone,
                "credentialName": "SUPPORT_KEY",
                "deletedAt": null,
                "message": null,
            }],
        })
    );
    assert_eq!(output.status.code(), Some(1));
}

#[tokio::test]
async fn every_way_to_write_yaml_leads_to_its_place() {
    let local = Local::start();
    let live = local.create("n", "v").await;
    let cases = [
        ("several documents", format!("{}---\n{}", workflow(&live), workflow(UNKNOWN)), vec!["23:16 UNKNOWN defs.primary_model.settings.api_key"]),
        ("flow", format!("{{defs: {{m: {{kind: model, settings: {{api_key: \"{UNKNOWN}\"}}}}}}}}"), vec!["1:46 UNKNOWN defs.m.settings.api_key"]),
        ("JSON", format!("{{\n\t\"defs\": {{\"m\": {{\"kind\": \"model\",\n\t\t\"settings\": {{\"api_key\": \"{UNKNOWN}\"}}}}}}\n}}"), vec!["3:27 UNKNOWN defs.m.settings.api_key"]),
        ("wide characters count once", format!("defs: {{ä𝕏: {{kind: model, settings: {{api_key: {UNKNOWN}}}}}}}"), vec!["1:46 UNKNOWN defs.ä𝕏.settings.api_key"]),
        ("a byte order mark", format!("\u{feff}{}", workflow(UNKNOWN)), vec!["7:16 UNKNOWN defs.primary_model.settings.api_key"]),
        ("line ends of Windows", workflow(UNKNOWN).replace('\n', "\r\n"), vec!["7:16 UNKNOWN defs.primary_model.settings.api_key"]),
        (
            "an alias of a text",
            format!("key: &key {UNKNOWN}\ndefs:\n  a: {{kind: model, settings: {{api_key: *key}}}}\n  b: {{kind: model, settings: {{api_key: *key}}}}\n"),
            vec!["1:6 UNKNOWN defs.a.settings.api_key", "1:6 UNKNOWN defs.b.settings.api_key"],
        ),
        (
            "a merge key",
            format!("base: &base\n  provider: openai\n  api_key: {PASTED}\ndefs:\n  a:\n    kind: model\n    settings:\n      <<: [*base]\n      model_id: m\n"),
            vec!["3:12 RAW_SECRET defs.a.settings.api_key"],
        ),
        ("a block of text", format!("defs:\n  a:\n    kind: model\n    settings:\n      api_key: |\n        {PASTED}\n"), vec!["6:9 RAW_SECRET defs.a.settings.api_key"]),
        ("a number", "defs: {a: {kind: model, settings: {api_key: 12345}}}".to_owned(), vec!["1:45 RAW_SECRET defs.a.settings.api_key"]),
        ("an expression", "defs: {a: {kind: model, settings: {api_key: =$vars.key}}}".to_owned(), vec!["1:45 MALFORMED defs.a.settings.api_key"]),
        ("a list", "defs: {a: {kind: model, settings: {api_key: [x]}}}".to_owned(), vec!["1:45 MALFORMED defs.a.settings.api_key"]),
        ("an ID in a URN", format!("defs: {{a: {{kind: model, settings: {{api_key: \"urn:uuid:{live}\"}}}}}}"), vec!["1:45 MALFORMED defs.a.settings.api_key"]),
        ("an ID in capitals", workflow(&live.to_uppercase()), vec![]),
        ("no credential", "defs: {a: {kind: model, settings: {api_key: }}, b: {kind: model}, c: {kind: model, settings: {api_key: ''}}}".to_owned(), vec![]),
        ("other defs", format!("defs: {{a: {{kind: task, settings: {{api_key: {PASTED}}}}}}}"), vec![]),
        ("nothing", String::new(), vec![]),
        ("comments", "# nothing\n---\n".to_owned(), vec![]),
        ("a secret in a name that cannot be seen", format!("defs: {{\"a\\e[31m\": {{kind: model, settings: {{api_key: {UNKNOWN}}}}}}}"), vec!["1:53 UNKNOWN defs.a?[31m.settings.api_key"]),
    ];
    for (what, content, expected) in cases {
        let (code, found) = findings(&local, "w.yaml", &content);
        assert_eq!(found, expected, "{what}");
        assert_eq!(code, Some(i32::from(!expected.is_empty())), "{what}");
    }
}

#[tokio::test]
async fn mcp_servers_are_found_in_every_usual_shape() {
    let local = Local::start();
    let http = |credential: &str| {
        format!("{{transport: http, url: https://mcp.example.com, credential: {credential}}}")
    };
    let unknown = http(UNKNOWN);
    let cases = [
        ("a list", format!("- {unknown}"), "[0].credential"),
        (
            "mcp_servers",
            format!("mcp_servers: {{crm: {unknown}}}"),
            "mcp_servers.crm.credential",
        ),
        (
            "mcpServers",
            format!("mcpServers: {{crm: {unknown}}}"),
            "mcpServers.crm.credential",
        ),
        (
            "servers",
            format!("servers: [{unknown}]"),
            "servers[0].credential",
        ),
        (
            "an editor's settings",
            format!("mcp: {{servers: {{crm: {unknown}}}}}"),
            "mcp.servers.crm.credential",
        ),
        ("one alone", unknown.clone(), "credential"),
        (
            "another spelling",
            format!("- {{type: streamable-http, url: u, credentialId: {UNKNOWN}}}"),
            "[0].credentialId",
        ),
        (
            "a mapping by name",
            format!("crm: {unknown}\nlocal: {{command: x}}"),
            "crm.credential",
        ),
        (
            "a mapping by name in JSON",
            format!("{{\"crm\": {{\"url\": \"u\", \"credential\": \"{UNKNOWN}\"}}}}"),
            "crm.credential",
        ),
    ];
    for (what, content, path) in cases {
        let (code, found) = findings(&local, "mcp.yaml", &content);
        let ends: Vec<&str> = found
            .iter()
            .map(|found| found.split_once(' ').unwrap().1)
            .collect();
        assert_eq!(ends, [format!("UNKNOWN {path}")], "{what}");
        assert_eq!(code, Some(1));
    }
    let (_, found) = findings(
        &local,
        "mcp.yaml",
        &format!("- {}\n- {}\n", http(PASTED), http("~")),
    );
    assert_eq!(found, ["1:63 RAW_SECRET [0].credential"]);
}

#[tokio::test]
async fn a_server_over_stdio_takes_no_credential() {
    let local = Local::start();
    let live = local.create("n", "v").await;
    let content = format!(
        "{{\"mcpServers\": {{\n  \"said\": {{\"transport\": \"stdio\", \"command\": \"x\", \"credential\": \"{live}\"}},\n  \
         \"meant\": {{\"command\": \"x\", \"credential\": \"{PASTED}\"}},\n  \"none\": {{\"command\": \"x\", \"credential\": null}},\n  \
         \"usual\": {{\"command\": \"x\", \"env\": {{}}}}\n}}}}"
    );
    let (code, found) = findings(&local, "mcp.json", &content);
    assert_eq!(
        found,
        [
            "2:64 STDIO_CREDENTIAL mcpServers.said.credential",
            "3:43 RAW_SECRET mcpServers.meant.credential"
        ]
    );
    assert_eq!(code, Some(1));
}

#[tokio::test]
async fn what_is_no_yaml_is_told_with_its_place_and_without_its_text() {
    let local = Local::start();
    let deep = |depth: usize| ["[".repeat(depth), "]".repeat(depth)].concat().into_bytes();
    let cases = [
        (format!("a: {MARKER}\n b: [\n").into_bytes(), "2"),
        (format!("a: *{MARKER}").into_bytes(), "1"),
        (
            [b"a: b\nc: ", &[0xff, 0xfe][..], MARKER.as_bytes()].concat(),
            "2:4",
        ),
        (
            format!("{MARKER}, a text and nothing else").into_bytes(),
            "1:1",
        ),
        (deep(101), "1:101: "),
        (deep(100_000), "1:256: "),
        (b"\x00\x01\x02".to_vec(), "1"),
    ];
    for (content, place) in cases {
        let path = local.directory.path().join("w.yaml");
        std::fs::write(&path, &content).unwrap();
        let path = path.to_str().unwrap();
        let output = check(&local, &[path]);
        let printed = stdout(&output);
        assert_eq!(
            output.status.code(),
            Some(1),
            "{printed}{}",
            stderr(&output)
        );
        assert!(printed.starts_with(&format!("{path}:{place}")), "{printed}");
        assert!(
            printed.ends_with("1 file, 0 references, 1 finding\n"),
            "{printed}"
        );
    }
}

#[tokio::test]
async fn more_than_a_hundred_ids_are_asked_for_in_parts() {
    let local = Local::start();
    let live = local.create("n", "v").await;
    let mut content = "defs:\n".to_owned();
    for number in 0..250 {
        let id = if number == 249 {
            live.clone()
        } else {
            format!("00000000-0000-4000-8000-{number:012}")
        };
        content += &format!("  m{number}: {{kind: model, settings: {{api_key: {id}}}}}\n");
    }
    let path = write(&local, "w.yaml", &content);
    let output = check(&local, &[&path]);
    assert!(stdout(&output).ends_with("1 file, 250 references, 249 findings\n"));
}

/// Each consumer that declares a credential, as `kind external-ID name`.
pub async fn declared(local: &Local, id: &str) -> Vec<String> {
    let query = "query($id: ID!) { credential(id: $id) { references { nodes { ...reference } } } danglingReferences { nodes { ...reference } } }
        fragment reference on CredentialReference { credentialId declaredAt consumer { kind externalId name } }";
    let found = local.ask_all(query, json!({ "id": id })).await;
    let lists = [
        &found["credential"]["references"]["nodes"],
        &found["danglingReferences"]["nodes"],
    ];
    let nodes = lists.into_iter().filter_map(Value::as_array).flatten();
    nodes
        .filter(|node| node["credentialId"] == id && node["declaredAt"].is_string())
        .map(|node| {
            let consumer = &node["consumer"];
            let word = |field: &str| consumer[field].as_str().unwrap().to_owned();
            format!("{} {} {}", word("kind"), word("externalId"), word("name"))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_consumer_declares_all_that_it_uses_or_nothing_when_that_is_not_known() {
    let local = Local::start();
    let (one, two) = (
        local.create("one", "v").await,
        local.create("two", "v").await,
    );
    let gone = local.create("gone", "v").await;
    local.delete(&gone).await;
    let workflow = format!(
        "defs:
  uses: {{kind: model, settings: {{api_key: {one}}}}}
  uses_none: {{kind: model, settings: {{provider: local}}}}
  was_deleted: {{kind: model, settings: {{api_key: {gone}}}}}
  unknown: {{kind: model, settings: {{api_key: {UNKNOWN}}}}}
  pasted: {{kind: model, settings: {{api_key: {PASTED}}}}}
---
defs:
  uses: {{kind: model, settings: {{api_key: {two}}}}}
",
    );
    let servers = format!(
        "- {{name: crm, transport: http, url: u, credential: {one}}}\n- {{name: local, transport: stdio, credential: {one}}}\n",
    );
    write(&local, "w.yaml", &workflow);
    write(&local, "mcp.yaml", &servers);
    let declare = |prefix: &str, files: &[&str]| {
        let words = ["check", "--declare", "--json", "--consumer-prefix", prefix];
        let mut command = local.command(&[&words, files].concat());
        command
            .current_dir(local.directory.path())
            .output()
            .unwrap()
    };
    let output = declare("prod/", &["w.yaml", "mcp.yaml"]);
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(report["declaredConsumers"], json!(5));
    assert_eq!(report["findings"].as_array().unwrap().len(), 4);
    assert_eq!(output.status.code(), Some(1));
    let of_both = "AI_MODEL_BINDING prod/w.yaml#uses model uses";
    assert_eq!(
        declared(&local, &one).await,
        [of_both, "HTTP_MCP_SERVER prod/mcp.yaml#crm MCP server crm"]
    );
    assert_eq!(declared(&local, &two).await, [of_both]);
    assert_eq!(
        declared(&local, &gone).await,
        ["AI_MODEL_BINDING prod/w.yaml#was_deleted model was_deleted"]
    );
    // What is declared is not deleted unawares.
    let delete = "mutation($id: ID!) { deleteCredential(input: {credentialId: $id}) { userErrors { code } } }";
    let refused = local.ask(delete, json!({ "id": one })).await;
    assert_eq!(refused["userErrors"][0]["code"], "IN_USE");

    // What a file does not use any more is withdrawn.
    write(&local, "w.yaml", &workflow.replace(&two, &one));
    declare("prod/", &["w.yaml"]);
    assert_eq!(declared(&local, &two).await, [""; 0]);

    write(
        &local,
        "mcp.yaml",
        "- {name: crm, url: u}\n- {name: local, transport: stdio}\n",
    );
    declare("prod/", &["mcp.yaml"]);
    assert_eq!(declared(&local, &one).await, [of_both]);

    // Without a name, it is the host of the server, and not what may be a secret in its URL.
    let entry = format!(
        "{{url: 'https://crm.example.com:8443/s/hidden/mcp?key=hidden', credential: {two}}}"
    );
    let nameless =
        "HTTP_MCP_SERVER prod/mcp.yaml#crm.example.com:8443 MCP server crm.example.com:8443";
    for servers in [
        format!("- {{url: 'https://erp.example.com/'}}\n- {entry}\n"),
        format!("- {entry}\n"),
    ] {
        write(&local, "mcp.yaml", &servers);
        declare("prod/", &["mcp.yaml"]);
        assert_eq!(declared(&local, &two).await, [nameless]);
    }

    let output = declare(&"x".repeat(250), &["w.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("w.yaml:2:"), "{}", stderr(&output));
    assert_eq!(declared(&local, &one).await.len(), 1, "nothing more");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_readers_take_in_different_ways_is_told_and_neither_declares_nor_withdraws() {
    let local = Local::start();
    let live = local.create("live", "v").await;
    let declare = |content: &str| {
        let path = write(&local, "mcp.json", content);
        check(
            &local,
            &["--json", "--declare", "--consumer-prefix", "p/", &path],
        )
    };
    let entry = |inside: &str| {
        format!("{{\"servers\": {{\"crm\": {{\"type\": \"http\", \"url\": \"u\",\n{inside}}}}}}}")
    };
    let good = entry(&format!("\"credential\": \"{live}\""));
    assert_eq!(declare(&good).status.code(), Some(0));
    assert_eq!(declared(&local, &live).await.len(), 1);
    let cases = [
        (
            entry(&format!(
                "// the \"credential\"\n\"credential\": \"{PASTED}\""
            )),
            "2",
        ),
        (entry(&format!("/* the */ \"credential\": \"{live}\"")), "2"),
        (format!("{{ /* all */ {}", &good[1..]), "1"),
        (
            entry(&format!(
                "\"credential\": \"{live}\",\n\"credential\": \"{PASTED}\""
            )),
            "3",
        ),
        (
            format!("{good}\n").replace("\"servers\"", "\"a\": 1, \"a\": 2, \"servers\""),
            "1",
        ),
    ];
    for (content, line) in cases {
        let output = declare(&content);
        let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
        assert_eq!(report["findings"][0]["kind"], "NOT_YAML", "{content}");
        assert_eq!(report["findings"][0]["line"].to_string(), line, "{content}");
        assert_eq!(output.status.code(), Some(1), "{content}");
        assert_eq!(declared(&local, &live).await.len(), 1, "{content}");
    }
    let several = entry(&format!(
        "\"credential\": null, \"credential_id\": \"{PASTED}\""
    ));
    let (_, found) = findings(&local, "several.json", &several);
    assert_eq!(found, ["2:38 RAW_SECRET servers.crm.credential_id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_has_one_name_however_its_file_is_given_and_is_withdrawn_by_it() {
    let local = Local::start();
    let id = local.create("live", "v").await;
    let whole = write(&local, "w.yaml", &workflow(&id));
    let check = |words: &[&str]| {
        let mut command = local.command(&[&["check"], words].concat());
        let output = command
            .current_dir(std::fs::canonicalize(local.directory.path()).unwrap())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stdout(&output)
    };
    let whole = std::fs::canonicalize(whole).unwrap();
    std::os::unix::fs::symlink(".", local.directory.path().join("link")).unwrap();
    for given in ["w.yaml", "./w.yaml", "link/w.yaml", whole.to_str().unwrap()] {
        check(&["--declare", given]);
    }
    assert_eq!(
        declared(&local, &id).await,
        ["AI_MODEL_BINDING w.yaml#primary_model model primary_model"]
    );
    assert_eq!(
        check(&["--withdraw", "w.yaml#other"]),
        "w.yaml#other declares nothing now\n0 files, 0 references, 0 findings\n"
    );
    assert_eq!(declared(&local, &id).await.len(), 1);
    let report = check(&["--json", "--withdraw", "w.yaml#primary_model"]);
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(
        report["withdrawnConsumers"],
        json!(["w.yaml#primary_model"])
    );
    assert_eq!(declared(&local, &id).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_in_a_header_is_told_and_what_is_computed_is_not() {
    let local = Local::start();
    let id = local.create("live", "v").await;
    let servers = format!(
        "- name: crm
  url: u
  credential: {id}
  headers:
    authorization: Bearer {PASTED}
    X-Api-Key: {PASTED}
    Accept: text/plain
- url: u
  headers:
    Authorization: Bearer ${{TOKEN}}
    Cookie: \"{{{{ secrets.cookie }}}}\"
    api-key: \"\"
    Proxy-Authorization: $PROXY
    X-Access-Token: {PASTED}
    X-Client-Secret: {PASTED}
    X-Auth: {PASTED}
    X-Password: {PASTED}
"
    );
    assert_eq!(
        findings(&local, "mcp.yaml", &servers),
        (
            Some(1),
            vec![
                "5:20 RAW_SECRET [0].headers.authorization".to_owned(),
                "6:16 RAW_SECRET [0].headers.X-Api-Key".to_owned(),
                "14:21 RAW_SECRET [1].headers.X-Access-Token".to_owned(),
                "15:22 RAW_SECRET [1].headers.X-Client-Secret".to_owned(),
                "16:13 RAW_SECRET [1].headers.X-Auth".to_owned(),
                "17:17 RAW_SECRET [1].headers.X-Password".to_owned(),
            ]
        )
    );
    // What the server uses is known all the same.
    let path = write(&local, "mcp.yaml", &servers);
    check(&local, &["--declare", "--consumer-prefix", "p:", &path]);
    assert_eq!(declared(&local, &id).await.len(), 1);
}

#[tokio::test]
async fn what_cannot_be_read_or_is_not_known_hides_nothing_else() {
    let local = Local::start();
    let pasted = write(&local, "pasted.yaml", &workflow(PASTED));
    let other = write(&local, "compose.yaml", "services: {web: {image: nginx}}\n");
    let empty = write(&local, "empty.yaml", "");
    let output = check(
        &local,
        &["--json", "/no/such/file.yaml", &pasted, &other, &empty],
    );
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(report["findings"][0]["kind"], "RAW_SECRET");
    assert_eq!(report["unrecognizedFiles"], json!([other, empty]));
    assert_eq!(report["unreadFiles"][0]["file"], "/no/such/file.yaml");
    assert_eq!(
        report["unreadFiles"][0]["message"],
        "/no/such/file.yaml cannot be read: entity not found"
    );
    assert!(stderr(&output).contains("/no/such/file.yaml cannot be read"));
    assert_eq!(output.status.code(), Some(1));
    let output = check(&local, &["/no/such/file.yaml", &other]);
    assert_eq!(output.status.code(), Some(74));
    // That nothing is known is no finding.
    let output = check(&local, &[&other]);
    assert!(stdout(&output).starts_with(&format!("{other}: nothing here is known")));
    assert_eq!(output.status.code(), Some(0));
}

/// As some languages write what is not ASCII.
#[tokio::test]
async fn json_with_characters_in_two_escapes_is_read_and_its_places_are_those_of_the_file() {
    let local = Local::start();
    let servers = format!(
        r#"{{"mcpServers": {{"crm \ud83d\ude80\ud83d\ude80 \\ud83d": {{"url": "u", "credential": "{PASTED}"}},
"other": {{"url": "u", "credential": "{PASTED}"}}}}}}"#
    );
    assert_eq!(
        findings(&local, "mcp.json", &servers),
        (
            Some(1),
            vec![
                "1:84 RAW_SECRET mcpServers.crm \u{1f680}\u{1f680} \\ud83d.credential".to_owned(),
                "2:37 RAW_SECRET mcpServers.other.credential".to_owned(),
            ]
        )
    );
}

#[test]
fn a_terminal_is_not_written_to_by_the_name_of_a_file() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("w\u{1b}[2J.yaml");
    std::fs::write(&path, workflow(PASTED)).unwrap();
    let output = run(&["check", path.to_str().unwrap(), "/no/\u{1b}such"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("w?[2J.yaml:7:16: "));
    assert!(stderr(&output).contains("/no/?such"));
    for bytes in [&output.stdout, &output.stderr] {
        assert!(!bytes.contains(&0x1b));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_input_is_checked_and_names_no_consumer() {
    let local = Local::start();
    let id = local.create("live", "v").await;
    let path = write(&local, "w.yaml", &workflow(&id));
    let check = |words: &[&str]| {
        let mut command = local.command(&[&["check"], words].concat());
        let input = std::fs::File::open(&path).unwrap();
        command.stdin(input).output().unwrap()
    };
    let output = check(&["-"]);
    assert_eq!(stdout(&output), "1 file, 1 reference, 0 findings\n");
    assert_eq!(output.status.code(), Some(0));
    let output = check(&["--declare", "-"]);
    assert_eq!(output.status.code(), Some(64), "{}", stderr(&output));
    assert_eq!(declared(&local, &id).await, [""; 0]);
    let output = check(&["-", "-"]);
    assert_eq!(output.status.code(), Some(64), "{}", stderr(&output));
    assert!(stderr(&output).contains("- is given twice"));
}

#[test]
fn what_needs_no_server_is_told_without_one() {
    let directory = TempDir::new().unwrap();
    let file = |name: &str, content: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let pasted = file("pasted.yaml", &workflow(PASTED));
    let both = file(
        "both.yaml",
        &format!("{}---\n{}", workflow(PASTED), workflow(UNKNOWN)),
    );
    let unknown = file("unknown.yaml", &workflow(UNKNOWN));
    let nowhere = ["--url", "http://127.0.0.1:9", "--data-dir", "/nonexistent"];
    let output = run(&[&["check"], &nowhere[..], &[&pasted]].concat());
    assert_eq!(output.status.code(), Some(1));

    let output = run(&[&["check"], &nowhere[..], &[&both]].concat());
    // What was found is certain, and counts for more than that the server could not be asked.
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("/nonexistent"));
    assert!(
        stdout(&output).contains("If it is a secret"),
        "{}",
        stdout(&output)
    );
    assert!(!holds_marker(&output.stdout));

    let unreachable = |words: &[&str]| {
        let mut command = credence(&["check", &unknown, "--url", "http://127.0.0.1:9"]);
        let output = command.args(words).env("CREDENCE_TOKEN", "token").output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(69), "{}", stderr(&output));
        stdout(&output)
    };
    assert!(unreachable(&[]).contains("of 1 reference it is not known"));
    let report: Value = serde_json::from_str(&unreachable(&["--json"])).unwrap();
    assert_eq!(report["uncheckedReferences"], 1);
    assert_eq!(report["failure"]["exitCode"], 69);
    let message = report["failure"]["message"].as_str().unwrap();
    assert!(message.contains("cannot be reached"), "{message}");

    let missing = run(&["check", "/no/such/file.yaml"]);
    assert_eq!(missing.status.code(), Some(74));
    assert!(stderr(&missing).contains("/no/such/file.yaml"));
    assert_eq!(run(&["check"]).status.code(), Some(64));
    assert_eq!(
        run(&["check", &pasted, "--consumer-prefix", "x"])
            .status
            .code(),
        Some(64)
    );
}
