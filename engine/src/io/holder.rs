//! Who holds the lock, read out of the table of locks that Linux shows.
//!
//! Only the text is looked at here; which file it comes from is in `os`.

/// One process that holds a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) pid: u32,
    /// Whether it is the writer's lock, and not one that several may hold.
    pub(super) exclusive: bool,
}

/// The holder of the lock on the file with this number; of several that share it,
/// the first.
pub(super) fn find(table: &str, inode: u64) -> Option<Holder> {
    let inode = inode.to_string();
    table.lines().find_map(|line| holder(line, &inode))
}

/// Reads "1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF". One who waits for a lock
/// has an arrow behind the number.
fn holder(line: &str, inode: &str) -> Option<Holder> {
    let mut words = line.split_ascii_whitespace().skip(1);
    if words.next()? != "FLOCK" {
        return None;
    }
    let exclusive = words.nth(1)? == "WRITE";
    let pid = words.next()?.parse().ok()?;
    let file = words.next()?;
    (file.rsplit(':').next()? == inode).then_some(Holder { pid, exclusive })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
1: POSIX  ADVISORY  WRITE 11 08:01:500 0 EOF
2: FLOCK  ADVISORY  READ  12 08:01:501 0 EOF
2: FLOCK  ADVISORY  READ  13 08:01:501 0 EOF
3: FLOCK  ADVISORY  WRITE 14 08:01:500 0 EOF
3: -> FLOCK  ADVISORY  WRITE 15 08:01:502 0 EOF
4: OFDLCK ADVISORY  READ -1 08:01:503 0 EOF
";

    #[test]
    fn only_who_has_a_lock_of_this_kind_on_this_file_holds_it() {
        assert_eq!(find(TABLE, 500), Some(Holder { pid: 14, exclusive: true }));
        assert_eq!(find(TABLE, 501), Some(Holder { pid: 12, exclusive: false }));
        assert_eq!(find(TABLE, 502), None, "it only waits");
        assert_eq!(find(TABLE, 503), None);
        assert_eq!(find(TABLE, 50), None);
        assert_eq!(find("", 500), None);
    }
}
