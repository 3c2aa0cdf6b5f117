//! A new log: its first segment, durable before anything else happens.

use std::io;

use crate::error::{Error, Result};
use crate::io::Storage;
use crate::place::Place;
use crate::planted::{self, Bug};
use crate::record::field::wide;
use crate::record::layout::segment as layout;
use crate::segment::header::SegmentHeader;
use crate::segment::name;

/// Makes the first segment of a new log. A crash at any point leaves either no log,
/// which is made again, or an empty one.
///
/// The header is written last, when the name is durable: once it is read, nobody syncs
/// the name again, and if that failed here, another sync would find nothing to do.
pub(crate) fn create(storage: &dyn Storage, epoch: u128) -> Result<()> {
    let file_name = name::segment(1);
    let failed = |operation| {
        let file = file_name.clone();
        move |error: io::Error| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Error::Full { file, bytes: wide(layout::DATA), source: std::sync::Arc::new(error) }
            }
            _ => Error::io(operation, &file, error),
        }
    };
    let file = match storage.create(&file_name) {
        // Begun in an earlier life, and nothing proves that the name will last.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            storage.remove(&file_name).map_err(failed("remove"))?;
            storage.create(&file_name)
        }
        other => other,
    }
    .map_err(failed("create"))?;
    let mut block = vec![0; layout::DATA];
    file.write_all_at(&block, 0).map_err(failed("write"))?;
    file.sync_all().map_err(failed("sync"))?;
    if !planted::active(Bug::FirstNameNotSynced) {
        storage.sync_dir().map_err(failed("sync directory of"))?;
    }
    let header = SegmentHeader {
        log: storage.random(),
        number: 1,
        first_position: 1,
        previous_end: 0,
        previous_crc: 0,
        durable: Place::START,
        created_at: storage.now(),
        previous_time: i64::MIN,
        epoch,
        writers_features: 0,
    };
    crate::record::field::put_bytes(&mut block, 0, &header.encode());
    file.write_all_at(&block, 0).map_err(failed("write"))?;
    file.sync_data().map_err(failed("sync"))
}
