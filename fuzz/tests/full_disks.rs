//! Logs on real disks that fill up, fail when they write back, or turn read-only.
//!
//! `ANNALS_FULL_DISKS` sets how often each of these is gone through, each time with other
//! sizes. What is full is a file system itself, a quota in it, or what lies below it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod devices;

use std::fs::{self, File};
use std::path::Path;

use annals::{
    Background, Batch, Durability, Error, Expected, Log, NewEvent, Options, Reader, Reading,
};
use annals_fuzz::numbers::Numbers;
use devices::mounts::{Kind, Mounted};
use devices::{alone, count, run, seed};

/// A log that is written to until it cannot be, and what is known of it.
#[derive(Debug, Clone)]
struct Writer {
    options: Options,
    /// Length of each event.
    len: usize,
    /// So many events were acknowledged as durable.
    acknowledged: u64,
}

impl Writer {
    fn new(numbers: &mut Numbers) -> Self {
        let background =
            if numbers.below(2) == 0 { Background::Inline } else { Background::Thread };
        let segment_bytes = [16 << 10, 64 << 10, 1 << 20][numbers.below(3) as usize];
        // What lies on a device that fails is read without a mapping: there the error
        // would be a signal.
        let options = Options::new()
            .background(background)
            .segment_bytes(segment_bytes)
            .reading(Reading::Pread);
        let len = [300, 900, 9_000][numbers.below(3) as usize];
        Self { options, len, acknowledged: 0 }
    }

    fn open(&self, path: &Path) -> Log {
        self.options.open(path).unwrap()
    }

    fn data(&self, position: u64) -> Vec<u8> {
        let mut numbers = Numbers::new(position);
        (0..self.len).map(|_| numbers.next() as u8).collect()
    }

    /// The next event is appended, and gets its number.
    fn append(&mut self, log: &Log) -> annals::Result<()> {
        let next = self.acknowledged + 1;
        let mut batch = Batch::new();
        let data = self.data(next);
        let event = NewEvent::new("Happened").data(&data);
        batch.write("s-1", Expected::Exact(self.acknowledged), [event]);
        let committed = log.append_with(&batch, Durability::Durable)?;
        assert_eq!(committed.first_position(), next);
        assert_eq!(committed.durability(), Durability::Durable);
        self.acknowledged = next;
        Ok(())
    }

    /// Appends until it is refused.
    fn fill(&mut self, log: &Log) -> Error {
        for _ in 0..1_000_000 {
            if let Err(error) = self.append(log) {
                return error;
            }
        }
        panic!("the disk does not get full");
    }

    /// Everything that was acknowledged can be read, and at most `more` events that were
    /// not.
    fn is_whole(&self, log: &Reader, more: u64) {
        let events = log.read("s-1").collect().unwrap();
        let found = events.len() as u64;
        assert!(
            (self.acknowledged..=self.acknowledged + more).contains(&found),
            "{found} {self:?}"
        );
        for (event, position) in events.iter().zip(1..) {
            let event = event.as_event();
            assert_eq!(event.position(), position);
            assert_eq!(event.data(), self.data(position), "{position}");
        }
    }
}

/// A file that takes up space, until it is removed.
fn ballast(path: &Path, bytes: u64) {
    let file = File::create(path).unwrap();
    let zeros = vec![1; 4096];
    for _ in 0..bytes / 4096 {
        if std::io::Write::write_all(&mut &file, &zeros).is_err() {
            break;
        }
    }
    drop(file.sync_all());
}

/// Fills the file system that is mounted there with a log: it says so before it uses a
/// number, is read meanwhile, and goes on where there is space again.
fn fills_up(at: &Path, log: &Path, numbers: &mut Numbers, more_space: impl Fn()) {
    let mut writer = Writer::new(numbers);
    let open = writer.open(log);
    let refused = writer.fill(&open);
    assert!(matches!(refused, Error::Full { .. }), "{at:?}, {writer:?}: {refused:?}");
    for _ in 0..3 {
        writer.is_whole(&open, 0);
        assert_eq!(open.head(), writer.acknowledged);
        // A smaller one may still find room; the same one does not until there is some.
        match writer.append(&open) {
            Ok(()) | Err(Error::Full { .. }) => {}
            Err(error) => panic!("{at:?}, {writer:?}: {error:?}"),
        }
    }
    more_space();
    for _ in 0..20 {
        writer.append(&open).unwrap();
    }
    writer.is_whole(&open, 0);
    open.close().unwrap();
    // Opened where no byte is left at all: it can be read, and appending is `Full`.
    ballast(&at.join("more"), 1 << 40);
    let open = writer.open(log);
    writer.is_whole(&open, 0);
    let refused = writer.fill(&open);
    assert!(matches!(refused, Error::Full { .. }), "{at:?}, {writer:?}: {refused:?}");
    fs::remove_file(at.join("more")).unwrap();
    writer.append(&open).unwrap();
    open.close().unwrap();
    writer.is_whole(&writer.open(log), 0);
}

/// Goes through it so often as is asked for.
fn each_time(name: &str, programs: &[&str], times: u64, go: impl Fn(&Path, &mut Numbers)) {
    alone(name, programs, |work| {
        let (times, seed) = (count("ANNALS_FULL_DISKS", times), seed());
        for time in 0..times {
            println!("ANNALS_SEED={seed}, time {time} of {times}");
            go(work, &mut Numbers::new(seed ^ time << 50));
        }
    });
}

#[test]
fn a_full_tmpfs_refuses_and_then_goes_on() {
    each_time("a_full_tmpfs_refuses_and_then_goes_on", &[], 3, |work, numbers| {
        let options = format!("size={}k", 1024 + 4 * numbers.below(1024));
        let mounted = Mounted::new(&["-t", "tmpfs", "-o", &options, "tmpfs"], &work.join("at"));
        let at = mounted.path();
        ballast(&at.join("ballast"), 512 << 10);
        fills_up(at, &at.join("log"), numbers, || fs::remove_file(at.join("ballast")).unwrap());
    });
}

#[test]
fn a_full_ext4_refuses_and_then_goes_on() {
    let programs = ["mkfs.ext4", "/dev/loop-control"];
    each_time("a_full_ext4_refuses_and_then_goes_on", &programs, 3, |work, numbers| {
        let image = work.join("image");
        Kind::Ext4.make(&image, (8 << 20) + 4096 * numbers.below(1024));
        let mounted = Mounted::image(Kind::Ext4, &image, &work.join("at"));
        let at = mounted.path();
        ballast(&at.join("ballast"), 2 << 20);
        fills_up(at, &at.join("log"), numbers, || fs::remove_file(at.join("ballast")).unwrap());
    });
}

#[test]
fn a_used_up_quota_refuses_and_then_goes_on() {
    let programs = ["mkfs.xfs", "xfs_quota", "chgrp", "chmod", "/dev/loop-control"];
    each_time("a_used_up_quota_refuses_and_then_goes_on", &programs, 1, |work, numbers| {
        let image = work.join("image");
        Kind::Xfs.make(&image, Kind::Xfs.bytes());
        let options = "loop,gquota";
        let arguments = ["-o", options, image.to_str().unwrap()];
        let Ok(mounted) = Mounted::try_new(&arguments, &work.join("at")) else {
            println!("skipped: a quota: this kernel's XFS has none");
            return;
        };
        let at = mounted.path();
        // XFS holds root to the quota of a group. What is made in the directory is of its
        // group.
        let folder = at.join("group");
        fs::create_dir(&folder).unwrap();
        run("chgrp", &["4711", folder.to_str().unwrap()]).unwrap();
        run("chmod", &["2700", folder.to_str().unwrap()]).unwrap();
        let limit = |size: &str| {
            let command = format!("limit -g bhard={size} 4711");
            run("xfs_quota", &["-x", "-c", &command, at.to_str().unwrap()]).unwrap();
        };
        limit("3m");
        let mut writer = Writer::new(numbers);
        fs::create_dir(folder.join("log")).unwrap();
        let open = writer.open(&folder.join("log"));
        let refused = writer.fill(&open);
        let Error::Full { source, .. } = &refused else { panic!("{writer:?}: {refused:?}") };
        assert_eq!(source.kind(), std::io::ErrorKind::QuotaExceeded, "{refused:?}");
        writer.is_whole(&open, 0);
        limit("6m");
        writer.append(&open).unwrap();
        open.close().unwrap();
        writer.is_whole(&writer.open(&folder.join("log")), 0);
    });
}

/// The log on a device that fails: the error is told, nothing is acknowledged after it,
/// and after a mount of what the device has, everything is there that was.
fn fails(mounted: Mounted, writer: &mut Writer, log: &Path, strike: impl Fn(&Mounted)) {
    let open = writer.open(log);
    for _ in 0..50 {
        writer.append(&open).unwrap();
    }
    strike(&mounted);
    let error = writer.fill(&open);
    if matches!(error, Error::Full { .. }) {
        // The next segment could not be made: nothing that was appended is concerned.
        writer.is_whole(&open, 0);
        return drop(open);
    }
    assert!(matches!(error, Error::Poisoned { .. }), "{writer:?}: {error:?}");
    for durability in [Durability::Buffered, Durability::Written, Durability::Durable] {
        let mut batch = Batch::new();
        batch.write("s-2", Expected::Any, [NewEvent::new("Happened")]);
        let outcome = open.append_with(&batch, durability);
        assert!(matches!(outcome, Err(Error::Poisoned { .. })), "{outcome:?}");
        assert!(open.sync().is_err(), "a sync after {error}");
    }
    assert!(open.close().is_err(), "a close after {error}");
}

/// The device tells of some of the writes that it does not do, and not of others: Linux's
/// loop device takes a write that found space for its first half only for a whole one (seen
/// on Linux 6.18). So acknowledged events may be gone. Then the log says so.
#[test]
fn a_device_that_cannot_write_back_is_told_of() {
    let programs = ["mkfs.ext4", "e2fsck", "/dev/loop-control"];
    each_time("a_device_that_cannot_write_back_is_told_of", &programs, 2, |work, numbers| {
        let below = Mounted::new(&["-t", "tmpfs", "-o", "size=8m", "tmpfs"], &work.join("below"));
        let (image, at) = (below.path().join("image"), work.join("at"));
        Kind::Ext4.make(&image, Kind::Ext4.bytes());
        let mounted = Mounted::image(Kind::Ext4, &image, &at);
        let mut writer = Writer::new(numbers);
        // The image has holes, and there is no space for what goes there. So that the log's
        // directory is not what the file system loses, it is written before.
        fails(mounted, &mut writer, &at.join("log"), |mounted| {
            run("sync", &["--file-system", mounted.path().to_str().unwrap()]).unwrap();
        });
        let path = below.path().to_str().unwrap();
        run("mount", &["-o", "remount,size=200m", path]).unwrap();
        // It says by its status whether it mended something.
        drop(run("e2fsck", &["-f", "-y", image.to_str().unwrap()]));
        let _mounted = Mounted::image(Kind::Ext4, &image, &at);
        match writer.options.open(at.join("log")) {
            Ok(open) => {
                // The last synced group cannot be told from one that was torn. It is
                // reported as discarded.
                if open.recovery().discarded.is_some() {
                    writer.acknowledged -= 1;
                }
                writer.is_whole(&open, 2);
            }
            // What the device lost without a word is named, and is not a shorter log.
            Err(Error::Corrupt(_) | Error::Io { .. }) => {}
            Err(error) => panic!("{writer:?}: {error:?}"),
        }
    });
}

#[test]
fn a_file_system_that_turns_read_only_is_told_of() {
    let programs = ["mkfs.ext4", "/dev/loop-control"];
    each_time("a_file_system_that_turns_read_only_is_told_of", &programs, 2, |work, numbers| {
        let (image, at) = (work.join("image"), work.join("at"));
        Kind::Ext4.make(&image, Kind::Ext4.bytes());
        let mounted = Mounted::image(Kind::Ext4, &image, &at);
        let (log, mut writer) = (at.join("log"), Writer::new(numbers));
        fails(mounted, &mut writer, &log, |mounted| {
            let path = mounted.path().to_str().unwrap();
            // As long as a log is written, nobody may ask for it politely.
            run("mount", &["-o", "remount,ro", path]).unwrap_err();
            // This is what happens by itself where the journal cannot be written.
            drop(run("mount", &["-o", "remount,abort", path]));
        });
        // Once it can be written, so that the journal is played back.
        drop(Mounted::image(Kind::Ext4, &image, &at));
        let mounted = Mounted::new(&["-o", "loop,ro", image.to_str().unwrap()], &at);
        let reader = Reader::open(&log).unwrap();
        writer.is_whole(&reader, 1);
        drop(reader);
        let refused = writer.options.open(&log).unwrap_err();
        assert!(matches!(refused, Error::Io { .. }), "{refused:?}");
        writer.is_whole(&Reader::open(&log).unwrap(), 1);
        drop(mounted);
        let _mounted = Mounted::image(Kind::Ext4, &image, &at);
        let open = writer.open(&log);
        writer.is_whole(&open, 1);
        writer.acknowledged = open.head();
        writer.append(&open).unwrap();
        open.close().unwrap();
    });
}
