//! Every file in which S3 stores something: objects, their attributes, and unfinished uploads. Proofs search and count
//! them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fs::read_dir;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

/// Lists the files. Cheap to clone.
#[derive(Debug, Clone)]
pub struct StoredFiles {
    root: PathBuf,
}

/// A file of S3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// For an object, `<bucket>/<key>`. For an unfinished upload, `.upload-<id>.json`. Other files belong to an object
    /// or an upload.
    pub name: String,
    /// The file itself.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
}

impl StoredFiles {
    pub(super) fn new(root: &Path) -> StoredFiles {
        StoredFiles { root: root.to_owned() }
    }

    /// Every file, except the attributes that `s3s-fs` keeps of deleted objects. A file that another request deletes
    /// meanwhile may be missing.
    pub fn list(&self) -> Result<Vec<StoredFile>, Error> {
        let (mut files, mut folders) = (Vec::new(), vec![self.root.clone()]);
        while let Some(folder) = folders.pop() {
            let Some(entries) = unless_deleted(read_dir(&folder))? else {
                continue;
            };
            for entry in entries {
                let path = entry?.path();
                match unless_deleted(path.metadata())? {
                    Some(metadata) if metadata.is_dir() => folders.push(path),
                    Some(metadata) => {
                        let name = path.strip_prefix(&self.root).unwrap_or(&path);
                        let name = name.to_string_lossy().into_owned();
                        if object_of(&name).is_none_or(|object| self.root.join(object).exists()) {
                            let bytes = metadata.len();
                            files.push(StoredFile { name, path, bytes });
                        }
                    }
                    None => {}
                }
            }
        }
        Ok(files)
    }
}

fn unless_deleted<T>(read: Result<T, Error>) -> Result<Option<T>, Error> {
    match read {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

/// The object, as `<bucket>/<key>`, to which a file with attributes belongs. `s3s-fs` names the file
/// `.bucket-<bucket>.object-<key>.<kind>.json`, both in base64. The files of uploads belong to no object.
fn object_of(name: &str) -> Option<String> {
    let (bucket, rest) = name.strip_prefix(".bucket-")?.split_once(".object-")?;
    let (key, kind) = rest.split_once('.')?;
    let decode = |text: &str| String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok();
    let object = format!("{}/{}", decode(bucket)?, decode(key)?);
    (!kind.starts_with("upload-")).then_some(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_deleted_objects_are_not_listed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let attributes = |key: &str, kind: &str| {
            let [bucket, key] = ["b", key].map(|text| URL_SAFE_NO_PAD.encode(text));
            format!(".bucket-{bucket}.object-{key}.{kind}.json")
        };
        let kept = [
            "b/f/kept".to_owned(),
            attributes("f/kept", "metadata"),
            attributes("f/new", "upload-1.metadata"),
        ];
        std::fs::create_dir_all(root.join("b/f")).unwrap();
        for name in kept.iter().chain([&attributes("f/gone", "metadata")]) {
            std::fs::write(root.join(name), b"abc").unwrap();
        }
        let files = StoredFiles::new(root).list().unwrap();
        let mut listed: Vec<_> = files.into_iter().map(|file| file.name).collect();
        listed.sort_by_key(|name| kept.iter().position(|other| other == name));
        assert_eq!(listed, kept);
    }
}
