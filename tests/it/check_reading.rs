//! What is told of a document that cannot be read, and what is read beside it.

use serde_json::Value;

use crate::check::{PASTED, check, findings, write};
use crate::support::local::Local;
use crate::support::process::{run, stdout};
use crate::support::{holds_marker, workflow};

#[test]
fn a_document_that_cannot_be_read_is_told_with_what_is_wrong() {
    let directory = tempfile::TempDir::new().unwrap();
    let deep = ["[".repeat(101), "]".repeat(101)].concat();
    let many = ["*a"; 1000].join(", ");
    let keys: String = (0..1000).map(|key| format!("k{key}: , ")).collect();
    let too_many = format!("a: &a {{{keys}}}\nmcpServers: [{many}]\n");
    let cases = [
        ("a:\n\tb: 1\n", "2:2: there is a tab"),
        ("a: 1\n  b: 2\n", "2:4: the indentation does not fit"),
        ("a:\n  b: 1\n c: 2\n", "3:2: the indentation does not fit"),
        ("a: [1\nb: 2\n", "2:2: a comma, a bracket or a brace"),
        ("{\"a\": 1 \"b\": 2}", "1:12: a comma, a bracket or a brace"),
        ("a: \"b\nc: 1\n", "1:4: what stands in quotes"),
        ("a: *x\n", "1:4: no anchor before it"),
        ("a: &x 1\n---\nb: *x\n", "3:4: no anchor before it"),
        ("a: &a [*a]\n", "1:8: this alias stands within"),
        ("{\"a\": 1, \"a\": 2}", "1:10: this key stands twice"),
        ("{\"<<\": 1, \"<<\": 2}", "1:11: this key stands twice"),
        ("{\"a\": 1} {\"a\": 1}", "1:10: the document is at its end"),
        (
            "// the servers\n{\"a\": 1}\n",
            "1:1: this is a comment of JavaScript",
        ),
        (
            "{\"a\": \"b\", // c\n\"d\": 1}",
            "1:12: this is a comment of JavaScript",
        ),
        (&deep, "1:101: this is nested more than 100 levels"),
        (
            &too_many,
            "2:2010: the aliases up to here stand for more than 1,000,000",
        ),
        ("\u{0}", "1:1: this character cannot stand in YAML"),
    ];
    for (content, told) in cases {
        let path = directory.path().join("w.yaml");
        std::fs::write(&path, content).unwrap();
        let output = run(&["check", path.to_str().unwrap()]);
        let printed = stdout(&output);
        let begin = format!("{}:{told}", path.display());
        assert!(printed.starts_with(&begin), "{begin} in {printed}");
        assert!(
            printed.ends_with("1 file, 0 references, 1 finding\n"),
            "{printed}"
        );
    }
    // These are read.
    for content in [
        "a: &a {b: c}\nd: [*a, *a]\n",
        "1: a\n\"1\": b\n",
        "%YAML 1.2\n---\na: 1\n...\n",
    ] {
        let path = directory.path().join("w.yaml");
        std::fs::write(&path, content).unwrap();
        let output = run(&["check", path.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_is_broken_hides_none_of_the_others_and_nothing_is_declared() {
    let local = Local::start();
    let id = local.create("live", "v").await;
    let pasted = workflow(PASTED);
    let content = format!(
        "{pasted}---\na: [1\n---\n{pasted}---\na: {{b: 1, b: 2}}\n--- a text\n---\n{pasted}---\na: \"\n---\n{}",
        workflow(&id)
    );
    assert_eq!(
        findings(&local, "w.yaml", &content),
        (
            Some(1),
            vec![
                "7:16 RAW_SECRET defs.primary_model.settings.api_key".to_owned(),
                "18:1 NOT_YAML -".to_owned(),
                "25:16 RAW_SECRET defs.primary_model.settings.api_key".to_owned(),
                "35:11 NOT_YAML -".to_owned(),
                "36:5 NOT_YAML -".to_owned(),
                "44:16 RAW_SECRET defs.primary_model.settings.api_key".to_owned(),
                "54:4 NOT_YAML -".to_owned(),
            ]
        )
    );
    let path = write(
        &local,
        "w.yaml",
        &format!("a: {{b: 1, b: 2}}\n---\n{}", workflow(&id)),
    );
    let output = check(&local, &["--json", "--declare", &path]);
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(report["references"], 1);
    assert_eq!(report["declaredConsumers"], 0);
    assert_eq!(report["omittedConsumers"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_file_in_utf_16_is_read() {
    let local = Local::start();
    let text = format!("\u{feff}# \u{1f680}\n{}", workflow(PASTED));
    let path = local.directory.path().join("w.yaml");
    let units: Vec<u16> = text.encode_utf16().collect();
    for bytes in [
        units.iter().flat_map(|unit| unit.to_le_bytes()).collect(),
        units
            .iter()
            .flat_map(|unit| unit.to_be_bytes())
            .collect::<Vec<u8>>(),
    ] {
        std::fs::write(&path, &bytes).unwrap();
        let printed = stdout(&check(&local, &[path.to_str().unwrap()]));
        assert!(printed.contains(":8:16: defs.primary_model"), "{printed}");
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        let output = check(&local, &[path.to_str().unwrap()]);
        assert!(stdout(&output).contains("begins as one in UTF-16"));
        assert!(!holds_marker(&output.stdout));
    }
}

#[test]
fn aliases_stall_nothing() {
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("w.yaml");
    let keys: String = (0..30_000).map(|key| format!("k{key}: , ")).collect();
    let flat = format!(
        "a: &a {{{keys}}}\nmcpServers: [{}]\n",
        "*a, ".repeat(30_000)
    );
    let mut nested = "a0: &a0 {api_key: x}\n".to_owned();
    for level in 1..40 {
        let before = format!("*a{}, ", level - 1).repeat(50);
        nested += &format!("a{level}: &a{level} {{<<: [{before}]}}\n");
    }
    for content in [flat, nested] {
        std::fs::write(&path, content).unwrap();
        let output = std::process::Command::new("timeout")
            .args(["30", env!("CARGO_BIN_EXE_credence"), "check"])
            .arg(&path)
            .output()
            .unwrap();
        assert!(stdout(&output).contains("more than 1,000,000 nodes"));
        assert_eq!(output.status.code(), Some(1));
    }
}

#[tokio::test]
async fn a_merge_key_is_one_in_yaml_only() {
    let local = Local::start();
    let json =
        format!(r#"{{"mcpServers": {{"m": {{"url": "u", "<<": {{"credential": "{PASTED}"}}}}}}}}"#);
    // It is a mapping below the server, and no part of it.
    let found = findings(&local, "w.json", &json).1;
    assert_eq!(found, ["1:56 RAW_SECRET mcpServers.m.<<.credential"]);
    let yaml = format!("mcpServers: {{m: {{url: u, <<: {{credential: {PASTED}}}}}}}");
    let found = findings(&local, "w.yaml", &yaml).1;
    assert_eq!(found, ["1:43 RAW_SECRET mcpServers.m.credential"]);
}
