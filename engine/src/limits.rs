//! Limits on everything a user hands in, unit last in the name.
//!
//! The [guide to appending](crate::guide::appending#limits) has an example.
//!
//! What is above a limit is refused with [`Error::TooLarge`](crate::Error::TooLarge)
//! before anything is written.

/// Longest stream name, in bytes of UTF-8. The shortest has one byte.
pub const STREAM_NAME_BYTES: usize = 512;

/// Longest event type, in bytes of UTF-8. The shortest has one byte.
pub const EVENT_TYPE_BYTES: usize = 255;

/// Longest tag, in bytes of UTF-8. The shortest has one byte.
pub const TAG_BYTES: usize = 255;

/// Most tags on one event.
pub const TAGS: usize = 64;

/// Longest content type, in bytes of UTF-8.
pub const CONTENT_TYPE_BYTES: usize = 255;

/// Longest correlation, in bytes of UTF-8.
pub const CORRELATION_BYTES: usize = 255;

/// Longest cause, in bytes of UTF-8.
pub const CAUSE_BYTES: usize = 255;

/// Longest idempotency key, in bytes of UTF-8. The shortest has one byte.
pub const IDEMPOTENCY_KEY_BYTES: usize = 255;

/// Longest name of a named state, in bytes of UTF-8. The shortest has one byte.
pub const STATE_NAME_BYTES: usize = 512;

/// Largest event, in bytes: its names, tags, metadata and data together, as
/// stored. Also the largest snapshot and the largest named state, with its name.
pub const EVENT_BYTES: usize = 16 << 20;

/// Largest batch, in bytes: all its records, as stored.
pub const BATCH_BYTES: usize = 32 << 20;

/// Most records in a batch: events, snapshots, named states and the idempotency key.
pub const BATCH_RECORDS: usize = 1 << 20;

/// Smallest segment size that [`Options::segment_bytes`](crate::Options::segment_bytes)
/// takes, in bytes.
pub const SEGMENT_BYTES_MIN: u64 = 16 << 10;

/// Largest segment size that [`Options::segment_bytes`](crate::Options::segment_bytes)
/// takes, in bytes.
pub const SEGMENT_BYTES_MAX: u64 = 512 << 20;
