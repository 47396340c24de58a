//! What a server adds to the audit log by itself: the refusals that were counted, and anchors. The second place of the anchors is a file
//! that is only added to, or the log of the server.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::sleep;

use crate::domain::Domain;
use crate::domain::audit_anchor::Anchoring;
use crate::domain::refusal::FLUSH_INTERVAL;
use crate::failure::Failure;
use crate::http::connection;

/// How often it is looked whether it is time for an anchor.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Where anchors go.
pub struct AnchorPlace(Option<(PathBuf, File)>);

impl AnchorPlace {
    /// Opens the file, if there is to be one.
    ///
    /// # Errors
    /// [`crate::failure::FailureKind::InputOutput`] when it cannot be opened.
    pub fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else {
            return Ok(Self(None));
        };
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .map_err(|error| Failure::file(path, "opened", &error))?;
        Ok(Self(Some((path.to_owned(), file))))
    }

    /// Writes anchors, and the refusals that were counted, until the server stops, and a last one then, when every request is answered: `served` turns true.
    pub async fn write(mut self, domain: Arc<Domain>, mut served: watch::Receiver<bool>) {
        let mut anchoring = Anchoring::default();
        let mut refusals_at = Instant::now();
        loop {
            let is_last = tokio::select! {
                () = sleep(LOOK_INTERVAL) => false,
                () = connection::stopped(&mut served) => true,
            };
            // What cannot be written now is written the next time.
            if is_last || refusals_at.elapsed() >= FLUSH_INTERVAL {
                refusals_at = Instant::now();
                let _written = domain.write_refusals(is_last).await;
            }
            if let Ok(Some(line)) = domain.anchor(&mut anchoring, is_last).await
                && !self.add(&line)
            {
                domain.metrics().audit.count_anchor_failure();
            }
            if is_last {
                return;
            }
        }
    }

    /// Adds a line. Returns whether it is there.
    fn add(&mut self, line: &str) -> bool {
        let Some((path, file)) = &mut self.0 else {
            tracing::info!("{line}");
            return true;
        };
        let written = writeln!(file, "{line}").and_then(|()| file.sync_data());
        if let Err(error) = &written {
            tracing::error!(
                file = %path.display(),
                "an anchor of the audit log cannot be written: {}: {line}",
                error.kind()
            );
        }
        written.is_ok()
    }
}
