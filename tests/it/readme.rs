//! The README's session, typed as it is printed: what comes back is what it shows, but for IDs and times.

use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::support::process::ServerProcess;

/// A block of the session: what is typed, and what is shown to come back.
struct Step {
    typed: String,
    shown: Option<String>,
}

fn steps(readme: &str) -> Vec<Step> {
    let session = readme
        .split("## A first session")
        .nth(1)
        .unwrap()
        .split("\n## ")
        .next()
        .unwrap();
    let mut steps: Vec<Step> = Vec::new();
    for block in session.split("\n```").collect::<Vec<_>>().chunks(2) {
        let [_, block] = block else { continue };
        if let Some(typed) = block.strip_prefix("sh\n") {
            steps.push(Step {
                typed: typed.to_owned(),
                shown: None,
            });
        } else if let Some(shown) = block.strip_prefix("json\n") {
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

#[test]
fn the_session_works_as_it_is_printed() {
    let readme =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let steps = steps(&readme);
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
    let output = Command::new("sh").arg("-euc").arg(script).output().unwrap();
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
