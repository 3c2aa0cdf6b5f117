//! What a reader asks to see.

/// How safe events must be before a reader is handed them.
/// [`CursorOptions`](crate::CursorOptions) has an example.
///
/// ```
/// use annals::Visibility;
/// assert_eq!(Visibility::default(), Visibility::Durable);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Visibility {
    /// Only what is synced to the device. What was handed out is never lost.
    #[default]
    Durable,
    /// What is handed to the operating system too. It comes sooner; a power cut can
    /// lose it after it was handed out, and then the [`Checkpoint`](crate::Checkpoint)
    /// behind it is refused.
    Written,
}
