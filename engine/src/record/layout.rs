//! The layout of the log, byte by byte. Nothing else lives here, and no layout
//! constant lives elsewhere.
//!
//! All integers are little-endian. Every record starts at a multiple of 8 and is
//! filled up with zeros to one. Kind 0 is never valid, so unwritten space ends a
//! scan.
//!
//! ```text
//! segment   0        1024     2048     3072          4096
//!           | header | slot A | slot B | zero        | group | group | ... | zero
//!
//! group     | frame 64 | batch | batch | ...
//! batch     | head  48 | record | record | ...
//! record    | head  40 | payload | zeros to a multiple of 8
//!
//! every     0            4    5     6          8             12            16
//! head      | header CRC |kind|flags|header len| payload len | payload CRC | ...
//!
//! group     16        32                36  40                48            56     60
//! frame     | epoch id | previous CRC   | 0 | durable segment | dur. offset | batches | 0
//!
//! batch     16               24       28        32             40
//! head      | first position | events | records | committed at | raw clock
//!
//! event     16         24        32
//! head      | position | version | recorded at
//!
//! event     0    16           18         19      20
//! payload   | id | stream len | type len | flags | stream | type | optional | data
//!
//! snapshot  16        24            32
//! head      | version | recorded at | position
//!
//! snapshot  0        4          6                  7       8
//! payload   | schema | name len | content type len | flags | name | content type | data
//!
//! key       16               24       28  32
//! head      | first position | events | 0 | recorded at
//!
//! key       0
//! payload   | text
//! ```
//!
//! *Payload length* leaves out the zeros that fill a record up, *payload CRC* covers
//! them. A batch's payload is its records, a group's payload its batches: there
//! the payload CRC covers only the header CRCs of the direct children, one after
//! the other, since those cover everything below them.

use std::mem::size_of;

/// Every record starts at a multiple of this.
pub(crate) const ALIGN: usize = 8;

/// Length filled up to the alignment; `None` on overflow.
pub(crate) const fn padded(len: usize) -> Option<usize> {
    match len.checked_add(ALIGN - 1) {
        Some(sum) => Some(sum & !(ALIGN - 1)),
        None => None,
    }
}

/// What a record is. The high bit says that whoever does not know the kind must
/// not go on; a record of another unknown kind is passed over, inside a batch.
pub(crate) mod kind {
    pub(crate) const CRITICAL: u8 = 0x80;
    pub(crate) const GROUP: u8 = CRITICAL | 1;
    pub(crate) const BATCH: u8 = CRITICAL | 2;
    pub(crate) const EVENT: u8 = CRITICAL | 3;
    /// The key of a batch. Critical: who does not know it would commit a second time.
    pub(crate) const KEY: u8 = CRITICAL | 5;
    /// Folded state. Whoever does not know it folds from further back.
    pub(crate) const SNAPSHOT: u8 = 4;
    /// States a fact about the log itself and may be passed over.
    pub(crate) const MARK: u8 = 8;
}

/// Fields that every record's header starts with.
pub(crate) mod head {
    use super::size_of;
    pub(crate) const HEADER_CRC: usize = 0;
    pub(crate) const KIND: usize = HEADER_CRC + size_of::<u32>();
    pub(crate) const FLAGS: usize = KIND + 1;
    pub(crate) const HEADER_LEN: usize = FLAGS + 1;
    pub(crate) const PAYLOAD_LEN: usize = HEADER_LEN + size_of::<u16>();
    pub(crate) const PAYLOAD_CRC: usize = PAYLOAD_LEN + size_of::<u32>();
    pub(crate) const END: usize = PAYLOAD_CRC + size_of::<u32>();
    /// Longest header that this version reads; later ones may grow up to it.
    pub(crate) const MAX: usize = 1024;
}

/// Group frame.
pub(crate) mod group {
    use super::{head, size_of};
    pub(crate) const EPOCH: usize = head::END;
    pub(crate) const PREVIOUS_CRC: usize = EPOCH + size_of::<u128>();
    pub(crate) const ZERO_A: usize = PREVIOUS_CRC + size_of::<u32>();
    pub(crate) const DURABLE_SEGMENT: usize = ZERO_A + size_of::<u32>();
    pub(crate) const DURABLE_OFFSET: usize = DURABLE_SEGMENT + size_of::<u64>();
    pub(crate) const BATCHES: usize = DURABLE_OFFSET + size_of::<u64>();
    pub(crate) const ZERO_B: usize = BATCHES + size_of::<u32>();
    pub(crate) const LEN: usize = ZERO_B + size_of::<u32>();
}

/// Batch head.
pub(crate) mod batch {
    use super::{head, size_of};
    pub(crate) const FIRST_POSITION: usize = head::END;
    pub(crate) const EVENTS: usize = FIRST_POSITION + size_of::<u64>();
    pub(crate) const RECORDS: usize = EVENTS + size_of::<u32>();
    pub(crate) const COMMITTED_AT: usize = RECORDS + size_of::<u32>();
    pub(crate) const RAW_CLOCK: usize = COMMITTED_AT + size_of::<u64>();
    pub(crate) const LEN: usize = RAW_CLOCK + size_of::<u64>();

    /// How many words of the head its CRC covers.
    pub(crate) const COVERED_WORDS: usize = (LEN - head::KIND) / size_of::<u32>();
}

/// Event head and payload.
pub(crate) mod event {
    use super::{head, size_of};
    pub(crate) const POSITION: usize = head::END;
    pub(crate) const VERSION: usize = POSITION + size_of::<u64>();
    pub(crate) const RECORDED_AT: usize = VERSION + size_of::<u64>();
    pub(crate) const LEN: usize = RECORDED_AT + size_of::<u64>();

    /// How many words of the head its CRC covers.
    pub(crate) const COVERED_WORDS: usize = (LEN - head::KIND) / size_of::<u32>();

    /// Header flag: the last event of its batch.
    pub(crate) const LAST_OF_BATCH: u8 = 1;

    pub(crate) const ID: usize = 0;
    pub(crate) const STREAM_LEN: usize = ID + size_of::<u128>();
    pub(crate) const TYPE_LEN: usize = STREAM_LEN + size_of::<u16>();
    pub(crate) const FLAGS: usize = TYPE_LEN + 1;
    pub(crate) const NAMES: usize = FLAGS + 1;

    /// Payload flags: which optional fields follow the names, in this order.
    pub(crate) mod has {
        /// u32.
        pub(crate) const SCHEMA: u8 = 1;
        /// i64 nanoseconds, i16 offset in minutes, u8 digits, u8 zero.
        pub(crate) const OCCURRED: u8 = 2;
        /// u16 bytes; then each tag as u8 length and text.
        pub(crate) const TAGS: u8 = 4;
        /// u8 length and text.
        pub(crate) const CONTENT_TYPE: u8 = 8;
        /// u8 length and text.
        pub(crate) const CORRELATION: u8 = 16;
        /// u8 length and text.
        pub(crate) const CAUSE: u8 = 32;
        /// u32 length and bytes.
        pub(crate) const METADATA: u8 = 64;
        /// The content type is `application/json`: the usual one costs no byte.
        pub(crate) const JSON: u8 = 128;
    }

    /// In place of an offset: the text said `Z`.
    pub(crate) const OFFSET_ZULU: i16 = i16::MIN;
    /// When it occurred: its fields.
    pub(crate) const OCCURRED_AT: usize = 0;
    pub(crate) const OCCURRED_OFFSET: usize = OCCURRED_AT + size_of::<u64>();
    pub(crate) const OCCURRED_DIGITS: usize = OCCURRED_OFFSET + size_of::<u16>();
    pub(crate) const OCCURRED_ZERO: usize = OCCURRED_DIGITS + 1;
    pub(crate) const OCCURRED_LEN: usize = OCCURRED_ZERO + 1;
}

/// Head and payload of a snapshot, of a stream or of a named state.
pub(crate) mod snapshot {
    use super::{head, size_of};
    pub(crate) const VERSION: usize = head::END;
    pub(crate) const RECORDED_AT: usize = VERSION + size_of::<u64>();
    pub(crate) const POSITION: usize = RECORDED_AT + size_of::<u64>();
    pub(crate) const LEN: usize = POSITION + size_of::<u64>();

    /// Header flag: the name is that of a named state, not of a stream.
    pub(crate) const STATE: u8 = 1;

    pub(crate) const SCHEMA: usize = 0;
    pub(crate) const NAME_LEN: usize = SCHEMA + size_of::<u32>();
    pub(crate) const TYPE_LEN: usize = NAME_LEN + size_of::<u16>();
    pub(crate) const FLAGS: usize = TYPE_LEN + 1;
    pub(crate) const NAMES: usize = FLAGS + 1;

    /// Payload flag: the content type is `application/json`, and its length is 0.
    pub(crate) const JSON: u8 = 1;
}

/// Head of an idempotency key. Its payload is the text.
pub(crate) mod key {
    use super::{head, size_of};
    pub(crate) const FIRST_POSITION: usize = head::END;
    pub(crate) const EVENTS: usize = FIRST_POSITION + size_of::<u64>();
    pub(crate) const ZERO: usize = EVENTS + size_of::<u32>();
    pub(crate) const RECORDED_AT: usize = ZERO + size_of::<u32>();
    pub(crate) const LEN: usize = RECORDED_AT + size_of::<u64>();
}

/// Mark payload.
pub(crate) mod mark {
    use super::head;
    pub(crate) const LEN: usize = head::END;
    pub(crate) const WHAT: usize = 0;
    pub(crate) const PAYLOAD_LEN: usize = 8;
    /// The log was closed here.
    pub(crate) const CLOSE: u64 = 1;
}

/// Segment file.
pub(crate) mod segment {
    use super::size_of;
    pub(crate) const MAGIC_BYTES: [u8; 8] = *b"\x89ANNALS\n";
    /// The format that this version writes and the only one that it reads.
    pub(crate) const FORMAT: u32 = 1;

    pub(crate) const MAGIC: usize = 0;
    pub(crate) const FORMAT_AT: usize = MAGIC + MAGIC_BYTES.len();
    pub(crate) const HEADER_LEN: usize = FORMAT_AT + size_of::<u32>();
    pub(crate) const INCOMPATIBLE: usize = HEADER_LEN + size_of::<u32>();
    pub(crate) const READ_ONLY_COMPATIBLE: usize = INCOMPATIBLE + size_of::<u64>();
    pub(crate) const COMPATIBLE: usize = READ_ONLY_COMPATIBLE + size_of::<u64>();
    pub(crate) const LOG: usize = COMPATIBLE + size_of::<u64>();
    pub(crate) const NUMBER: usize = LOG + size_of::<u128>();
    pub(crate) const FIRST_POSITION: usize = NUMBER + size_of::<u64>();
    pub(crate) const PREVIOUS_END: usize = FIRST_POSITION + size_of::<u64>();
    pub(crate) const DURABLE_SEGMENT: usize = PREVIOUS_END + size_of::<u64>();
    pub(crate) const DURABLE_OFFSET: usize = DURABLE_SEGMENT + size_of::<u64>();
    pub(crate) const CREATED_AT: usize = DURABLE_OFFSET + size_of::<u64>();
    pub(crate) const PREVIOUS_TIME: usize = CREATED_AT + size_of::<u64>();
    pub(crate) const EPOCH: usize = PREVIOUS_TIME + size_of::<u64>();
    pub(crate) const PREVIOUS_CRC: usize = EPOCH + size_of::<u128>();
    pub(crate) const CRC: usize = PREVIOUS_CRC + size_of::<u32>();
    pub(crate) const LEN: usize = CRC + size_of::<u32>();

    /// The two slots of the witness, each in a sector of its own so that tearing one
    /// leaves the header and the other alone.
    pub(crate) const SLOTS: [usize; 2] = [1024, 2048];
    /// Where the first group starts.
    pub(crate) const DATA: usize = 4096;
}

/// Witness slot, in a segment and in the control file.
pub(crate) mod witness {
    use super::size_of;
    pub(crate) const MAGIC_BYTES: [u8; 8] = *b"witness1";

    pub(crate) const MAGIC: usize = 0;
    pub(crate) const LOG: usize = MAGIC + MAGIC_BYTES.len();
    pub(crate) const EPOCH: usize = LOG + size_of::<u128>();
    pub(crate) const SEQUENCE: usize = EPOCH + size_of::<u128>();
    pub(crate) const SEGMENT: usize = SEQUENCE + size_of::<u64>();
    pub(crate) const OFFSET: usize = SEGMENT + size_of::<u64>();
    pub(crate) const POSITION: usize = OFFSET + size_of::<u64>();
    pub(crate) const LAST_GROUP: usize = POSITION + size_of::<u64>();
    pub(crate) const LAST_TIME: usize = LAST_GROUP + size_of::<u64>();
    pub(crate) const LAST_CRC: usize = LAST_TIME + size_of::<u64>();
    pub(crate) const CLOSED: usize = LAST_CRC + size_of::<u32>();
    pub(crate) const CRC: usize = CLOSED + size_of::<u32>();
    pub(crate) const ZERO: usize = CRC + size_of::<u32>();
    pub(crate) const LEN: usize = ZERO + size_of::<u32>();
}

/// The words of the control file, each of 64 bits, shared with readers in other
/// processes, in front of its witness slots; and those of the file in which readers say
/// that they wait. What is stored often has 128 bytes to itself.
pub(crate) mod control {
    pub(crate) const MAGIC_WORD: u64 = u64::from_le_bytes(*b"\x89annals3");

    pub(crate) const MAGIC: usize = 0;
    /// Odd while the words below are being set.
    pub(crate) const GENERATION: usize = 1;
    pub(crate) const LOG: [usize; 2] = [2, 3];
    pub(crate) const EPOCH: [usize; 2] = [4, 5];
    pub(crate) const PROCESS: usize = 6;
    /// Drawn whenever the file is made or set up again.
    pub(crate) const INSTANCE: usize = 7;
    pub(crate) const CLOSED: usize = 8;
    /// A write or a sync failed: what is not durable may be lost though it can be read.
    pub(crate) const FAILED: usize = 9;
    /// Of the durable end: how often it was published; behind that two pairs of place and
    /// position. The newest is in the first pair if the number is even, else in the second.
    pub(crate) const DURABLE: usize = 16;
    /// The same of the written end.
    pub(crate) const WRITTEN: usize = 32;
    /// Where a pair stands, counted from the number.
    pub(crate) const PAIRS: [usize; 2] = [1, 3];
    /// Counted up to wake those who wait for the durable end, and for the written end.
    pub(crate) const WAKE: [usize; 2] = [48, 64];
    pub(crate) const WORDS: usize = 128;

    /// In the readers' file: whether somebody waits for the durable and the written end.
    pub(crate) const WAITING: [usize; 2] = [0, 16];
    /// As the control file's instance.
    pub(crate) const READERS_INSTANCE: usize = 32;
    pub(crate) const READERS_WORDS: usize = 64;
}

/// The page of a file: nothing is cut within the watermark's one.
pub(crate) const PAGE: u64 = 4096;

const _: () = {
    assert!(head::END == 16);
    assert!(group::LEN == 64 && batch::LEN == 48 && event::LEN == 40 && mark::LEN == 16);
    assert!(segment::LEN <= segment::SLOTS[0]);
    assert!(segment::SLOTS[0] + witness::LEN <= segment::SLOTS[1]);
    assert!(segment::SLOTS[1] + witness::LEN <= segment::DATA);
    assert!(segment::DATA.is_multiple_of(ALIGN) && witness::LEN.is_multiple_of(ALIGN));
    assert!(group::LEN.is_multiple_of(ALIGN) && batch::LEN.is_multiple_of(ALIGN));
    assert!(event::LEN.is_multiple_of(ALIGN) && mark::LEN.is_multiple_of(ALIGN));
    assert!(event::NAMES == 20);
    assert!(control::WORDS * size_of::<u64>() <= segment::SLOTS[0]);
    assert!(snapshot::LEN == 40 && snapshot::NAMES == 8);
    assert!(key::LEN == 40);
    assert!(snapshot::LEN.is_multiple_of(ALIGN) && key::LEN.is_multiple_of(ALIGN));
    assert!(kind::SNAPSHOT == 0x04 && kind::KEY == 0x85);
};
