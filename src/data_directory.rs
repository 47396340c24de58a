//! The data directory: the database, the lock of the server, and the keys of local mode. Nobody but its owner may read it.

use std::fs::{DirBuilder, File, OpenOptions, hard_link, remove_file};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::process::{Gid, getegid, geteuid, getgroups};
use zeroize::Zeroizing;

use crate::crypto::master_key::MasterKey;
use crate::failure::{Failure, FailureKind};

/// The largest key file, in bytes: a key set of fifty keys has room in it.
const KEY_FILE_LIMIT_BYTES: u64 = 256 * 1024;
/// The largest file of certificates, in bytes: all those that a system trusts have room in it.
const CERTIFICATE_FILE_LIMIT_BYTES: u64 = 1024 * 1024;

/// The name of the database file in a data directory.
pub const DATABASE_FILE: &str = "credence.db";

/// What systemd calls the directory of a service's credentials (systemd.exec, `LoadCredential=`).
pub const SYSTEMD_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

const NONBLOCK: i32 = OFlags::NONBLOCK.bits().cast_signed();

/// A data directory that exists.
#[derive(Clone, Debug)]
pub struct DataDirectory {
    path: PathBuf,
}

impl DataDirectory {
    /// Opens a data directory, and makes it when it does not exist.
    ///
    /// # Errors
    /// [`FailureKind::InputOutput`] when it cannot be made; [`FailureKind::Configuration`] when it is no directory, or others can write
    /// into it.
    pub fn create(path: &Path) -> Result<Self, Failure> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => {
                Failure::configuration(format!("{} is no directory", path.display()))
            }
            _ => Failure::file(path, "made a data directory", &error),
        })?;
        let metadata = path
            .metadata()
            .map_err(|error| Failure::file(path, "read", &error))?;
        if metadata.mode() & 0o022 != 0 {
            return Err(Failure::configuration(format!(
                "others can write into the data directory {}: run `chmod 700` on it",
                path.display()
            )));
        }
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// Opens a data directory that must exist.
    ///
    /// # Errors
    /// [`FailureKind::Configuration`] when it does not.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        if path.is_dir() {
            return Ok(Self {
                path: path.to_owned(),
            });
        }
        Err(Failure::configuration(format!(
            "there is no data directory {}: start `credence serve` once, or name another one with --data-dir",
            path.display()
        )))
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The database file.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.path.join(DATABASE_FILE)
    }

    /// Where local mode keeps its master key.
    #[must_use]
    pub fn master_key(&self) -> PathBuf {
        self.path.join("master.key")
    }

    /// Where local mode keeps the key that signs its tokens.
    #[must_use]
    pub fn signing_key(&self) -> PathBuf {
        self.path.join("signing.key")
    }

    /// Makes an empty database file that only its owner may read, unless there is one: SQLite gives the files beside it the
    /// same mode.
    ///
    /// # Errors
    /// [`FailureKind::InputOutput`] when it cannot be made.
    pub fn touch_database(&self) -> Result<(), Failure> {
        let path = self.database();
        match new_private_file(&path) {
            Ok(_file) => Ok(()),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(Failure::file(&path, "made", &error)),
        }
    }

    /// Takes the directory for one server. The lock goes with the process, however it ends.
    ///
    /// # Errors
    /// [`FailureKind::DataDirectoryInUse`] when another server has it.
    pub fn lock(&self) -> Result<DataDirectoryLock, Failure> {
        let path = self.path.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| Failure::file(&path, "opened", &error))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(DataDirectoryLock { file }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(Failure::new(
                FailureKind::DataDirectoryInUse,
                format!(
                    "another server has the data directory {}: stop it, or give this one another --data-dir",
                    self.path.display()
                ),
            )),
            Err(error) => Err(Failure::file(&path, "locked", &error.into())),
        }
    }
}

/// The lock on a data directory, held as long as this lives.
#[derive(Debug)]
pub struct DataDirectoryLock {
    file: File,
}

impl Drop for DataDirectoryLock {
    fn drop(&mut self) {
        // Not by closing the file alone: a process that is just being started has it open, too, until it is executed.
        let _unlocked = flock(&self.file, FlockOperation::Unlock);
    }
}

/// Reads a file with a secret key in it. Nobody else may be able to read it, unless it is root's, who gave it to a group of this process:
/// so orchestrators hand secrets to a container that runs as another user. What systemd hands on is in memory, and for the service alone,
/// whatever its mode says, which shows the mask of an access control list there.
///
/// # Errors
/// [`FailureKind::Configuration`] when it is missing, not a file, too large, another user's, or readable by others.
pub fn read_secret_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let file = open_file(path, KEY_FILE_LIMIT_BYTES)?;
    if is_handed_on_by_systemd(path) {
        return read_all(path, file, KEY_FILE_LIMIT_BYTES);
    }
    let metadata = file
        .metadata()
        .map_err(|error| Failure::file(path, "read", &error))?;
    let access = Access {
        owner: metadata.uid(),
        group: metadata.gid(),
        mode: metadata.mode(),
    };
    let refused = access.refused_for(&Reader::present());
    refused.map_or(Ok(()), |why| {
        Err(Failure::configuration(format!("{} {why}", path.display())))
    })?;
    read_all(path, file, KEY_FILE_LIMIT_BYTES)
}

/// Who may do what with a file.
#[derive(Clone, Copy)]
struct Access {
    owner: u32,
    group: u32,
    mode: u32,
}

/// The user and the groups of a process.
struct Reader {
    user: u32,
    groups: Vec<u32>,
}

impl Reader {
    fn present() -> Self {
        let groups = getgroups().unwrap_or_default();
        let groups = groups.into_iter().chain([getegid()]);
        Self {
            user: geteuid().as_raw(),
            groups: groups.map(Gid::as_raw).collect(),
        }
    }
}

impl Access {
    /// Why a file with these rights keeps no secret of a process; `None` when it does.
    fn refused_for(self, reader: &Reader) -> Option<&'static str> {
        let Self { owner, group, mode } = self;
        if owner != 0 && owner != reader.user {
            return Some(
                "belongs to another user: only this server's user or root may own a secret key",
            );
        }
        // Root needs no group to read what is root's own.
        let is_handed_on = owner == 0 && reader.user != 0 && reader.groups.contains(&group);
        let of_others = if is_handed_on { 0o037 } else { 0o077 };
        (mode & of_others != 0).then_some("can be read by others: run `chmod 600` on it")
    }
}

fn is_handed_on_by_systemd(path: &Path) -> bool {
    std::env::var_os(SYSTEMD_DIRECTORY)
        .is_some_and(|directory| path.parent() == Some(Path::new(&directory)))
}

/// Reads a file with public keys in it.
///
/// # Errors
/// [`FailureKind::Configuration`] when it is missing, not a file, or too large.
pub fn read_key_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let limit = KEY_FILE_LIMIT_BYTES;
    read_all(path, open_file(path, limit)?, limit)
}

/// Reads a file of certificates.
///
/// # Errors
/// [`FailureKind::Configuration`] when it is missing, not a file, or has more than 1 MiB.
pub fn read_certificate_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let limit = CERTIFICATE_FILE_LIMIT_BYTES;
    Ok(read_all(path, open_file(path, limit)?, limit)?.to_vec())
}

/// Makes a master key, in a new file.
///
/// # Errors
/// [`FailureKind::InputOutput`] when there is a file of the name already, or none can be written; [`FailureKind::Software`] when
/// the system's random source fails.
pub fn create_master_key_file(path: &Path) -> Result<MasterKey, Failure> {
    let key = MasterKey::generate().map_err(|_unavailable| {
        Failure::new(FailureKind::Software, "the system's random source failed")
    })?;
    write_secret_file(path, key.to_text().as_bytes())?;
    Ok(key)
}

/// Writes a new file that only its owner may read, durably. It is there whole or not at all.
///
/// # Errors
/// [`FailureKind::InputOutput`] when there is a file of the name already, or none can be written.
pub fn write_secret_file(path: &Path, content: &[u8]) -> Result<(), Failure> {
    write_new_file(path, |unfinished| {
        std::fs::write(unfinished, content).map_err(|error| Failure::file(path, "written", &error))
    })
}

/// Makes a new file that only its owner may read, durably. It is there whole or not at all: `write` gets the path of an empty one.
///
/// # Errors
/// What `write` fails with; [`FailureKind::InputOutput`] when there is a file of the name already, or none can be written.
pub fn write_new_file(
    path: &Path,
    write: impl FnOnce(&Path) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let failure = |error: io::Error| match error.kind() {
        ErrorKind::AlreadyExists => Failure::new(
            FailureKind::InputOutput,
            format!(
                "{} exists already: nothing is written over it",
                path.display()
            ),
        ),
        _ => Failure::file(path, "written", &error),
    };
    if path.exists() {
        return Err(failure(ErrorKind::AlreadyExists.into()));
    }
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let unfinished = Path::new(&unfinished);
    // What a process left that was killed while it wrote is of no use.
    let _removed = remove_file(unfinished);
    let file = new_private_file(unfinished).map_err(failure)?;
    let written = write(unfinished).and_then(|()| {
        let in_place = file.sync_all().and_then(|()| {
            // A link, other than a rename, is not made over a file that is there.
            hard_link(unfinished, path)?;
            sync_directory(path)
        });
        in_place.map_err(failure)
    });
    let _removed = remove_file(unfinished);
    written
}

/// Makes the name of a new file durable.
fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

/// Makes a file that only its owner may read.
fn new_private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

fn open_file(path: &Path, limit_bytes: u64) -> Result<File, Failure> {
    let configuration =
        |what: &str| Failure::configuration(format!("the file {} {what}", path.display()));
    // Without waiting: opening a pipe would wait for somebody who writes into it.
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(NONBLOCK)
        .open(path);
    let file = opened.map_err(|error| match error.kind() {
        ErrorKind::NotFound => configuration("does not exist"),
        kind => configuration(&format!("cannot be opened: {kind}")),
    })?;
    match file.metadata() {
        Ok(metadata) if !metadata.is_file() => Err(configuration("is no regular file")),
        Ok(metadata) if metadata.len() > limit_bytes => {
            let limit_kib = limit_bytes / 1024;
            Err(configuration(&format!("is larger than {limit_kib} KiB")))
        }
        Ok(_) => Ok(file),
        Err(error) => Err(Failure::file(path, "read", &error)),
    }
}

fn read_all(path: &Path, file: File, limit_bytes: u64) -> Result<Zeroizing<Vec<u8>>, Failure> {
    // With room for all of it, so that no copy of a part stays behind.
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let capacity = usize::try_from(length.min(limit_bytes)).unwrap_or_default();
    let mut content = Zeroizing::new(Vec::with_capacity(capacity.saturating_add(1)));
    file.take(limit_bytes)
        .read_to_end(&mut content)
        .map_err(|error| Failure::file(path, "read", &error))?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_its_owners_or_roots_who_gave_it_to_a_group_of_this_process() {
        const OWN: u32 = 65_532;
        let reader = |user: u32| Reader {
            user,
            groups: vec![OWN, 2_000],
        };
        for (user, owner, group, mode, is_kept) in [
            (OWN, OWN, OWN, 0o600, true),
            (OWN, OWN, OWN, 0o400, true),
            (OWN, 0, 0, 0o400, true),
            // As a volume of secrets is handed to a container.
            (OWN, 0, 2_000, 0o440, true),
            (OWN, 0, OWN, 0o640, true),
            (OWN, 0, 2_001, 0o440, false),
            (OWN, 0, 2_000, 0o460, false),
            (OWN, 0, 2_000, 0o450, false),
            (OWN, 0, 2_000, 0o444, false),
            (OWN, OWN, 2_000, 0o440, false),
            (OWN, 1_000, 2_000, 0o440, false),
            (OWN, 1_000, OWN, 0o400, false),
            (0, 0, 2_000, 0o440, false),
            (0, 0, 0, 0o600, true),
        ] {
            let access = Access { owner, group, mode };
            let refused = access.refused_for(&reader(user));
            assert_eq!(
                refused.is_none(),
                is_kept,
                "{user} {owner}:{group} {mode:o}"
            );
        }
    }
}
