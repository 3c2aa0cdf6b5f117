//! annals: an embedded, append-only event log.

pub mod io;
