//! Bytes to numbered lines, with a limit on their length.

use std::io::{BufRead, Read};

use crate::incoming::ItemError;

/// Longest line, in bytes. An event of the largest size fits, also with its data in
/// base64; anything longer is no event, and is not worth the memory.
const LINE_BYTES_MAX: usize = 64 << 20;

/// Lines that are not blank, counted from 1 with the blank ones.
pub(crate) struct Lines<R> {
    reader: R,
    number: u64,
    buffer: Vec<u8>,
    longest: usize,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { reader, number: 0, buffer: Vec::new(), longest: LINE_BYTES_MAX }
    }

    /// The number of the line that was read last, or could not be read.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    /// The next line, without its line end.
    pub(crate) fn next(&mut self) -> Result<Option<&[u8]>, ItemError> {
        loop {
            self.number += 1;
            self.buffer.clear();
            let room = u64::try_from(self.longest).unwrap_or(u64::MAX).saturating_add(1);
            // On an error the buffer holds part of a line: it is never handed out.
            let mut limited = self.reader.by_ref().take(room);
            let count =
                limited.read_until(b'\n', &mut self.buffer).map_err(ItemError::Unreadable)?;
            if count == 0 {
                return Ok(None);
            }
            if self.buffer.last() == Some(&b'\n') {
                self.buffer.pop();
            }
            if self.buffer.len() > self.longest {
                return Err(ItemError::LineTooLong { limit: self.longest });
            }
            if !self.buffer.trim_ascii().is_empty() {
                return Ok(Some(&self.buffer));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8], longest: usize) -> Vec<(u64, Result<String, String>)> {
        let mut lines = Lines { longest, ..Lines::new(text) };
        let mut found = Vec::new();
        loop {
            let line = match lines.next() {
                Ok(None) => return found,
                Ok(Some(line)) => Ok(String::from_utf8(line.to_vec()).unwrap()),
                Err(error) => Err(error.to_string()),
            };
            let ended = line.is_err();
            found.push((lines.number(), line));
            if ended {
                return found;
            }
        }
    }

    #[test]
    fn blank_lines_are_counted_but_not_returned() {
        let found = all(b"one\n\n  \r\nfour", 100);
        assert_eq!(found, [(1, Ok("one".to_owned())), (4, Ok("four".to_owned()))]);
    }

    #[test]
    fn a_line_over_the_limit_is_an_error_at_its_number() {
        assert_eq!(all(b"12345\n12345", 5).len(), 2);
        let found = all(b"1\n123456\n", 5);
        assert_eq!(found[1].0, 2);
        assert!(found[1].1.as_ref().unwrap_err().contains("limit of 5 bytes"));
        assert!(all(b"123456", 5)[0].1.is_err());
    }
}
