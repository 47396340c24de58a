//! The program that `credence run` is to become. It is looked for before anything is resolved: what nobody can start uses no credential.

use std::env;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use credence::failure::{Failure, FailureKind};
use rustix::fs::{Access, AtFlags, CWD, accessat};

/// A program, and where it may be.
pub struct Program<'a> {
    name: &'a OsStr,
    /// `None` when it is not known where it is looked for.
    places: Option<Vec<PathBuf>>,
}

impl<'a> Program<'a> {
    /// A program by its path or its name. `has_path` tells whether the variable `PATH` is to be another one.
    ///
    /// # Errors
    /// [`FailureKind::Usage`] for an empty name.
    pub fn new(name: &'a OsStr, has_path: bool) -> Result<Self, Failure> {
        if name.is_empty() {
            let message = "the command behind -- is empty";
            return Err(Failure::new(FailureKind::Usage, message));
        }
        let is_path = name.as_encoded_bytes().contains(&b'/');
        let path = if has_path { None } else { env::var_os("PATH") };
        let places = if is_path {
            Some(vec![PathBuf::from(name)])
        } else {
            path.map(|path| {
                let directories = env::split_paths(&path);
                directories.map(|directory| directory.join(name)).collect()
            })
        };
        Ok(Self { name, places })
    }

    /// Lets pass a program that can be started, as far as that is known.
    ///
    /// # Errors
    /// [`FailureKind::CommandNotFound`] and [`FailureKind::CommandNotExecutable`].
    pub fn check(&self) -> Result<(), Failure> {
        let Some(places) = &self.places else {
            return Ok(());
        };
        if places.iter().any(|place| is_executable(place)) {
            return Ok(());
        }
        let kind = if places.iter().any(|place| place.exists()) {
            ErrorKind::PermissionDenied
        } else {
            ErrorKind::NotFound
        };
        Err(self.failure(kind))
    }

    /// Why it was not started, with the exit code that shells have for it.
    pub fn failure(&self, kind: ErrorKind) -> Failure {
        let program = Path::new(self.name).display();
        let is_there = |place: &PathBuf| is_executable(place);
        let is_found = self.places.iter().flatten().any(is_there);
        match kind {
            ErrorKind::NotFound if is_found => Failure::new(
                FailureKind::CommandNotExecutable,
                format!(
                    "the command {program} cannot be executed: the interpreter that its first line names, or the loader of the \
                     system that it was built for, is missing"
                ),
            ),
            ErrorKind::NotFound => Failure::new(
                FailureKind::CommandNotFound,
                format!("there is no command {program}: look at its name, and at PATH"),
            ),
            kind => Failure::new(
                FailureKind::CommandNotExecutable,
                format!("the command {program} cannot be executed: {kind}"),
            ),
        }
    }
}

fn is_executable(path: &Path) -> bool {
    path.is_file() && accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS).is_ok()
}
