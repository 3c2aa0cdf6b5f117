//! The floors: small loops that do what cannot be left out, and nothing else.
//!
//! * [`device`]: one write and one sync (w1), or the write alone (w3, written)
//! * [`buffer`]: copied, summed, written when there is much (w3, buffered)
//! * [`heads`]: copied into a mapping, with the heads of streams in a hash table (w3e)
//! * [`group`]: many threads share them (w2)
//! * [`walk`]: headers and checksums of a mapped log (w4)
//! * [`offsets`]: a hash table of offsets over a mapped log (w5, w6, w8)
//! * [`full`]: what cannot be left out by a log that keeps what annals keeps (w1b to w5)
//! * [`baton`]: one atomic and a spin, one futex (w7)
//! * [`map`]: the mappings themselves, the only place with `unsafe`

pub mod baton;
pub mod buffer;
pub mod device;
pub mod full;
pub mod group;
pub mod heads;
pub mod map;
pub mod offsets;
pub mod walk;
