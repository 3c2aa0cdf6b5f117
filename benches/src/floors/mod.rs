//! The floors: small loops that do what cannot be left out, and nothing else.
//!
//! * [`device`]: one write and one sync (w1), or the write alone (w3, written)
//! * [`buffer`]: copied, summed, written when there is much (w3, buffered)
//! * [`group`]: many threads share them (w2)
//! * [`walk`]: headers and checksums of a mapped log (w4)
//! * [`map`]: the mapping itself, the only place with `unsafe`

pub mod buffer;
pub mod device;
pub mod group;
pub mod map;
pub mod walk;
