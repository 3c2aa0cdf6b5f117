//! File systems in image files, mounted through loop devices.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use super::run;

/// What an image is formatted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Ext4,
    /// Without a journal: a mount after a power cut repairs nothing.
    Ext4WithoutJournal,
    Xfs,
}

impl Kind {
    /// What makes it.
    pub fn program(self) -> &'static str {
        match self {
            Self::Ext4 | Self::Ext4WithoutJournal => "mkfs.ext4",
            Self::Xfs => "mkfs.xfs",
        }
    }

    /// The smallest that holds a few logs, in bytes. XFS makes none below 300 MiB.
    pub fn bytes(self) -> u64 {
        match self {
            Self::Ext4 | Self::Ext4WithoutJournal => 64 << 20,
            Self::Xfs => 300 << 20,
        }
    }

    /// Makes a sparse file of `bytes` with an empty file system in it.
    pub fn make(self, image: &Path, bytes: u64) {
        File::create(image).unwrap().set_len(bytes).unwrap();
        let image = image.to_str().unwrap();
        let arguments: &[&str] = match self {
            Self::Ext4 => &["-q", "-F", image],
            Self::Ext4WithoutJournal => &["-q", "-F", "-O", "^has_journal", image],
            Self::Xfs => &["-q", "-f", image],
        };
        run(self.program(), arguments).unwrap();
    }

    /// How it is mounted from a file: the loop device goes away with the mount. Copies of
    /// one XFS share its identity, which it would refuse.
    pub fn options(self) -> &'static str {
        match self {
            Self::Ext4 | Self::Ext4WithoutJournal => "loop",
            Self::Xfs => "loop,nouuid",
        }
    }
}

/// A mount, until it is dropped.
#[derive(Debug)]
pub struct Mounted {
    at: PathBuf,
}

impl Mounted {
    /// Mounts an image at a directory, which is made if it is missing. The journal is
    /// played back by this.
    pub fn image(kind: Kind, image: &Path, at: &Path) -> Self {
        Self::new(&["-o", kind.options(), image.to_str().unwrap()], at)
    }

    /// Mounts with these arguments of `mount`.
    pub fn new(arguments: &[&str], at: &Path) -> Self {
        Self::try_new(arguments, at).unwrap()
    }

    /// The same, where the system may not know what is asked for.
    pub fn try_new(arguments: &[&str], at: &Path) -> io::Result<Self> {
        fs::create_dir_all(at)?;
        run("mount", &[arguments, &[at.to_str().unwrap()]].concat())?;
        Ok(Self { at: at.to_owned() })
    }

    pub fn path(&self) -> &Path {
        &self.at
    }

    /// Ends all writing to the device as a power cut would: at once, and without the log of
    /// the file system being flushed. Everything that is called there fails from now on.
    pub fn cut_power(&self) {
        run("xfs_io", &["-x", "-c", "shutdown", self.at.to_str().unwrap()]).unwrap();
    }
}

impl Drop for Mounted {
    /// Somebody who just died may still be giving back what he had open. What is busy for
    /// good is taken out of sight, and goes when its last user goes.
    fn drop(&mut self) {
        let at = self.at.to_str().unwrap_or_default();
        for _ in 0..100 {
            if run("umount", &[at]).is_ok() {
                return;
            }
            sleep(Duration::from_millis(20));
        }
        println!("{at} is busy and is unmounted lazily");
        drop(run("umount", &["--lazy", at]));
    }
}
