//! What a server counts, as `/metrics` tells it.

use std::collections::BTreeMap;

use super::Server;

/// What is no count of what was asked for: it depends on time, or on what the server does by itself.
const UNCOUNTED: [&str; 10] = [
    "process_",
    "credence_operation_duration_seconds_",
    "credence_commit",
    "credence_pool_",
    "credence_writer_queue_jobs",
    "credence_audit_anchors_total",
    "credence_audit_last_anchor_timestamp_seconds",
    "credence_http_requests_total{route=\"metrics\"",
    "credence_token_cache_",
    // A token that is known is not verified again.
    "credence_token_verifications_total{outcome=\"accepted\"",
];

/// All series at a moment, each with its labels as they are written.
#[derive(Clone, Debug, PartialEq)]
pub struct Scrape(pub BTreeMap<String, String>);

impl Scrape {
    /// What the server says now.
    pub async fn of(server: &Server) -> Self {
        Self::read(&text(server).await)
    }

    /// Reads either text format.
    pub fn read(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let series = lines.map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (series.to_owned(), value.to_owned())
        });
        Self(series.collect())
    }

    /// The value of a series that counts, such as `credence_resolves_total{outcome="resolved"}`.
    #[track_caller]
    pub fn value(&self, series: &str) -> i64 {
        self.text(series).parse().unwrap()
    }

    /// The value of a series that measures.
    #[track_caller]
    pub fn measure(&self, series: &str) -> f64 {
        self.text(series).parse().unwrap()
    }

    #[track_caller]
    fn text(&self, series: &str) -> &str {
        let value = self.0.get(series);
        value.unwrap_or_else(|| panic!("there is no {series}"))
    }

    /// The names of all series, without labels.
    pub fn names(&self) -> Vec<String> {
        let name = |series: &String| series.split('{').next().unwrap().to_owned();
        let mut names: Vec<String> = self.0.keys().map(name).collect();
        names.dedup();
        names
    }

    /// By how much each series has changed that counts what was asked for.
    pub fn changes_since(&self, before: &Self) -> BTreeMap<String, i64> {
        let is_counted =
            |series: &&String| !UNCOUNTED.iter().any(|start| series.starts_with(start));
        let changed = self.0.keys().filter(is_counted).map(|series| {
            let is_known = before.0.contains_key(series);
            let known = if is_known { before.value(series) } else { 0 };
            (series.clone(), self.value(series) - known)
        });
        changed.filter(|(_, by)| *by != 0).collect()
    }
}

/// What a server says of itself, as Prometheus reads it.
pub async fn text(server: &Server) -> String {
    let response = server
        .client
        .get(server.metrics_url())
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    response.text().await.unwrap()
}
