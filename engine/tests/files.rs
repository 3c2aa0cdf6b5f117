//! What is promised of real files and directories: who may read them, what is refused in
//! their place, what a name can do, and a system that lets a file grow no further.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use annals::{
    Background, Batch, Durability, Error, Expected, Log, NewEvent, Options, Reader, Reading, Start,
};

/// The child process is told the log's directory by this.
const LOG: &str = "ANNALS_TEST_LOG";

fn batch(stream: &str, bytes: usize) -> Batch {
    let mut batch = Batch::new();
    batch.write(stream, Expected::Any, [NewEvent::new("Happened").data(&vec![7; bytes])]);
    batch
}

fn names(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

fn ends_with(path: &Path, suffix: &str) -> Vec<PathBuf> {
    names(path).into_iter().filter(|name| name.ends_with(suffix)).map(|n| path.join(n)).collect()
}

#[test]
fn only_the_owner_may_look_into_the_directory_and_its_files() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deep").join("log");
    let log = Options::new().segment_bytes(16 << 10).open(&path).unwrap();
    for _ in 0..40 {
        log.append(&batch("a", 900)).unwrap();
    }
    drop(Reader::open(&path).unwrap());
    log.close().unwrap();
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o700, 0o700));
    let names = names(&path);
    for what in [".seg", ".idx", "control", "readers", "lock"] {
        assert!(names.iter().any(|name| name.ends_with(what)), "{what} is not among {names:?}");
    }
    for name in names {
        assert_eq!(mode(&path.join(&name)), 0o600, "{name}");
    }
}

#[test]
fn names_of_streams_types_and_keys_never_become_paths() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let log = Options::new().segment_bytes(16 << 10).open(&path).unwrap();
    let outside = directory.path().join("outside");
    let evil = [
        "../outside",
        outside.to_str().unwrap(),
        "/etc/passwd",
        "a/b/c",
        "..",
        ".",
        "control",
        "lock",
        "00000000000000000001.seg",
        "nul\0in it",
        "C:\\outside",
    ];
    for name in evil {
        let mut batch = Batch::new();
        let event = NewEvent::new(name).tag(name).correlation(name).caused_by(name);
        batch
            .once(name)
            .write(name, Expected::NoStream, [event])
            .snapshot(name, 1, annals::NewSnapshot::new(1).data(name.as_bytes()))
            .state(name, 1, annals::NewSnapshot::new(1).data(name.as_bytes()));
        log.append(&batch).unwrap();
        assert_eq!(log.read(name).collect().unwrap().len(), 1);
        assert_eq!(log.load(name, 1).unwrap().snapshot().unwrap().name(), name);
    }
    log.close().unwrap();
    assert_eq!(names(directory.path()), ["log"]);
    let known = ["control", "lock", "readers"];
    let of_log = |name: &String| {
        known.contains(&name.as_str()) || name.ends_with(".seg") || name.ends_with(".idx")
    };
    assert!(names(&path).iter().all(of_log), "{:?}", names(&path));
    assert_eq!(Log::open(&path).unwrap().streams("").unwrap().len(), evil.len());
}

#[test]
fn links_pipes_and_directories_in_place_of_a_segment_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let log = Log::open(&path).unwrap();
    log.append(&batch("a", 100)).unwrap();
    log.close().unwrap();
    let segment = ends_with(&path, ".seg").remove(0);
    let aside = directory.path().join("aside");
    fs::rename(&segment, &aside).unwrap();
    let put: [(&str, &dyn Fn()); 4] = [
        ("a link to the very segment", &|| symlink(&aside, &segment).unwrap()),
        ("a link to nothing", &|| symlink(directory.path().join("none"), &segment).unwrap()),
        ("a directory", &|| fs::create_dir(&segment).unwrap()),
        ("a pipe", &|| {
            assert!(Command::new("mkfifo").arg(&segment).status().unwrap().success());
        }),
    ];
    for (what, put) in put {
        put();
        let began = Instant::now();
        for outcome in [Log::open(&path).map(drop), Reader::open(&path).map(drop)] {
            match outcome {
                Err(Error::Corrupt(corrupt)) => assert_eq!(corrupt.segment, 1, "{what}"),
                other => panic!("{what}: {other:?}"),
            }
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{what}");
        if segment.is_dir() && !segment.is_symlink() {
            fs::remove_dir(&segment).unwrap();
        } else {
            fs::remove_file(&segment).unwrap();
        }
    }
    assert_eq!(names(directory.path()), ["aside", "log"]);
    fs::rename(&aside, &segment).unwrap();
    assert_eq!(Log::open(&path).unwrap().head(), 1);
}

#[test]
fn links_in_place_of_derived_files_are_not_followed() {
    for derived in ["control", "readers", "lock"] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        Log::open(&path).unwrap().close().unwrap();
        let precious = directory.path().join("precious");
        fs::write(&precious, b"untouched").unwrap();
        let _may_be_missing = fs::remove_file(path.join(derived));
        symlink(&precious, path.join(derived)).unwrap();
        if let Ok(log) = Log::open(&path) {
            log.append(&batch("a", 10)).unwrap();
            log.close().unwrap();
        }
        assert_eq!(fs::read(&precious).unwrap(), b"untouched", "{derived}");
    }
}

#[test]
fn a_bit_that_flips_under_an_open_log_is_noticed_by_the_next_read() {
    for reading in [Reading::Mapped, Reading::Pread] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let log = Options::new().reading(reading).open(&path).unwrap();
        let mut marked = Batch::new();
        marked.write("a", Expected::Any, [NewEvent::new("Happened").data(b"a needle in it")]);
        log.append(&marked).unwrap();
        log.append(&batch("b", 10)).unwrap();
        assert_eq!(log.read("a").collect().unwrap().len(), 1);
        let segment = ends_with(&path, ".seg").remove(0);
        let bytes = fs::read(&segment).unwrap();
        let at = bytes.windows(8).position(|part| part == b"a needle").unwrap();
        let file = fs::OpenOptions::new().write(true).open(&segment).unwrap();
        file.write_all_at(b"A", at as u64).unwrap();
        for outcome in [
            log.read("a").collect().map(drop),
            log.read_all().collect().map(drop),
            log.cursor(Start::Beginning).unwrap().poll(10).map(drop),
        ] {
            match outcome {
                Err(Error::Corrupt(corrupt)) => assert_eq!(corrupt.segment, 1),
                other => panic!("{reading:?}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_file_that_may_not_grow_is_full_and_heals() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    // The system kills who goes beyond the limit, unless it asked not to be.
    let script = r#"trap '' XFSZ; ulimit -f 400; exec "$0" --exact role_of_a_writer --nocapture"#;
    let child = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .env(LOG, &path)
        .status()
        .unwrap();
    assert!(child.success());
    // Without the limit the same log goes on, with the next number.
    let log = Log::open(&path).unwrap();
    let head = log.head();
    assert!(head > 0);
    assert_eq!(log.append(&batch("a", 900)).unwrap().last_position(), head + 1);
    assert_eq!(log.read("a").collect().unwrap().len() as u64, head + 1);
}

/// Not a test by itself: what the child process of the test above does.
#[test]
fn role_of_a_writer() {
    let Some(path) = std::env::var_os(LOG) else { return };
    let log = Options::new().background(Background::Inline).open(path).unwrap();
    let mut appended = 0;
    let full = loop {
        match log.append(&batch("a", 900)) {
            Ok(committed) => {
                appended += 1;
                assert_eq!(committed.last_position(), appended);
                assert_eq!(committed.durability(), Durability::Durable);
            }
            Err(error) => break error,
        }
        assert!(appended < 10_000, "the limit never struck");
    };
    assert!(matches!(full, Error::Full { .. }) && full.is_retryable(), "{full}");
    assert!(matches!(log.append(&batch("b", 900)), Err(Error::Full { .. })));
    assert_eq!((log.head(), log.version("b").unwrap()), (appended, 0));
    assert_eq!(log.read_all().collect().unwrap().len() as u64, appended);
}
