//! How safe an append is when it is answered.

/// How safe a batch is when its append is answered; each level is safer than the one
/// before it. The [guide to durability](crate::guide::durability) says what each costs.
///
/// What is not durable is written and synced in the background, at most
/// [`flush_after`](crate::Options::flush_after) later, and by
/// [`Log::sync`](crate::Log::sync).
///
/// ```
/// use annals::Durability;
/// assert!(Durability::Buffered < Durability::Written);
/// assert!(Durability::Written < Durability::Durable);
/// assert_eq!(Durability::default(), Durability::Durable);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[non_exhaustive]
pub enum Durability {
    /// It has its place and its numbers, in memory: a killed process loses it.
    Buffered,
    /// Handed to the operating system: survives a killed process. A power cut loses it.
    Written,
    /// Synced to the device: survives a power cut.
    #[default]
    Durable,
}
