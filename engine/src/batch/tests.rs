//! What a batch holds.
