//! What is written of metrics is true of `/metrics`: each one is explained, and dashboards and rules name no other. Whether the expressions
//! are `PromQL`, and the rules such as Prometheus loads, is looked at by the conformance tests.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::support::Server;
use crate::support::metrics::text;

fn document(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The names of the metrics, as they are in the text format: of histograms without what is behind them.
async fn metrics() -> BTreeSet<String> {
    let server = Server::start().await;
    let told = text(&server).await;
    let types = told.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect()
}

/// The words in a text that are names of ours, or of processes.
fn named(text: &str) -> BTreeSet<String> {
    let is_of_name = |c: char| c == '_' || c.is_ascii_alphanumeric();
    text.split(|c| !is_of_name(c))
        .filter(|word| word.starts_with("credence_") || word.starts_with("process_"))
        .map(str::to_owned)
        .collect()
}

/// The metric that a series belongs to.
fn metric<'a>(series: &'a str, metrics: &BTreeSet<String>) -> Option<&'a str> {
    let ends = ["", "_bucket", "_sum", "_count"];
    ends.into_iter()
        .filter_map(|end| series.strip_suffix(end))
        .find(|name| metrics.contains(*name))
}

fn unknown(text: &str, metrics: &BTreeSet<String>) -> Vec<String> {
    let series = named(text).into_iter();
    series
        .filter(|name| metric(name, metrics).is_none())
        .collect()
}

/// The expressions in a dashboard, wherever they stand.
fn expressions(dashboard: &Value, found: &mut Vec<String>) {
    match dashboard {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if ["expr", "definition"].contains(&name.as_str()) => {
                        found.push(text.clone());
                    }
                    other => expressions(other, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| expressions(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn every_metric_is_explained_and_no_other_is() {
    let metrics = metrics().await;
    let operations = document("docs/operations.md");
    let section = operations.split("\n## Metrics").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let explained: BTreeSet<String> = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .map(|line| line.split(['`', '{']).next().unwrap().to_owned())
        .filter(|name| name.starts_with("credence_") || name.starts_with("process_"))
        .collect();
    assert_eq!(explained, metrics);
    let all = operations.split("\n## Metrics").nth(1).unwrap();
    let all = all.split("\n## Backup").next().unwrap();
    assert_eq!(unknown(all, &metrics), Vec::<String>::new());
}

#[tokio::test]
async fn the_dashboard_is_json_and_names_only_metrics_that_there_are() {
    let metrics = metrics().await;
    let dashboard: Value = serde_json::from_str(&document("docs/grafana/credence.json")).unwrap();
    let mut found = Vec::new();
    expressions(&dashboard, &mut found);
    assert!(found.len() > 30, "{found:?}");
    assert!(
        found.iter().all(|expression| !named(expression).is_empty()),
        "{found:?}"
    );
    assert_eq!(unknown(&found.join("\n"), &metrics), Vec::<String>::new());
    // All that is told is shown, but for what is told of the process by its threads and times.
    let shown: BTreeSet<&str> = found
        .iter()
        .flat_map(|expression| named(expression))
        .filter_map(|series| metric(&series, &metrics).map(str::to_owned))
        .map(|name| metrics.get(&name).unwrap().as_str())
        .collect();
    let hidden: Vec<&String> = metrics
        .iter()
        .filter(|name| name.starts_with("credence_") && !shown.contains(name.as_str()))
        .collect();
    assert_eq!(
        hidden,
        ["credence_audit_anchors_total"]
            .map(str::to_owned)
            .iter()
            .collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn the_rules_name_only_metrics_and_words_that_there_are() {
    let server = Server::start().await;
    let told = text(&server).await;
    let metrics = metrics().await;
    let rules = document("docs/prometheus/credence.rules.yml");
    assert_eq!(unknown(&rules, &metrics), Vec::<String>::new());
    let words: Vec<&str> = rules
        .lines()
        .filter(|line| line.contains("credence_"))
        .flat_map(|line| line.split('"').skip(1).step_by(2))
        .collect();
    assert!(words.len() >= 6, "{words:?}");
    for word in words {
        assert!(
            told.contains(&format!("=\"{word}\"")),
            "no label says {word}"
        );
    }
    // Each alert is explained.
    let operations = document("docs/operations.md");
    for line in rules.lines() {
        if let Some(name) = line.trim().strip_prefix("- alert: ") {
            assert!(
                operations.contains(&format!("`{name}`")),
                "{name} is not explained"
            );
        }
    }
}
