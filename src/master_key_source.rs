//! Where master keys come from: systemd, a file, a command, or an environment variable, in this order of preference. Each gives text with
//! one key a line; several keys are given while one takes the place of another, or when a recovery key is needed.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use crate::config::{MasterKeySettings, ProgramSetting};
use crate::crypto::keyring::KeyringError;
use crate::crypto::keyring_change::SLOT_LIMIT;
use crate::crypto::master_key::MasterKey;
use crate::crypto::wrapping::WrappingKey;
use crate::data_directory::{SYSTEMD_DIRECTORY, read_secret_file};
use crate::failure::{Failure, FailureKind};

/// What the master key is called in systemd's directory of credentials.
const SYSTEMD_NAME: &str = "kek";

/// How long a command may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(10);
/// How much it may print, in bytes.
const COMMAND_OUTPUT_LIMIT_BYTES: u64 = 4 * 1024;
/// How often it is looked whether it has ended.
const COMMAND_INTERVAL: Duration = Duration::from_millis(5);

/// A place that master keys come from.
#[derive(Clone, Debug)]
enum Place {
    Systemd(PathBuf),
    File(PathBuf),
    Command(ProgramSetting),
    Variable(String),
}

/// The places that master keys come from.
#[derive(Clone, Debug)]
pub struct MasterKeySource(Vec<Place>);

impl MasterKeySource {
    /// What the settings and the environment name; `None` when they name nothing.
    #[must_use]
    pub fn find(settings: &MasterKeySettings) -> Option<Self> {
        let by_systemd = std::env::var_os(SYSTEMD_DIRECTORY)
            .map(|directory| Path::new(&directory).join(SYSTEMD_NAME))
            .filter(|path| path.exists());
        let places: Vec<Place> = if let Some(path) = by_systemd {
            vec![Place::Systemd(path)]
        } else if !settings.master_key_file.is_empty() {
            let files = settings.master_key_file.iter().cloned();
            files.map(Place::File).collect()
        } else if let Some(program) = &settings.master_key_command {
            vec![Place::Command(program.clone())]
        } else {
            let variable = settings.master_key_variable.iter().cloned();
            variable.map(Place::Variable).collect()
        };
        (!places.is_empty()).then_some(Self(places))
    }

    /// One file.
    #[must_use]
    pub fn file(path: PathBuf) -> Self {
        Self(vec![Place::File(path)])
    }

    /// These places, and files beside them.
    #[must_use]
    pub fn with_files(mut self, files: &[PathBuf]) -> Self {
        self.0.extend(files.iter().cloned().map(Place::File));
        self
    }

    /// Reads the keys.
    ///
    /// # Errors
    /// [`FailureKind::Configuration`] when one cannot be read, is none, or there are more than four.
    pub fn read(&self) -> Result<Vec<WrappingKey>, Failure> {
        let mut keys: Vec<WrappingKey> = Vec::new();
        for place in &self.0 {
            for key in place.read()? {
                if keys.iter().all(|known| known.id() != key.id()) {
                    keys.push(key);
                }
            }
        }
        if i32::try_from(keys.len()).is_ok_and(|count| count <= SLOT_LIMIT) {
            Ok(keys)
        } else {
            Err(Failure::configuration(format!(
                "more than {SLOT_LIMIT} master keys are given: a keyring has no more than that"
            )))
        }
    }
}

impl Place {
    fn name(&self) -> String {
        match self {
            Self::Systemd(path) | Self::File(path) => path.display().to_string(),
            Self::Command(_) => "what --master-key-command printed".to_owned(),
            Self::Variable(name) => format!("the environment variable {name}"),
        }
    }

    fn read(&self) -> Result<Vec<WrappingKey>, Failure> {
        let content = match self {
            Self::Systemd(path) => read_secret_file(path)?,
            Self::File(path) => {
                check_directories(path)?;
                read_secret_file(path)?
            }
            Self::Command(program) => run(program)?,
            Self::Variable(name) => read_variable(name)?,
        };
        self.parse(&content)
    }

    fn parse(&self, content: &[u8]) -> Result<Vec<WrappingKey>, Failure> {
        let text = str::from_utf8(content).unwrap_or_default();
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let mut keys = Vec::new();
        for line in lines {
            let key = MasterKey::parse(line)
                .map_err(|problem| Failure::configuration(format!("{} {problem}", self.name())))?;
            keys.push(WrappingKey::of(&key).map_err(|error| no_wrapping_key(&error))?);
        }
        if keys.is_empty() {
            return Err(Failure::configuration(format!(
                "{} has no master key in it",
                self.name()
            )));
        }
        Ok(keys)
    }
}

fn no_wrapping_key(error: &KeyringError) -> Failure {
    Failure::new(FailureKind::Software, error.to_string())
}

/// A file is as safe as the directory that it is in, and a link also as the one that it leads to: who can write there can put another file
/// in its place. Where the directory is sticky, they can not: it keeps files for their owners, and who owns a key file is looked at.
/// Orchestrators mount secrets in such directories.
fn check_directories(path: &Path) -> Result<(), Failure> {
    let Ok(file) = path.canonicalize() else {
        // What keeps it from being found is told by who opens it.
        return Ok(());
    };
    let own = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    for directory in [
        own.unwrap_or(Path::new(".")),
        file.parent().unwrap_or(&file),
    ] {
        let metadata = directory.metadata();
        let mode = metadata
            .map_err(|error| Failure::file(directory, "read", &error))?
            .mode();
        if mode & 0o022 != 0 && mode & 0o1000 == 0 {
            return Err(Failure::configuration(format!(
                "{} lies in {}, where others can write: put the key where only its owner can",
                path.display(),
                directory.display()
            )));
        }
    }
    Ok(())
}

fn read_variable(name: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let value = std::env::var_os(name).ok_or_else(|| {
        Failure::configuration(format!(
            "the environment variable {name}, which --master-key-variable names, is not set"
        ))
    })?;
    tracing::warn!(
        variable = name,
        "the master key stands in the environment, which other processes of this user can read in /proc as long as this one runs: a \
         file or a command keeps it better"
    );
    Ok(Zeroizing::new(value.into_encoded_bytes()))
}

/// Runs a command, without a shell and with an empty environment, and takes what it prints.
fn run(program: &ProgramSetting) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let failure = |what: &str| {
        Failure::configuration(format!(
            "--master-key-command: {} {what}",
            program.path().display()
        ))
    };
    let began_at = Instant::now();
    let mut child = Command::new(program.path())
        .args(program.arguments())
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| failure(&format!("cannot be started: {}", error.kind())))?;
    let output = child.stdout.take();
    let reader = thread::spawn(move || {
        // With room for all of it, so that no copy of a part stays behind.
        let capacity = usize::try_from(COMMAND_OUTPUT_LIMIT_BYTES).unwrap_or_default();
        let mut content = Zeroizing::new(Vec::with_capacity(capacity.saturating_add(1)));
        let read = output.map(|output| {
            output
                .take(COMMAND_OUTPUT_LIMIT_BYTES.saturating_add(1))
                .read_to_end(&mut content)
        });
        read.is_some_and(|read| read.is_ok()).then_some(content)
    });
    let Some(succeeded) = wait(&mut child, began_at) else {
        return Err(failure("took longer than 10 seconds"));
    };
    if !succeeded {
        return Err(failure("failed"));
    }
    // Who still holds its output open is not waited for.
    while !reader.is_finished() {
        if began_at.elapsed() > COMMAND_LIMIT {
            return Err(failure("has ended, and its output has not"));
        }
        thread::sleep(COMMAND_INTERVAL);
    }
    let content = reader.join().ok().flatten();
    let content = content.ok_or_else(|| failure("printed what cannot be read"))?;
    let length = u64::try_from(content.len()).unwrap_or(u64::MAX);
    if length > COMMAND_OUTPUT_LIMIT_BYTES {
        return Err(failure("printed more than 4 KiB"));
    }
    Ok(content)
}

/// Whether a command succeeded; `None` when it took too long, and was killed.
fn wait(child: &mut Child, began_at: Instant) -> Option<bool> {
    while began_at.elapsed() < COMMAND_LIMIT {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status.success()),
            Ok(None) => thread::sleep(COMMAND_INTERVAL),
            Err(_error) => return Some(false),
        }
    }
    let _killed = child.kill();
    let _reaped = child.wait();
    None
}
