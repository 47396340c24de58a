//! `credence keys rotate`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use credence::config::key_file;
use credence::domain::rotation::{Rotated, RotationProgress};
use credence::failure::{Failure, FailureKind};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::edit;
use crate::command::keyring::KeyringSettings;
use crate::command::tell;

/// How many credentials that do not open are named.
const NAMED_LIMIT: usize = 10;

/// The arguments of `credence keys rotate`.
#[derive(Args)]
pub struct RotateArguments {
    /// The file of a master key that has a slot too, such as the recovery key: the new data key gets a copy for every slot
    #[arg(long, value_name = "FILE", value_delimiter = ',', value_parser = key_file())]
    with_key_file: Vec<PathBuf>,
    /// How long the new data key is there before it is used, so that every server knows it by then: servers look every 5 seconds
    #[arg(long, default_value = "30s", value_name = "DURATION", value_parser = humantime::parse_duration)]
    activate_after: Duration,
    #[command(flatten)]
    settings: KeyringSettings,
}

/// Rotates the data key.
pub fn run(arguments: &RotateArguments) -> Result<(), Failure> {
    let source = arguments.settings.source()?;
    let keys = source.with_files(&arguments.with_key_file).read()?;
    let bar = ProgressBar::hidden();
    let style = ProgressStyle::with_template(
        "{msg} {wide_bar} {human_pos} of {human_len} values, {eta} left",
    );
    if let Ok(style) = style {
        bar.set_style(style);
    }
    let mut show = |progress| match progress {
        RotationProgress::Waiting(id) => tell(&format!(
            "The data key {} waits for {}, until every server knows it.",
            id.0,
            humantime::format_duration(arguments.activate_after)
        )),
        RotationProgress::Activated(id) => tell(&format!(
            "The data key {} seals from now on. What was sealed before is sealed anew.",
            id.0
        )),
        RotationProgress::Sealing(left) => {
            bar.set_message("sealing");
            bar.set_position(0);
            bar.set_length(left);
            // On anything but a terminal nothing is drawn.
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        RotationProgress::Sealed(values) => bar.inc(values),
        RotationProgress::Destroyed(_) => {}
    };
    let rotated = edit(&arguments.settings, &keys, |editor| {
        editor.rotate(arguments.activate_after, &mut show)
    })?;
    bar.finish_and_clear();
    report(&rotated.outcome)?;
    rotated.left
}

fn report(rotated: &Rotated) -> Result<(), Failure> {
    if rotated.unreadable.is_empty() && rotated.destroyed.is_empty() {
        tell(&format!(
            "{} values were sealed anew, and 0 are left under an old data key: another command has finished the rotation.",
            rotated.values
        ));
        return Ok(());
    }
    if rotated.unreadable.is_empty() {
        let destroyed: Vec<String> = rotated
            .destroyed
            .iter()
            .map(|id| id.0.to_string())
            .collect();
        let resumed = if rotated.resumed {
            "The rotation that was broken off is finished: "
        } else {
            ""
        };
        tell(&format!(
            "{resumed}{} values were sealed anew, 0 are left under the old data key {}, and it is destroyed.",
            rotated.values,
            destroyed.join(", ")
        ));
        return Ok(());
    }
    let named: Vec<String> = rotated
        .unreadable
        .iter()
        .take(NAMED_LIMIT)
        .map(ToString::to_string)
        .collect();
    let rest = rotated.unreadable.len().saturating_sub(named.len());
    let more = if rest > 0 {
        format!(" and {rest} more")
    } else {
        String::new()
    };
    Err(Failure::new(
        FailureKind::CheckFailed,
        format!(
            "{} values were sealed anew, and those of these credentials do not open, so that the old data key stays: {}{more}. Give them \
             new values or delete them, and run this again",
            rotated.values,
            named.join(", ")
        ),
    ))
}
