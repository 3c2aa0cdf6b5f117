//! Crash images from real block traffic.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]
mod devices;

use annals_fuzz::numbers::Numbers;
use devices::alone;
use devices::images;
use devices::mounts::{Kind, Mounted};
use devices::recorder::{Recorder, Request};

const PROGRAMS: [&str; 3] = ["mkfs.ext4", "/dev/fuse", "/dev/loop-control"];

#[test]
fn what_was_flushed_is_on_every_image() {
    alone("what_was_flushed_is_on_every_image", &PROGRAMS, |work| {
        let fresh = work.join("fresh");
        Kind::Ext4.make(&fresh, 64 << 20);
        let recorder = Recorder::new(std::fs::read(&fresh).unwrap(), &work.join("disk"));
        let mut synced = Vec::new();
        {
            let mounted = Mounted::image(Kind::Ext4, &recorder.live(), &work.join("live"));
            for n in 0..20_u8 {
                let path = mounted.path().join(n.to_string());
                std::fs::write(&path, vec![n; 10_000]).unwrap();
                std::fs::File::open(&path).unwrap().sync_all().unwrap();
                synced.push(recorder.count());
            }
        }
        let requests = recorder.take();
        let flushes = requests.iter().filter(|r| matches!(r, Request::Flush)).count();
        println!("{} requests, {flushes} flushes {synced:?}", requests.len());
        let mut numbers = Numbers::new(1);
        let mut n = 0;
        let began = std::time::Instant::now();
        images::each(&recorder, &requests, 100, &mut numbers, |left| {
            let mounted = Mounted::image(Kind::Ext4, &recorder.image(), &work.join("image"));
            n += 1;
            for (file, at) in synced.iter().enumerate() {
                let found = std::fs::read(mounted.path().join(file.to_string()));
                if *at <= left.flushed {
                    assert_eq!(found.unwrap(), vec![file as u8; 10_000], "{left:?}");
                }
            }
            true
        });
        println!("{n} images in {:?}", began.elapsed());
    });
}
