//! All that a check has to say.

use std::fmt;

use serde::Serialize;

use super::declare::OmittedConsumer;
use super::file::UnreadFile;
use super::finding::{Finding, counted, visible};

/// All that a check has to say. docs/check.md describes it for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub files: usize,
    /// How many credential IDs stand in the files.
    pub references: usize,
    /// Of how many of them the server was not asked, since it could not be.
    pub unchecked_references: usize,
    /// The files that could not be read.
    pub unread_files: Vec<UnreadFile>,
    /// The files in which nothing is of a workflow or a list of MCP servers.
    pub unrecognized_files: Vec<String>,
    pub findings: Vec<Finding>,
    /// How many consumers have declared what they use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub declared_consumers: Option<usize>,
    /// Those that have not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub omitted_consumers: Option<Vec<OmittedConsumer>>,
    /// The names of those that declare nothing any more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub withdrawn_consumers: Vec<String>,
    /// Why the server could not be asked, or did not do what it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<ReportedFailure>,
}

/// A failure, for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportedFailure {
    pub message: String,
    pub exit_code: u8,
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(formatter, "{finding}")?;
        }
        for file in &self.unrecognized_files {
            let file = visible(file);
            writeln!(
                formatter,
                "{file}: nothing here is known: neither defs of a workflow nor a list of MCP servers"
            )?;
        }
        for omitted in self.omitted_consumers.iter().flatten() {
            writeln!(formatter, "{omitted}")?;
        }
        for name in &self.withdrawn_consumers {
            writeln!(formatter, "{name} declares nothing now")?;
        }
        self.write_numbers(formatter)
    }
}

impl Report {
    fn write_numbers(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = counted(self.files, "file");
        let references = counted(self.references, "reference");
        let findings = counted(self.findings.len(), "finding");
        writeln!(formatter, "{files}, {references}, {findings}")?;
        if self.unchecked_references > 0 {
            let references = counted(self.unchecked_references, "reference");
            writeln!(
                formatter,
                "of {references} it is not known whether the credentials are there"
            )?;
        }
        if let Some(consumers) = self.declared_consumers {
            let consumers = counted(consumers, "consumer");
            let omitted = self.omitted_consumers.as_ref().map_or(0, Vec::len);
            let omitted = if omitted > 0 {
                format!(", {omitted} left out")
            } else {
                String::new()
            };
            writeln!(formatter, "{consumers} declared{omitted}")?;
        }
        Ok(())
    }
}
