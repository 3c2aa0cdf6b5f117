//! Records: the framed, checksummed units of the log, as bytes.
//!
//! No I/O and no state: what is given is checked, what is made is returned. Offsets
//! in files come in only as the seed of a checksum.
//!
//! * [`layout`]: where each field stands
//! * [`checksum`]: every CRC of the project
//! * [`head`]: the header that all records share
//! * [`frame`]: group, batch and mark headers
//! * [`event`]: event headers and payloads
//! * [`snapshot`]: the same of snapshots, of streams and of named states
//! * [`key`]: the same of idempotency keys
//! * [`walk`]: from frame to frame, checking everything

pub(crate) mod checksum;
pub(crate) mod event;
pub(crate) mod field;
pub(crate) mod frame;
pub(crate) mod head;
pub(crate) mod key;
pub(crate) mod layout;
pub(crate) mod snapshot;
pub(crate) mod walk;

#[cfg(test)]
mod tests;
