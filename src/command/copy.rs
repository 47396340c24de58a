//! `credence copy`.

use std::path::{Path, PathBuf};

use clap::Args;
use credence::config::{DataSettings, DatabaseUrl};
use credence::data_directory::{DataDirectory, DataDirectoryLock};
use credence::failure::Failure;
use credence::keyring_start::{inspect, migrate_unfinished, store_failure};
use credence::store::connection::{Database, DatabaseConnection};
use credence::store::copy::{DatabaseCopy, Outcome, Progress};
use credence::store::error::StoreError;
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
    if inspect(&from.database)?.is_none() {
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
    migrate_unfinished(&to.database)?;
    let mut reads = connect(&from.database)?;
    let mut writes = connect(&to.database)?;
    let bar = ProgressBar::hidden();
    let mut tell = |progress: Progress| {
        bar.set_message(progress.doing);
        bar.set_position(progress.rows);
    };
    let read_failure = |error| store_failure(&from.database, error);
    let mut copy = DatabaseCopy::new(&mut reads, &mut writes, &mut tell).map_err(read_failure)?;
    bar.set_length(copy.total_rows().map_err(read_failure)?);
    show(&bar);
    copy.carry().map_err(|error| match error {
        StoreError::NotUnique | StoreError::NoReferent => Failure::configuration(
            "the target has rows of another database: copy into an empty one",
        ),
        error => store_failure(&to.database, error),
    })?;
    let outcome = copy.compare().map_err(read_failure)?;
    bar.finish_and_clear();
    match outcome {
        Outcome::Same => {
            super::tell(&format!(
                "{} has all that {} has.",
                to.database, from.database
            ));
            Ok(())
        }
        Outcome::Different(table) => Err(Failure::configuration(format!(
            "the databases differ in the table {table}: was a server running, or the target not empty? Copy into an empty database again"
        ))),
    }
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

fn connect(database: &Database) -> Result<DatabaseConnection, Failure> {
    database
        .connect()
        .map_err(|error| store_failure(database, error))
}
