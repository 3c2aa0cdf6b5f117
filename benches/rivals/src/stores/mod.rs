//! The stores, one to a file. Each says what its durable call does, which options were
//! chosen and why, and where it does less than annals.

mod annals;
#[cfg(feature = "fjall")]
mod fjall;
#[cfg(feature = "lmdb")]
mod lmdb;
#[cfg(feature = "okaywal")]
mod okaywal;
#[cfg(feature = "raft-engine")]
mod raft_engine;
#[cfg(feature = "redb")]
mod redb;
#[cfg(feature = "rocksdb")]
mod rocksdb;
#[cfg(feature = "seglog")]
mod seglog;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "tephra")]
mod tephra;
#[cfg(feature = "umadb")]
mod umadb;

use crate::store::Rival;

/// annals, asked the same as the others.
pub const ANNALS: Rival = annals::RIVAL;

/// The rivals that were built, event stores and logs first.
pub const RIVALS: &[Rival] = &[
    #[cfg(feature = "okaywal")]
    okaywal::RIVAL,
    #[cfg(feature = "seglog")]
    seglog::RIVAL,
    #[cfg(feature = "raft-engine")]
    raft_engine::RIVAL,
    #[cfg(feature = "tephra")]
    tephra::RIVAL,
    #[cfg(feature = "umadb")]
    umadb::RIVAL,
    #[cfg(feature = "fjall")]
    fjall::RIVAL,
    #[cfg(feature = "rocksdb")]
    rocksdb::RIVAL,
    #[cfg(feature = "redb")]
    redb::RIVAL,
    #[cfg(feature = "lmdb")]
    lmdb::RIVAL,
    #[cfg(feature = "sqlite")]
    sqlite::RIVAL,
];

/// annals or a rival, by its name.
pub fn find(name: &str) -> Option<Rival> {
    std::iter::once(ANNALS).chain(RIVALS.iter().copied()).find(|rival| rival.name == name)
}

/// The release of a crate that this was built with, as its lock file says.
pub fn version_of(package: &str) -> &'static str {
    let lock = include_str!("../../Cargo.lock");
    let head = format!("name = \"{package}\"\nversion = \"");
    let rest = lock.split_once(&head).map_or("", |(_, rest)| rest);
    rest.split('"').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rival_has_a_name_of_its_own_and_a_release() {
        for rival in RIVALS {
            assert!(!version_of(rival.package).is_empty(), "{}", rival.name);
            let same = RIVALS.iter().filter(|other| other.name == rival.name);
            assert_eq!(same.count(), 1, "{}", rival.name);
        }
        assert_eq!(version_of("no-such-crate"), "");
    }
}
