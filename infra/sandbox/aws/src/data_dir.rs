//! The emulators' files, in the caller's directory or in a temporary directory that is deleted when the emulators stop.
//!
//! Layout: `dynamodb.sqlite`, `s3/`, `queues.json`, `secrets.json`, `kms.json` and `lock`, which only one process can
//! hold.

use crate::error::Error;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

pub(crate) enum DataDir {
    /// Kept across restarts, locked while in use.
    Persistent { path: PathBuf, _lock: File },
    /// For S3 only: all other state is in memory.
    Temporary(tempfile::TempDir),
}

impl DataDir {
    pub(crate) fn open(path: Option<&Path>) -> Result<DataDir, Error> {
        let Some(path) = path else {
            let folder = tempfile::Builder::new().prefix("sandbox-aws-").tempdir();
            return folder
                .map(DataDir::Temporary)
                .map_err(|source| failed(&std::env::temp_dir(), source));
        };
        std::fs::create_dir_all(path).map_err(|source| failed(path, source))?;
        let lock = lock(path)?;
        Ok(DataDir::Persistent {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// The path of a kept file; `None` in a temporary directory.
    pub(crate) fn persistent_path(&self, name: &str) -> Option<PathBuf> {
        match self {
            DataDir::Persistent { path, .. } => Some(path.join(name)),
            DataDir::Temporary(_) => None,
        }
    }

    /// The folder `name`, created if it does not exist.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf, Error> {
        let root = match self {
            DataDir::Persistent { path, .. } => path.as_path(),
            DataDir::Temporary(folder) => folder.path(),
        };
        let folder = root.join(name);
        std::fs::create_dir_all(&folder).map_err(|source| failed(&folder, source))?;
        Ok(folder)
    }
}

fn lock(path: &Path) -> Result<File, Error> {
    let file = path.join("lock");
    let opened = OpenOptions::new().create(true).truncate(false).write(true).open(&file);
    let lock = opened.map_err(|source| failed(&file, source))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Error::DataDirInUse { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(&file, source)),
    }
}

/// Reads a file that [`save`] wrote; `None` if the file does not exist.
pub(crate) fn load<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(failed(path, source)),
    };
    let parsed = serde_json::from_slice(&bytes);
    parsed.map(Some).map_err(|source| Error::Damaged {
        path: path.to_owned(),
        source,
    })
}

/// Replaces the file in one step, so that a crash leaves either the old or the new file. Only this Unix user may read
/// the file.
pub(crate) fn save(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(&serde_json::to_vec(value)?)?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(|source| failed(path, source))
}

pub(crate) fn failed(path: &Path, source: std::io::Error) -> Error {
    Error::DataDir {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_sandbox_in_the_same_directory_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let first = DataDir::open(Some(folder.path())).unwrap();
        assert!(matches!(
            DataDir::open(Some(folder.path())),
            Err(Error::DataDirInUse { .. })
        ));
        drop(first);
        assert!(DataDir::open(Some(folder.path())).is_ok());
    }

    #[test]
    fn damaged_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queues.json");
        assert!(load::<Vec<u8>>(&path).unwrap().is_none());
        std::fs::write(&path, b"[1, 2").unwrap();
        assert!(matches!(load::<Vec<u8>>(&path), Err(Error::Damaged { .. })));
        save(&path, &vec![1u8, 2]).unwrap();
        assert_eq!(load::<Vec<u8>>(&path).unwrap(), Some(vec![1, 2]));
    }
}
