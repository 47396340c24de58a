//! The README's session, typed as it is printed: what comes back is what it shows, but for IDs and times.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use credence::graphql::error::ErrorCode;
use tempfile::TempDir;

use crate::support::database;
use crate::support::local::Local;
use crate::support::process::ServerProcess;

/// A block of the session: what is typed, and what is shown to come back.
struct Step {
    typed: String,
    shown: Option<String>,
}

fn steps(readme: &str, section: &str) -> Vec<Step> {
    let section = readme
        .split(section)
        .nth(1)
        .unwrap()
        .split("\n## ")
        .next()
        .unwrap();
    let mut steps: Vec<Step> = Vec::new();
    for block in section.split("\n```").collect::<Vec<_>>().chunks(2) {
        let [_, block] = block else { continue };
        if let Some(typed) = block.strip_prefix("sh\n") {
            steps.push(Step {
                typed: typed.to_owned(),
                shown: None,
            });
        } else if let Some(shown) = ["json\n", "text\n"]
            .into_iter()
            .find_map(|kind| block.strip_prefix(kind))
        {
            steps.last_mut().unwrap().shown = Some(shown.to_owned());
        }
    }
    steps
}

/// The text with each ID and each time replaced by a word.
fn leveled(text: &str) -> String {
    text.split('"')
        .map(|part| {
            let is_id = part.len() == 36 && part.chars().all(|c| c == '-' || c.is_ascii_hexdigit());
            let is_time = part.len() == 24 && part.starts_with("20") && part.ends_with('Z');
            match (is_id, is_time) {
                (true, _) => "ID",
                (_, true) => "TIME",
                _ => part,
            }
        })
        .collect::<Vec<_>>()
        .join("\"")
}

fn readme() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

#[test]
fn the_session_works_as_it_is_printed() {
    let steps = steps(&readme(), "## A first session");
    assert!(steps.len() >= 8, "only {} blocks were found", steps.len());
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let server = ServerProcess::start(&data, Stdio::null(), &[]);
    let end_of_step = "-- end of step --";
    let script: String = steps
        .iter()
        .map(|step| format!("{}\necho '{end_of_step}'\n", step.typed))
        .collect();
    let command = format!(
        "{} token --data-dir {}",
        env!("CARGO_BIN_EXE_credence"),
        data.to_str().unwrap()
    );
    let script = script
        .replace("127.0.0.1:8080", &server.address)
        .replace("target/debug/credence token", &command);
    let mut shell = Command::new("sh");
    if let Some(url) = database::url(&data) {
        shell.env("CREDENCE_DATABASE_URL", url);
    }
    let output = shell.arg("-euc").arg(script).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}{errors}");
    let outputs: Vec<&str> = printed.split(end_of_step).collect();
    for (step, output) in steps.iter().zip(outputs) {
        let shown = step.shown.as_deref().unwrap_or_default();
        assert_eq!(
            leveled(output.trim()),
            leveled(shown.trim()),
            "{}",
            step.typed
        );
    }
}

/// A shell with what the printed commands need. `curl` also writes the headers of answers to standard error.
fn shell(server: &ServerProcess, data: &Path, script: &str) -> Command {
    let token = ServerProcess::token(data, "alice", "admin");
    let script = script.replace("127.0.0.1:8080", &server.address);
    let mut shell = Command::new("bash");
    let prelude = "curl() { command curl -D /dev/stderr \"$@\"; }";
    shell.arg("-euc").arg(format!("{prelude}\n{script}"));
    shell.env("ALICE", token);
    shell
}

#[test]
fn the_commands_for_other_clients_work_as_they_are_printed() {
    let steps = steps(&readme(), "## Any GraphQL client");
    let [follow, get] = steps.as_slice() else {
        panic!("there are {} blocks", steps.len())
    };
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let server = ServerProcess::start(&data, Stdio::null(), &[]);
    let mut following = shell(&server, &data, &follow.typed)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It follows from the end of the header on.
    let mut header = BufReader::new(following.stderr.take().unwrap()).lines();
    while header.next().unwrap().unwrap().trim() != "" {}
    let create = r#"curl -sS http://127.0.0.1:8080/graphql -H "Authorization: Bearer $ALICE" -H 'Content-Type: application/json' -d '{"query": "mutation { createCredential(input: {name: \"n\", value: \"v\"}) { userErrors { code } } }"}'"#;
    assert!(
        shell(&server, &data, create)
            .output()
            .unwrap()
            .status
            .success()
    );
    let mut events = BufReader::new(following.stdout.take().unwrap()).lines();
    assert_eq!(events.next().unwrap().unwrap(), "event: next");
    let data_line = events.next().unwrap().unwrap();
    assert!(
        data_line.contains(r#""action":"CREDENTIAL_CREATED""#),
        "{data_line}"
    );
    following.kill().unwrap();
    following.wait().unwrap();
    let output = shell(&server, &data, &get.typed).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        printed,
        r#"{"data":{"viewer":{"subject":"alice"}}}"#.repeat(2)
    );
}

#[tokio::test]
async fn the_commands_for_runtimes_work_as_they_are_printed() {
    let steps = steps(&readme(), "## Workflows, MCP servers and commands");
    assert_eq!(steps.len(), 2);
    let local = Local::start();
    local.create("OPENAI_PROD_API_KEY", "sk-the-second").await;
    for step in steps {
        let binary = env!("CARGO_BIN_EXE_credence");
        let script = step.typed.replace("target/debug/credence", binary);
        let mut shell = Command::new("sh");
        local.point(&mut shell);
        shell.current_dir(local.directory.path());
        let output = shell.arg("-euc").arg(&script).output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{printed}");
        assert_eq!(printed.trim(), step.shown.unwrap().trim());
    }
}

/// The first cells of the rows of a table of the README: what stands in backticks there, by the head of its first column.
fn first_cells(head: &str) -> BTreeSet<String> {
    let readme = readme();
    let table = readme.split(&format!("\n| {head} |")).nth(1).unwrap();
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let cells = rows.map(|row| row.split('|').nth(1).unwrap().to_owned());
    let quoted = |cell: String| {
        let parts: Vec<String> = cell.split('`').map(str::to_owned).collect();
        parts.into_iter().skip(1).step_by(2)
    };
    cells.flat_map(quoted).collect()
}

#[test]
fn the_settings_of_the_readme_are_the_options_of_serve() {
    let output = Command::new(env!("CARGO_BIN_EXE_credence"))
        .args(["help", "serve"])
        .output()
        .unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let lines = help.lines().map(str::trim_start);
    let words = lines
        .filter(|line| line.starts_with('-'))
        .filter_map(|line| {
            let mut words = line.split([' ', ',']);
            words.find(|word| word.starts_with("--"))
        });
    let is_setting = |word: &&str| !["--help", "--version"].contains(word);
    let options: BTreeSet<String> = words.filter(is_setting).map(str::to_owned).collect();
    assert!(options.len() > 30, "{options:?}");
    assert_eq!(first_cells("option of `serve`"), options);
}

#[test]
fn the_codes_of_the_readme_are_those_of_the_schema_and_of_errors() {
    let codes: BTreeSet<String> = ErrorCode::ALL
        .iter()
        .map(|code| code.as_str().to_owned())
        .collect();
    assert_eq!(first_cells("`extensions.code`"), codes);
    let sdl = include_str!("../../schema.graphql");
    let body = sdl.split("enum CredentialErrorCode {").nth(1).unwrap();
    let body = body.split('}').next().unwrap();
    let is_value = |line: &&str| line.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    let values = body.lines().map(str::trim).filter(|line| !line.is_empty());
    let values: BTreeSet<String> = values.filter(is_value).map(str::to_owned).collect();
    assert!(values.len() > 5, "{values:?}");
    assert_eq!(first_cells("code in `userErrors`"), values);
}

#[test]
fn the_map_of_the_readme_has_all_that_is_in_src() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let entries = std::fs::read_dir(src).unwrap().map(|entry| {
        let entry = entry.unwrap();
        let end = if entry.path().is_dir() { "/" } else { "" };
        format!("{}{end}", entry.file_name().to_str().unwrap())
    });
    assert_eq!(
        first_cells("folder or file of `src`"),
        entries.collect::<BTreeSet<String>>()
    );
}

/// The example of the client is compiled where it stands in the documentation of the crate.
#[test]
fn the_example_of_the_client_is_the_one_that_is_compiled() {
    let compiled = include_str!("../../src/client/mod.rs");
    let readme = readme();
    let blocks = readme.split("\n```rust\n").skip(1);
    let lines = blocks.flat_map(|block| block.split("\n```").next().unwrap().lines());
    let missing: Vec<&str> = lines
        .filter(|line| !compiled.contains(&format!("//! {line}\n")))
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}
