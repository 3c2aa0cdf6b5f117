//! What a store takes: bytes on disk, and memory of this process. Linux tells it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use annals_benches::Result;

/// What the kernel counts a file's blocks in, whatever the file system's are.
const BLOCK_BYTES: u64 = 512;

/// Bytes that the files below a directory take on the device: what is preallocated counts,
/// holes do not.
///
/// # Errors
/// If the directory cannot be read.
pub fn allocated_bytes(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let found = entry.metadata()?;
        bytes += if found.is_dir() {
            allocated_bytes(&entry.path())?
        } else {
            found.blocks() * BLOCK_BYTES
        };
    }
    Ok(bytes)
}

/// Memory of this process that no file stands behind, in bytes.
///
/// # Errors
/// If the system does not tell it.
pub fn anonymous_bytes() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).ok_or("no RssAnon is told")?;
    Ok(kib.parse::<u64>()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allocated_counts_and_holes_do_not() {
        let directory = tempfile::tempdir().unwrap();
        let inner = directory.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let hole = fs::File::create(inner.join("hole")).unwrap();
        hole.set_len(1 << 30).unwrap();
        fs::write(inner.join("bytes"), vec![1; 100_000]).unwrap();
        fs::File::open(inner.join("bytes")).unwrap().sync_all().unwrap();
        let bytes = allocated_bytes(directory.path()).unwrap();
        assert!((100_000..1 << 20).contains(&bytes), "{bytes}");
    }

    #[test]
    fn memory_that_was_touched_is_counted() {
        let before = anonymous_bytes().unwrap();
        let memory = std::hint::black_box(vec![1_u8; 32 << 20]);
        assert!(anonymous_bytes().unwrap() >= before + (24 << 20));
        drop(memory);
    }
}
