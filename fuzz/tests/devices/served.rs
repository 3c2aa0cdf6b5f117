//! What the file systems of tests have in common: being mounted, and what the kernel is told
//! of their files.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use fuser::{BackgroundSession, Config, FileAttr, FileType, Filesystem, INodeNo, MountOption};

/// A file system of this process, mounted until it is dropped. What is mounted from its
/// files has to be unmounted before.
pub struct Serving {
    folder: PathBuf,
    session: Option<BackgroundSession>,
}

impl fmt::Debug for Serving {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Serving").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Serving {
    /// Mounts it under a name, at a directory that is made.
    pub fn new(name: &str, folder: &Path, served: impl Filesystem + 'static) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName(name.to_owned())];
        let session = fuser::spawn_mount(served, folder, &config).unwrap();
        super::serves(folder);
        Self { folder: folder.to_owned(), session: Some(session) }
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(session) = self.session.take()
            && let Err(error) = session.umount_and_join()
        {
            println!("{}: not unmounted: {error}", self.folder.display());
        }
    }
}

/// What the kernel is told of the directory, which has the first number, or of a file.
pub fn about(file: INodeNo, size: u64) -> FileAttr {
    let folder = file == INodeNo::ROOT;
    FileAttr {
        ino: file,
        size,
        blocks: size.div_ceil(512),
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind: if folder { FileType::Directory } else { FileType::RegularFile },
        perm: if folder { 0o700 } else { 0o600 },
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}
