//! Names of streams that are made of a category and an id.

use std::fmt;
use std::ops::Deref;

use crate::{Error, Result, limits};

/// The name of a stream: a category, a hyphen, an id. Readers can ask for all streams of a
/// [category](crate::Filter::category).
///
/// ```
/// use annals::sourcing::StreamName;
/// let name = StreamName::new("account", 17)?;
/// assert_eq!(&*name, "account-17");
/// assert_eq!((name.category(), name.id()), ("account", "17"));
/// assert!(StreamName::new("bank-account", 17).is_err());
/// # Ok::<(), annals::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamName {
    name: String,
    category_len: usize,
}

impl StreamName {
    /// The stream of this id, a number, a UUID or a text, in this category.
    ///
    /// # Errors
    /// [`Error::Invalid`] if one of the two is empty or the category has a hyphen, since
    /// that is where the category ends; [`Error::TooLarge`] if the name has more than
    /// [512 bytes](limits::STREAM_NAME_BYTES).
    pub fn new(category: &str, id: impl fmt::Display) -> Result<Self> {
        if !is_category(category) {
            let why = "it is empty or has a hyphen, which ends a category";
            return Err(Error::Invalid { what: "category", why });
        }
        let name = format!("{category}-{id}");
        if name.len() == category.len() + 1 {
            return Err(Error::Invalid { what: "id", why: "it is empty" });
        }
        if name.len() > limits::STREAM_NAME_BYTES {
            let [size, limit] = [name.len(), limits::STREAM_NAME_BYTES].map(|n| n as u64);
            return Err(Error::TooLarge { what: "stream name (bytes)", size, limit });
        }
        Ok(Self { name, category_len: category.len() })
    }

    /// The part before the first hyphen.
    pub fn category(&self) -> &str {
        self.name.get(..self.category_len).unwrap_or_default()
    }

    /// The part after the first hyphen.
    pub fn id(&self) -> &str {
        self.name.get(self.category_len + 1..).unwrap_or_default()
    }
}

/// Whether streams of this category are found by it.
pub(super) const fn is_category(category: &str) -> bool {
    let mut bytes = category.as_bytes();
    let some = !bytes.is_empty();
    while let [first, rest @ ..] = bytes {
        if *first == b'-' {
            return false;
        }
        bytes = rest;
    }
    some
}

impl Deref for StreamName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.name
    }
}

impl AsRef<str> for StreamName {
    fn as_ref(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)
    }
}
