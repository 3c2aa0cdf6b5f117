//! A snapshot as it is handed in, of a stream or of a named state.

use super::check::{most, within};
use crate::error::Result;
use crate::limits;

/// Folded state to append, with [`Batch::snapshot`](crate::Batch::snapshot) or
/// [`Batch::state`](crate::Batch::state), which copy it once. Borrows everything it is
/// given.
///
/// ```
/// use annals::NewSnapshot;
/// let snapshot = NewSnapshot::new(3).json(r#"{"total":12,"paid":true}"#);
/// # let _ = snapshot;
/// ```
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct NewSnapshot<'a> {
    pub(super) schema: u32,
    pub(super) data: &'a [u8],
    pub(super) json: bool,
    pub(super) content_type: Option<&'a str>,
}

impl<'a> NewSnapshot<'a> {
    /// Without data. `schema` is the number of the state's shape: a program whose state
    /// has another shape takes another number, and folds from further back.
    pub const fn new(schema: u32) -> Self {
        Self { schema, data: &[], json: false, content_type: None }
    }

    /// The state, in whatever encoding.
    pub const fn data(mut self, data: &'a [u8]) -> Self {
        self.data = data;
        self
    }

    /// The state as JSON text, with the content type that says so. The text is kept byte
    /// for byte and not looked at.
    pub const fn json(mut self, text: &'a str) -> Self {
        self.data = text.as_bytes();
        self.json = true;
        self.content_type = None;
        self
    }

    /// How the state is encoded (1 to 255 bytes).
    pub fn content_type(mut self, content_type: &'a str) -> Self {
        self.json = content_type == "application/json";
        self.content_type = (!self.json).then_some(content_type);
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        if let Some(text) = self.content_type {
            within("content type", text.len(), limits::CONTENT_TYPE_BYTES)?;
        }
        // Before it is encoded: this is what can be huge.
        most("data (bytes)", self.data.len(), limits::EVENT_BYTES)
    }
}
