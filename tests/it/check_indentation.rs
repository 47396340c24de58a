//! Credentials that slipped from their place: nobody reads them there, and nothing is declared as if they were not.

use serde_json::{Value, json};

use crate::check::{PASTED, check, declared, findings, write};
use crate::support::local::Local;
use crate::support::process::stdout;

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_in_a_wrong_place_is_told_and_what_was_declared_stays() {
    let local = Local::start();
    let id = local.create("live", "v").await;
    let declare = |content: &str| {
        let path = write(&local, "w.yaml", content);
        check(
            &local,
            &["--json", "--declare", "--consumer-prefix", "p/", &path],
        )
    };
    let model = "defs:\n  m:\n    kind: model\n    settings:\n";
    let server = "mcpServers:\n  m:\n    url: u\n";
    let good = format!("{model}      api_key: {id}\n---\n{server}    credential: {id}\n");
    assert_eq!(declare(&good).status.code(), Some(0));
    assert_eq!(declared(&local, &id).await.len(), 2);
    let cases = [
        (
            format!("{model}    api_key: {id}\n"),
            "5:14 MISPLACED defs.m.api_key",
        ),
        (
            format!("{model}    apiKey: {id}\n"),
            "5:13 MISPLACED defs.m.apiKey",
        ),
        (
            format!("{model}      options:\n        api_key: {id}\n"),
            "6:18 MISPLACED defs.m.settings.options.api_key",
        ),
        (
            format!("{model}      - api_key: {id}\n"),
            "5:18 MISPLACED defs.m.settings[0].api_key",
        ),
        (
            format!("{model}      credential: {id}\n"),
            "5:19 MISPLACED defs.m.settings.credential",
        ),
        (
            format!("{model}    api_key: {PASTED}\n"),
            "5:14 RAW_SECRET defs.m.api_key",
        ),
        (
            format!("{model}  api_key: {id}\n"),
            "5:12 MISPLACED defs.api_key",
        ),
        (format!("{model}api_key: {id}\n"), "5:10 MISPLACED api_key"),
        (
            format!("defs:\n  m:\n  kind: model\n  settings:\n    api_key: {id}\n"),
            "5:14 MISPLACED defs.settings.api_key",
        ),
        (
            format!("defs:\n  - kind: model\n    settings: {{api_key: {id}}}\n"),
            "2:3 MISPLACED defs",
        ),
        (
            format!("{server}    headers:\n      credential: {id}\n"),
            "5:19 MISPLACED mcpServers.m.headers.credential",
        ),
        (
            format!("{server}    headers:\n      credential: {PASTED}\n"),
            "5:19 RAW_SECRET mcpServers.m.headers.credential",
        ),
        (
            format!("{server}    headers:\n      apikey: {PASTED}\n"),
            "5:15 RAW_SECRET mcpServers.m.headers.apikey",
        ),
        (
            format!("{server}    api-key: {id}\n"),
            "4:14 MISPLACED mcpServers.m.api-key",
        ),
        (
            format!("{server}  credential: {id}\n"),
            "4:15 MISPLACED mcpServers.credential",
        ),
        (
            format!("{server}credential: {id}\n"),
            "4:13 MISPLACED credential",
        ),
        (
            format!("m:\n  url: u\ncredential: {id}\n"),
            "3:13 MISPLACED credential",
        ),
    ];
    for (content, expected) in cases {
        let output = declare(&content);
        let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
        assert_eq!(report["declaredConsumers"], json!(0), "{content}");
        assert_eq!(declared(&local, &id).await.len(), 2, "{content}");
        let (code, found) = findings(&local, "w.yaml", &content);
        assert_eq!(
            (code, found),
            (Some(1), vec![expected.to_owned()]),
            "{content}"
        );
    }
}

#[tokio::test]
async fn what_is_called_as_credentials_are_and_is_none_is_clean() {
    let local = Local::start();
    for content in [
        "mcpServers: {m: {command: x, env: {API_KEY: '${KEY}', CREDENTIAL: ''}}}",
        "mcpServers: {m: {url: u, headers: {apikey: '{{ key }}'}}}",
        "mcpServers: {m: {url: u, headers: {X-Author: Ada}}}",
        "defs: {m: {kind: model, settings: {api_key: , api_key_env: NAME}, credential: }}",
        "defs: {m: {kind: task, inputs: {credential: a text}}}",
        "defs:\n",
    ] {
        assert_eq!(
            findings(&local, "w.yaml", content),
            (Some(0), vec![]),
            "{content}"
        );
    }
    let env = format!("mcpServers: {{m: {{command: x, env: {{API_KEY: {PASTED}}}}}}}");
    assert_eq!(
        findings(&local, "w.yaml", &env).1,
        ["1:45 RAW_SECRET mcpServers.m.env.API_KEY"]
    );
}
