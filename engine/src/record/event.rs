//! Event heads and payloads: made and read.
//!
//! A payload knows nothing of its place: it is made, with its CRC, outside any
//! lock. The head gets position, version and time when the batch gets its place.

use super::checksum::{EventSums, Seed};
use super::field::{
    i16_at, i64_at, put_bytes, put_i64, put_u16, put_u64, put_u128, size, u16_at, u32_at, u64_at,
    u128_at,
};
use super::frame::put_common;
use super::head::{Head, RecordHead};
use super::layout::event::{self, has};
use super::layout::kind;
use crate::time::{Occurred, Timestamp};

/// The head's own fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EventHead {
    pub(crate) position: u64,
    pub(crate) version: u64,
    pub(crate) recorded_at: i64,
    pub(crate) last_of_batch: bool,
}

impl EventHead {
    /// The header bytes and their CRC, of the heads that `sums` summed up or another one.
    #[inline]
    pub(crate) fn encode(
        &self,
        payload_len: u32,
        payload_crc: u32,
        sums: &mut EventSums,
        (seed, offset): (Seed, u64),
    ) -> ([u8; event::LEN], u32) {
        let mut header = [0; event::LEN];
        let flags = if self.last_of_batch { event::LAST_OF_BATCH } else { 0 };
        put_common(&mut header, kind::EVENT, flags, payload_len, payload_crc);
        put_u64(&mut header, event::POSITION, self.position);
        put_u64(&mut header, event::VERSION, self.version);
        put_i64(&mut header, event::RECORDED_AT, self.recorded_at);
        let crc = sums.seal(&mut header, seed, offset);
        (header, crc)
    }
}

impl RecordHead for EventHead {
    type Fields = Fields;

    #[inline(always)]
    fn decode(head: &Head<'_>) -> Option<Self> {
        if head.kind != kind::EVENT || head.flags & !event::LAST_OF_BATCH != 0 {
            return None;
        }
        let decoded = Self {
            position: u64_at(head.bytes, event::POSITION)?,
            version: u64_at(head.bytes, event::VERSION)?,
            recorded_at: i64_at(head.bytes, event::RECORDED_AT)?,
            last_of_batch: head.flags & event::LAST_OF_BATCH != 0,
        };
        (decoded.position > 0 && decoded.version > 0).then_some(decoded)
    }

    #[inline(always)]
    fn fields(payload: &[u8]) -> Option<Fields> {
        Fields::read(payload)
    }
}

/// What a payload is made of. Limits were checked by who fills it in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PayloadParts<'a> {
    pub(crate) id: u128,
    pub(crate) stream: &'a str,
    pub(crate) event_type: &'a str,
    pub(crate) schema: u32,
    pub(crate) occurred: Option<Occurred>,
    pub(crate) tags: &'a [&'a str],
    pub(crate) json: bool,
    pub(crate) content_type: Option<&'a str>,
    pub(crate) correlation: Option<&'a str>,
    pub(crate) cause: Option<&'a str>,
    pub(crate) metadata: &'a [u8],
    pub(crate) data: &'a [u8],
}

/// A length of something that its limit keeps within 8 bits.
pub(super) fn short(text: &str) -> u8 {
    debug_assert!(text.len() <= usize::from(u8::MAX));
    u8::try_from(text.len()).unwrap_or(u8::MAX)
}

fn put_short(out: &mut Vec<u8>, text: &str) {
    out.push(short(text));
    out.extend_from_slice(text.as_bytes());
}

impl PayloadParts<'_> {
    fn flags(&self) -> u8 {
        let mut flags = 0;
        let mut set = |present: bool, bit: u8| flags |= if present { bit } else { 0 };
        set(self.schema != 1, has::SCHEMA);
        set(self.occurred.is_some(), has::OCCURRED);
        set(!self.tags.is_empty(), has::TAGS);
        set(self.content_type.is_some(), has::CONTENT_TYPE);
        set(self.correlation.is_some(), has::CORRELATION);
        set(self.cause.is_some(), has::CAUSE);
        set(!self.metadata.is_empty(), has::METADATA);
        set(self.json, has::JSON);
        flags
    }

    /// Appends the payload to `out`, without the zeros that fill it up.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let mut start = [0; event::NAMES];
        put_u128(&mut start, event::ID, self.id.swap_bytes());
        let stream_len = u16::try_from(self.stream.len()).unwrap_or(u16::MAX);
        put_u16(&mut start, event::STREAM_LEN, stream_len);
        put_bytes(&mut start, event::TYPE_LEN, &[short(self.event_type), self.flags()]);
        // With room for the zeros that fill it up.
        let names = self.stream.len() + self.event_type.len();
        out.reserve(start.len() + names + self.data.len() + align_of::<u64>());
        out.extend_from_slice(&start);
        out.extend_from_slice(self.stream.as_bytes());
        out.extend_from_slice(self.event_type.as_bytes());
        if self.schema != 1 {
            out.extend_from_slice(&self.schema.to_le_bytes());
        }
        if let Some(occurred) = self.occurred {
            out.extend_from_slice(&occurred.at.as_nanos().to_le_bytes());
            let offset = occurred.offset_minutes.unwrap_or(event::OFFSET_ZULU);
            out.extend_from_slice(&offset.to_le_bytes());
            out.extend_from_slice(&[occurred.fraction_digits, 0]);
        }
        if !self.tags.is_empty() {
            let bytes: usize = self.tags.iter().map(|tag| tag.len() + 1).sum();
            out.extend_from_slice(&u16::try_from(bytes).unwrap_or(u16::MAX).to_le_bytes());
            self.tags.iter().for_each(|tag| put_short(out, tag));
        }
        for text in [self.content_type, self.correlation, self.cause].into_iter().flatten() {
            put_short(out, text);
        }
        if !self.metadata.is_empty() {
            let len = u32::try_from(self.metadata.len()).unwrap_or(u32::MAX);
            out.extend_from_slice(&len.to_le_bytes());
            out.extend_from_slice(self.metadata);
        }
        out.extend_from_slice(self.data);
    }
}

/// Where each field of a payload stands: ranges as start and length, so that a
/// decoded event is small and borrows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Fields {
    flags: u8,
    stream_len: u16,
    type_len: u8,
    optional_at: u32,
    metadata_len: u32,
    data_at: u32,
}

/// The optional fields, found by walking over them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Optional<'a> {
    pub(crate) schema: Option<u32>,
    pub(crate) occurred: Option<Occurred>,
    pub(crate) tags: &'a [u8],
    pub(crate) content_type: Option<&'a str>,
    pub(crate) correlation: Option<&'a str>,
    pub(crate) cause: Option<&'a str>,
    pub(crate) metadata: &'a [u8],
    /// Where the data starts, counted from the first optional field.
    len: usize,
}

/// Takes bytes off the front.
struct Taker<'a> {
    rest: &'a [u8],
}

impl<'a> Taker<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }

    fn short_text(&mut self) -> Option<&'a str> {
        let len = usize::from(*self.take(1)?.first()?);
        std::str::from_utf8(self.take(len)?).ok()
    }
}

fn occurred(bytes: &[u8]) -> Option<Occurred> {
    let offset = i16_at(bytes, event::OCCURRED_OFFSET)?;
    let fraction_digits = *bytes.get(event::OCCURRED_DIGITS)?;
    let zulu = offset == event::OFFSET_ZULU;
    let sound = fraction_digits <= 9 && bytes.get(event::OCCURRED_ZERO) == Some(&0);
    (sound && (zulu || offset.unsigned_abs() < 24 * 60)).then_some(Occurred {
        at: Timestamp::from_nanos(i64_at(bytes, event::OCCURRED_AT)?),
        offset_minutes: (!zulu).then_some(offset),
        fraction_digits,
    })
}

/// Whether all bytes are ASCII, as most names are: eight at a time, the last eight
/// together with some of those before.
#[inline]
fn is_ascii(bytes: &[u8]) -> bool {
    let Some(last) = bytes.last_chunk() else { return bytes.is_ascii() };
    let (words, _) = bytes.as_chunks();
    let mut any = u64::from_ne_bytes(*last);
    for word in words {
        any |= u64::from_ne_bytes(*word);
    }
    any & u64::from_ne_bytes([0x80; 8]) == 0
}

/// Whether bytes up to `first` and those behind are UTF-8, both in one pass: each is if both
/// together are and neither cuts a character.
#[inline(never)]
fn are_texts(bytes: &[u8], first: usize) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|texts| texts.is_char_boundary(first))
}

/// Whether bytes are a sequence of tags.
fn tags_hold(bytes: &[u8]) -> bool {
    let mut taker = Taker { rest: bytes };
    while !taker.rest.is_empty() {
        if taker.short_text().is_none() {
            return false;
        }
    }
    true
}

impl<'a> Optional<'a> {
    fn read(flags: u8, bytes: &'a [u8]) -> Option<Self> {
        let mut found = Self::default();
        let mut taker = Taker { rest: bytes };
        if flags & has::SCHEMA != 0 {
            found.schema = Some(u32_at(taker.take(4)?, 0)?);
        }
        if flags & has::OCCURRED != 0 {
            found.occurred = Some(occurred(taker.take(event::OCCURRED_LEN)?)?);
        }
        if flags & has::TAGS != 0 {
            let len = usize::from(u16_at(taker.take(2)?, 0)?);
            found.tags = taker.take(len)?;
        }
        if flags & has::CONTENT_TYPE != 0 {
            found.content_type = Some(taker.short_text()?);
        }
        if flags & has::CORRELATION != 0 {
            found.correlation = Some(taker.short_text()?);
        }
        if flags & has::CAUSE != 0 {
            found.cause = Some(taker.short_text()?);
        }
        if flags & has::METADATA != 0 {
            let len = size(u32_at(taker.take(4)?, 0)?);
            found.metadata = taker.take(len)?;
        }
        found.len = bytes.len() - taker.rest.len();
        Some(found)
    }
}

impl Fields {
    /// Reads where the fields of a payload stand, and checks that all of it makes
    /// sense: lengths within the payload, names in UTF-8.
    #[inline(always)]
    pub(crate) fn read(payload: &[u8]) -> Option<Self> {
        let stream_len = u16_at(payload, event::STREAM_LEN)?;
        let type_len = *payload.get(event::TYPE_LEN)?;
        let flags = *payload.get(event::FLAGS)?;
        let names_len = usize::from(stream_len) + usize::from(type_len);
        let (names, rest) = payload.get(event::NAMES..)?.split_at_checked(names_len)?;
        if !is_ascii(names) && !are_texts(names, usize::from(stream_len)) {
            return None;
        }
        let optional_at = u32::try_from(event::NAMES + names_len).ok()?;
        let (metadata_len, data_at) = if flags & !has::JSON == 0 {
            (0, optional_at)
        } else {
            Self::find_optional(flags, optional_at, rest)?
        };
        Some(Self { flags, stream_len, type_len, optional_at, metadata_len, data_at })
    }

    /// Reads the optional fields, which stand at the start of `bytes`: how long the metadata
    /// is, and where the data starts.
    #[inline(never)]
    fn find_optional(flags: u8, optional_at: u32, bytes: &[u8]) -> Option<(u32, u32)> {
        let optional = Optional::read(flags, bytes)?;
        if !tags_hold(optional.tags) {
            return None;
        }
        let metadata_len = u32::try_from(optional.metadata.len()).ok()?;
        Some((metadata_len, optional_at.checked_add(u32::try_from(optional.len).ok()?)?))
    }

    /// Reads where the names of a payload stand that was made here: nothing is checked, and
    /// the data is not looked for.
    #[inline]
    pub(crate) fn of_made(payload: &[u8]) -> Option<Self> {
        let stream_len = u16_at(payload, event::STREAM_LEN)?;
        let type_len = *payload.get(event::TYPE_LEN)?;
        let flags = *payload.get(event::FLAGS)?;
        let optional_at = event::NAMES + usize::from(stream_len) + usize::from(type_len);
        let optional_at = u32::try_from(optional_at).ok()?;
        Some(Self { flags, stream_len, type_len, optional_at, ..Self::default() })
    }

    pub(crate) fn id(payload: &[u8]) -> u128 {
        u128_at(payload, event::ID).unwrap_or_default().swap_bytes()
    }

    pub(crate) fn stream<'a>(&self, payload: &'a [u8]) -> &'a str {
        let end = event::NAMES + usize::from(self.stream_len);
        text(payload.get(event::NAMES..end))
    }

    pub(crate) fn event_type<'a>(&self, payload: &'a [u8]) -> &'a str {
        text(Some(self.type_bytes(payload)))
    }

    /// The bytes of the type.
    #[inline]
    pub(crate) fn type_bytes<'a>(&self, payload: &'a [u8]) -> &'a [u8] {
        let start = event::NAMES + usize::from(self.stream_len);
        payload.get(start..start + usize::from(self.type_len)).unwrap_or_default()
    }

    pub(crate) fn metadata<'a>(&self, payload: &'a [u8]) -> &'a [u8] {
        let end = size(self.data_at);
        payload.get(end - size(self.metadata_len)..end).unwrap_or_default()
    }

    pub(crate) fn data<'a>(&self, payload: &'a [u8]) -> &'a [u8] {
        payload.get(size(self.data_at)..).unwrap_or_default()
    }

    pub(crate) const fn is_json(&self) -> bool {
        self.flags & has::JSON != 0
    }

    /// Whether there are tags, a correlation or a cause.
    pub(crate) const fn has_links(&self) -> bool {
        self.flags & (has::TAGS | has::CORRELATION | has::CAUSE) != 0
    }

    /// The rarer fields. They were walked once when the payload was checked.
    pub(crate) fn optional<'a>(&self, payload: &'a [u8]) -> Optional<'a> {
        if self.flags & !has::JSON == 0 {
            return Optional::default();
        }
        payload
            .get(size(self.optional_at)..)
            .and_then(|bytes| Optional::read(self.flags, bytes))
            .unwrap_or_default()
    }
}

/// The type of the event before: most often it is that of the next one too, and one comparison
/// is cheaper than another look whether it is UTF-8.
#[derive(Debug, Default)]
pub(crate) struct LastType(String);

impl LastType {
    #[inline]
    pub(crate) fn of(&mut self, fields: &Fields, payload: &[u8]) -> &str {
        if fields.type_bytes(payload) != self.0.as_bytes() {
            fields.event_type(payload).clone_into(&mut self.0);
        }
        &self.0
    }
}

/// A text that was found to be UTF-8 when its payload was checked.
pub(super) fn text(bytes: Option<&[u8]>) -> &str {
    bytes.and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
}

/// The texts of a sequence of tags.
#[derive(Debug, Clone)]
pub(crate) struct TagTexts<'a> {
    rest: &'a [u8],
}

impl<'a> TagTexts<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
}

impl<'a> Iterator for TagTexts<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let mut taker = Taker { rest: self.rest };
        let tag = taker.short_text();
        self.rest = taker.rest;
        tag
    }
}
