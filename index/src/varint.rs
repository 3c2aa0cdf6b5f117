//! LEB128: seven bits per byte, the lowest first, the high bit set on all bytes but the last.

/// Appends `value`; 1 to 10 bytes.
pub(crate) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(low7(value) | 0x80);
        value >>= 7;
    }
    out.push(low7(value));
}

const fn low7(value: u64) -> u8 {
    value.to_le_bytes()[0] & 0x7f
}

/// The number at the start of `bytes` and its length. `None` if it is cut short, is longer than
/// 64 bits, or has a needless last byte of zero (each number has one form only).
pub(crate) fn get(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (at, &byte) in bytes.iter().enumerate().take(super::layout::VARINT_MAX) {
        let bits = u64::from(byte & 0x7f);
        let shift = u32::try_from(at).ok()? * 7;
        if shift == 63 && bits > 1 {
            return None;
        }
        value |= bits << shift;
        if byte < 0x80 {
            return (byte != 0 || at == 0).then_some((value, at + 1));
        }
    }
    None
}

/// Takes the number at the start of `bytes` off it.
pub(crate) fn take(bytes: &mut &[u8]) -> Option<u64> {
    // Nearly all deltas are one byte.
    if let Some((&byte, rest)) = bytes.split_first()
        && byte < 0x80
    {
        *bytes = rest;
        return Some(u64::from(byte));
    }
    let (value, len) = get(bytes)?;
    *bytes = bytes.get(len..)?;
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_comes_back() {
        for shift in 0..64 {
            for value in [1u64 << shift, (1 << shift) - 1, (1 << shift) + 1, u64::MAX >> shift] {
                let mut bytes = Vec::new();
                put(&mut bytes, value);
                let len = bytes.len();
                bytes.push(0xff);
                assert_eq!(get(&bytes), Some((value, len)));
                let mut rest = bytes.as_slice();
                assert_eq!(take(&mut rest), Some(value));
                assert_eq!(rest, [0xff]);
                assert_eq!(get(&bytes[..len - 1]), None);
            }
        }
    }

    #[test]
    fn overlong_numbers_are_refused() {
        assert_eq!(get(&[0x80, 0]), None);
        assert_eq!(get(&[0xff; 11]), None);
        assert_eq!(get(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]), None);
        assert_eq!(get(&[]), None);
    }
}
