//! annals beside other embedded stores: the same events, the same disk, the same durability,
//! in turns.
//!
//! `cargo run --release --manifest-path benches/rivals/Cargo.toml --features all -- DIRECTORY`
//! prints one table: a line for each kind of work, a column for the floor, for annals and for
//! each rival, with annals' ratio to each and its spread. `-- calls DIRECTORY` counts what a
//! durable append of each asks of the system. `README.md` has the rivals, their releases
//! and what was counted.
//!
//! * [`store`]: what every store is asked to do
//! * [`stores`]: annals and the rivals, one to a file, each with what its durable call does,
//!   the options that were chosen, and where it does less than annals
//! * [`codec`]: how an event lies in a store of keys and values
//! * [`source`]: the events, the same for all
//! * [`rows`]: the lines of the table
//! * [`turns`]: one turn of one store
//! * [`floors`]: the loops without a store
//! * [`run`]: rounds of turns, each a process of its own
//! * [`usage`]: bytes on disk and in memory
//! * [`report`]: the table
//! * [`about`]: what each store does, for the README
//! * [`calls`]: what strace counts
//!
//! This is a crate of its own, not a member of the workspace: nobody who builds annals builds
//! its rivals. Each rival is a feature; the default has those in pure Rust, `all` adds those
//! that compile C or C++ (RocksDB needs `clang` and `libclang` and takes long).

pub mod about;
pub mod calls;
pub mod codec;
pub mod floors;
pub mod report;
pub mod rows;
pub mod run;
pub mod source;
pub mod store;
pub mod stores;
pub mod turns;
pub mod usage;
