//! The index of annals: which records carry a key, and where in their segment they lie.
//!
//! Bytes in, bytes out. This crate does no I/O, starts no thread, reads no clock and knows
//! nothing of records; it is handed names, numbers and bytes. All that it holds is derived from
//! a log and can be built from it again, so a look-up in a damaged run answers with an error,
//! and the caller rebuilds.
//!
//! * [`Table`] is in memory and takes events as they are appended.
//! * [`build`] turns a table into the bytes of a run; the same table always gives the same bytes.
//! * [`Run`] answers the same questions over such bytes, which somebody else holds: a vector or
//!   a mapping behind [`RunBytes`]. Opening reads a few hundred bytes and one CRC per 4 KiB;
//!   each 4 KiB block is checked when a look-up first touches it.
//!
//! A table or run covers one contiguous range of one segment. Words: a *position* is an event's
//! place in the log, a *version* its place in its stream, both dense from 1; an *offset* is the
//! place of a record in its segment file in bytes, a multiple of 8 below [`OFFSET_END`].
//!
//! ```
//! use annals_index::{Kind, Mark, Run, RunMeta, Span, Table, TableEvent, build};
//!
//! let mut table = Table::new(1);
//! table.mark(1, 4096)?;
//! let first = TableEvent {
//!     stream: "account-7",
//!     version: 1,
//!     id: 0xa1,
//!     position: 1,
//!     offset: 4160,
//!     category: "account",
//!     event_type: "Opened",
//!     others: &[(Kind::Tag, "branch:4")],
//! };
//! table.insert(&first)?;
//! table.insert(&TableEvent { version: 2, id: 0xa2, position: 2, offset: 4288, ..first })?;
//! let other = TableEvent { stream: "account-9", id: 0xa3, others: &[], ..first };
//! table.insert(&TableEvent { position: 3, offset: 4416, ..other })?;
//!
//! let run = Run::open(build(&table, &RunMeta { segment: 1, ..RunMeta::default() }))?;
//! assert_eq!(run.stream("account-7")?, Some(Span { first_version: 1, count: 2 }));
//! assert_eq!(run.place(2)?, Some(Mark { position: 1, offset: 4096 }));
//!
//! let mut offsets = Vec::new();
//! run.offsets("account-7", 2..=u64::MAX, &mut offsets)?;
//! run.ids(0xa3, &mut offsets)?;
//! assert_eq!(offsets, [4288, 4416]);
//! assert_eq!(run.count(Kind::Category, "account")?, 3);
//! assert_eq!(run.last(Kind::Tag, "branch:4")?, Some(4288));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod body;
mod buckets;
mod bytes;
mod cells;
mod entries;
mod entry;
mod error;
mod event;
mod footer;
mod hash;
mod ids;
mod keys;
mod kind;
mod layout;
mod names;
mod places;
mod postings;
mod run;
mod span;
mod table;
mod varint;
mod verify;
mod writer;

#[cfg(test)]
mod bound_tests;
#[cfg(test)]
mod hostile_tests;

pub use bytes::RunBytes;
pub use entries::{Keys, Streams};
pub use error::{Part, RunError, TableError};
pub use event::TableEvent;
pub use footer::RunMeta;
pub use kind::Kind;
pub use layout::OFFSET_END;
pub use run::{APPROACHES, Run, Sought};
pub use span::{Mark, Span};
pub use table::{StreamFound, Table};
pub use writer::build;
