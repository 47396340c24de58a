//! `credence copy`.

use std::path::{Path, PathBuf};

use clap::Args;
use credence::config::{DataSettings, DatabaseUrl};
use credence::data_directory::{DataDirectory, DataDirectoryLock};
use credence::failure::Failure;
use credence::keyring_start::{connect, inspect, migrate_unfinished, store_failure};
use credence::store::connection::Database;
use credence::store::copy::{CopyError, DatabaseCopy, Outcome, Progress, try_lock_sides};
use credence::store::error::StoreError;
use credence::store::migration::is_current;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The arguments of `credence copy`.
#[derive(Args)]
pub struct CopyArguments {
    /// What is read: a data directory with a SQLite database, or the URL of PostgreSQL. No server may be running on it
    #[arg(
        long,
        value_name = "DIRECTORY|URL",
        env = "CREDENCE_COPY_FROM",
        hide_env_values = true
    )]
    from: DatabaseUrl,
    /// What is written: empty, or begun by an earlier copy that was broken off
    #[arg(
        long,
        value_name = "DIRECTORY|URL",
        env = "CREDENCE_COPY_TO",
        hide_env_values = true
    )]
    to: DatabaseUrl,
}

/// One side of the copy. SQLite's directory is held for as long as it lasts.
struct Side {
    database: Database,
    _lock: Option<DataDirectoryLock>,
}

/// Carries all rows over, and compares both databases.
pub fn run(arguments: &CopyArguments) -> Result<(), Failure> {
    let from = open(&arguments.from, DataDirectory::open)?;
    if inspect(&from.database).map_err(of_source)?.is_none() {
        return Err(Failure::configuration(
            "there is no database to copy from: was it ever served?",
        ));
    }
    let to = open(&arguments.to, |path| {
        let directory = DataDirectory::create(path)?;
        directory.touch_database()?;
        Ok(directory)
    })?;
    if from.database == to.database {
        return Err(Failure::configuration("both sides are the same database"));
    }
    let failure = |error| match error {
        CopyError::Source(error) => of_source(store_failure(&from.database, error)),
        CopyError::Target(StoreError::NotUnique | StoreError::NoReferent) => {
            Failure::configuration(
                "the target has rows of another database: copy into an empty one",
            )
        }
        CopyError::Target(error) => of_target(store_failure(&to.database, error)),
    };
    let mut reads = connect(&from.database).map_err(of_source)?;
    if !is_current(&mut reads).map_err(|error| of_source(store_failure(&from.database, error)))? {
        return Err(Failure::configuration(
            "--from: the tables are those of an older version: run `credence migrate` there first",
        ));
    }
    let mut writes = connect(&to.database).map_err(of_target)?;
    if !try_lock_sides(&mut reads, &mut writes).map_err(failure)? {
        return Err(Failure::configuration(
            "both sides are the same database by two names, or another copy works on one of them",
        ));
    }
    migrate_unfinished(&to.database).map_err(of_target)?;
    let bar = ProgressBar::hidden();
    let mut tell = |progress: Progress| {
        bar.set_message(progress.doing);
        bar.set_position(progress.rows);
    };
    let mut copy = DatabaseCopy::new(&mut reads, &mut writes, &mut tell).map_err(failure)?;
    let total_rows = copy.total_rows().map_err(CopyError::Source);
    bar.set_length(total_rows.map_err(failure)?);
    show(&bar);
    copy.carry().map_err(failure)?;
    let outcome = match copy.compare().map_err(failure)? {
        Outcome::Same => copy.finish().map_err(failure)?,
        different @ Outcome::Different(_) => different,
    };
    bar.finish_and_clear();
    match outcome {
        Outcome::Same => {
            super::tell(&format!(
                "{} (--to) has all that {} (--from) has.",
                to.database, from.database
            ));
            Ok(())
        }
        Outcome::Different(table) => Err(Failure::configuration(format!(
            "the databases differ in the table {table}: was a server running, or the target not empty? Copy into an empty database again"
        ))),
    }
}

/// A failure of what is read: both sides may be called the PostgreSQL database.
fn of_source(mut failure: Failure) -> Failure {
    failure.message.insert_str(0, "--from: ");
    failure
}

/// A failure of what is written.
fn of_target(mut failure: Failure) -> Failure {
    failure.message.insert_str(0, "--to: ");
    failure
}

/// Draws the bar from now on, when somebody looks at it.
fn show(bar: &ProgressBar) {
    let style = ProgressStyle::with_template(
        "{msg} {wide_bar} {human_pos} of {human_len} rows, {eta} left",
    );
    if let Ok(style) = style {
        bar.set_style(style);
    }
    // On anything but a terminal nothing is drawn.
    bar.set_draw_target(ProgressDrawTarget::stderr());
}

fn open(
    place: &DatabaseUrl,
    directory: impl Fn(&Path) -> Result<DataDirectory, Failure>,
) -> Result<Side, Failure> {
    if let Some(path) = place.as_path() {
        let directory = directory(&path)?;
        let lock = directory.lock()?;
        return Ok(Side {
            database: Database::Sqlite(directory.database()),
            _lock: Some(lock),
        });
    }
    let settings = DataSettings {
        database_url: Some(place.clone()),
        data_dir: PathBuf::new(),
    };
    Ok(Side {
        database: settings.database()?,
        _lock: None,
    })
}
