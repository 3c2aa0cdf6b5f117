//! Reading choices from the bytes of an input. What is beyond the end reads as zeros, so
//! that every input means something.

use crate::numbers::{narrow, wide};

/// What is left of an input.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// All of it.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether nothing is left.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Up to so many bytes, as they stand.
    pub fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (taken, left) = self.0.split_at(len.min(self.0.len()));
        self.0 = left;
        taken
    }

    /// Everything that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// A number of so many bytes, 8 at the most, lowest first.
    fn number(&mut self, len: usize) -> u64 {
        let bytes = self.bytes(len).iter().rev();
        bytes.fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// One byte.
    pub fn byte(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or(0)
    }

    /// Two bytes.
    pub fn word(&mut self) -> usize {
        narrow(self.number(2))
    }

    /// Eight bytes.
    pub fn long(&mut self) -> u64 {
        self.number(8)
    }

    /// One byte as one of so many choices; 0 if there is none.
    pub fn choice(&mut self, choices: usize) -> usize {
        usize::from(self.byte()) % choices.max(1)
    }

    /// One of these, by one byte.
    pub fn one_of<T: Copy>(&mut self, choices: &[T], otherwise: T) -> T {
        let at = self.choice(choices.len());
        choices.get(at).copied().unwrap_or(otherwise)
    }

    /// A place within so many bytes, their end included, by three bytes.
    pub fn place(&mut self, len: usize) -> usize {
        narrow(self.number(3) % (wide(len) + 1))
    }
}
