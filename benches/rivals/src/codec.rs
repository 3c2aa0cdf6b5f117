//! How an event lies in a store that knows only keys and values, or only bytes.
//!
//! A record is what the floors count as content: id, two lengths, stream, type, data. A key
//! of the stream index is the stream's name, a zero byte, and the event's position, big-endian
//! so that the keys of a stream lie in order; its value is empty.

use annals_benches::Result;

use crate::store::Event;

const ID_BYTES: usize = size_of::<u128>();
const POSITION_BYTES: usize = size_of::<u64>();

/// Appends the record of `event` to `out`.
///
/// # Errors
/// If the stream's name or the type is too long for its length.
pub fn encode(event: &Event<'_>, out: &mut Vec<u8>) -> Result<()> {
    out.extend_from_slice(&event.id.to_le_bytes());
    out.extend_from_slice(&u16::try_from(event.stream.len())?.to_le_bytes());
    out.push(u8::try_from(event.kind.len())?);
    out.push(0);
    out.extend_from_slice(event.stream.as_bytes());
    out.extend_from_slice(event.kind.as_bytes());
    out.extend_from_slice(event.data);
    Ok(())
}

/// The event of a record.
///
/// # Errors
/// If it is none.
pub fn decode(record: &[u8]) -> Result<Event<'_>> {
    let (id, rest) = record.split_first_chunk::<ID_BYTES>().ok_or("a record is cut off")?;
    let (lengths, rest) = rest.split_first_chunk::<4>().ok_or("a record is cut off")?;
    let [low, high, kind_len, _] = *lengths;
    let stream_len = usize::from(u16::from_le_bytes([low, high]));
    let (stream, rest) = rest.split_at_checked(stream_len).ok_or("a stream is cut off")?;
    let kind_len = usize::from(kind_len);
    let (kind, data) = rest.split_at_checked(kind_len).ok_or("a type is cut off")?;
    Ok(Event {
        id: u128::from_le_bytes(*id),
        stream: std::str::from_utf8(stream)?,
        kind: std::str::from_utf8(kind)?,
        data,
    })
}

/// The key of the event at `position` in the index of its stream.
pub fn stream_key(stream: &str, position: u64, out: &mut Vec<u8>) {
    stream_prefix(stream, out);
    out.extend_from_slice(&position.to_be_bytes());
}

/// What the keys of a stream begin with.
pub fn stream_prefix(stream: &str, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(stream.as_bytes());
    out.push(0);
}

/// What comes after all keys of the stream with this prefix: names hold no zero byte.
pub fn after(prefix: &[u8]) -> Vec<u8> {
    let mut after = prefix.to_vec();
    if let Some(last) = after.last_mut() {
        *last = 1;
    }
    after
}

/// The position that a key of a stream index ends with.
///
/// # Errors
/// If it is too short for one.
pub fn position_of(key: &[u8]) -> Result<u64> {
    let position = key.last_chunk::<POSITION_BYTES>().ok_or("a key is cut off")?;
    Ok(u64::from_be_bytes(*position))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_comes_back_as_it_was() {
        let event = Event { id: 7, stream: "order-1", kind: "Placed", data: b"\x00data" };
        let mut record = Vec::new();
        encode(&event, &mut record).unwrap();
        assert_eq!(decode(&record).unwrap(), event);
        assert!(decode(&record[..20]).is_err());
    }

    #[test]
    fn keys_of_a_stream_lie_together_and_in_order() {
        let key = |stream: &str, position| {
            let mut key = Vec::new();
            stream_key(stream, position, &mut key);
            key
        };
        let keys = [key("order-1", 2), key("order-1", 300), key("order-10", 1)];
        assert!(keys.is_sorted());
        let mut prefix = Vec::new();
        stream_prefix("order-1", &mut prefix);
        assert!(keys[1] < after(&prefix) && after(&prefix) < keys[2]);
        assert_eq!(position_of(&keys[1]).unwrap(), 300);
    }
}
