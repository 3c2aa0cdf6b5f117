//! Which events a reader wants: by category, stream, type, tag, correlation and cause.
//!
//! What a filter says and whether an event is meant. How such events are found is the
//! readers' affair.

use std::fmt;

use crate::category;
use crate::event::Event;

/// Which events a read or a cursor hands out.
///
/// Each call names what an event must have. Of several names of one kind an event must
/// have any; of several tags it must carry all, since an event can. What is said of
/// different kinds must all hold. A filter that says nothing takes every event.
///
/// A name that no event can have, since it is longer than its
/// [limit](crate::limits) or empty, is no error: nothing matches it, as nothing matches a
/// name that no event has yet. (A category may be empty: that of the stream `-x` is.) So does
/// a filter match nothing that asks for more tags than an event can carry.
///
/// Two filters are equal if they say the same, in whatever order. As text a filter is
/// canonical: equal filters have one text, and different ones two.
///
/// ```
/// use annals::{Batch, Expected, Filter, Log, NewEvent};
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path();
/// let log = Log::open(path)?;
/// for (order, customer) in [("order-1", "customer:7"), ("order-2", "customer:8")] {
///     let placed = NewEvent::new("Placed").tag(customer);
///     log.append(Batch::new().write(order, Expected::Any, [placed]))?;
///     log.append(Batch::new().write(order, Expected::Any, [NewEvent::new("Paid")]))?;
/// }
/// let filter = Filter::new().category("order").event_type("Placed").tag("customer:8");
/// let found = log.read_all().filter(filter.clone()).collect()?;
/// assert_eq!(found.len(), 1);
/// assert_eq!(found[0].as_event().stream(), "order-2");
/// assert!(filter.matches(&found[0].as_event()));
/// assert_eq!(filter.to_string(), r#"category="order" type="Placed" tag="customer:8""#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[must_use]
pub struct Filter {
    /// One for each kind that something was said of, and one for each tag; in order, so
    /// that equal filters have equal lists.
    clauses: Vec<Clause>,
}

/// What part of an event is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Field {
    Category,
    Stream,
    Type,
    Tag,
    Correlation,
    Cause,
}

/// One condition: an event has one of these names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Clause {
    pub(crate) field: Field,
    /// Sorted, each once; of tags there is one.
    pub(crate) names: Vec<Box<str>>,
}

impl Filter {
    /// Every event.
    pub const fn new() -> Self {
        Self { clauses: Vec::new() }
    }

    /// Events of streams of this category: the part of the stream's name before the first
    /// `-`.
    pub fn category(self, name: &str) -> Self {
        self.any_of(Field::Category, name)
    }

    /// Events of this stream.
    pub fn stream(self, name: &str) -> Self {
        self.any_of(Field::Stream, name)
    }

    /// Events of this type.
    pub fn event_type(self, name: &str) -> Self {
        self.any_of(Field::Type, name)
    }

    /// Events that carry this tag, beside those that were asked for before.
    pub fn tag(mut self, tag: &str) -> Self {
        let clause = Clause { field: Field::Tag, names: vec![Box::from(tag)] };
        if let Err(at) = self.clauses.binary_search(&clause) {
            self.clauses.insert(at, clause);
        }
        self
    }

    /// Events that belong to this conversation, process or request.
    pub fn correlation(self, text: &str) -> Self {
        self.any_of(Field::Correlation, text)
    }

    /// Events that this caused.
    pub fn caused_by(self, text: &str) -> Self {
        self.any_of(Field::Cause, text)
    }

    /// Whether an event is meant.
    pub fn matches(&self, event: &Event<'_>) -> bool {
        self.clauses.iter().all(|clause| clause.holds(event))
    }

    /// Whether it takes every event.
    pub const fn is_empty(&self) -> bool {
        self.clauses.is_empty()
    }

    pub(crate) fn clauses(&self) -> &[Clause] {
        &self.clauses
    }

    fn any_of(mut self, field: Field, name: &str) -> Self {
        let at = self.clauses.partition_point(|clause| clause.field < field);
        match self.clauses.get_mut(at) {
            Some(clause) if clause.field == field => {
                if let Err(place) = clause.names.binary_search_by(|other| (**other).cmp(name)) {
                    clause.names.insert(place, Box::from(name));
                }
            }
            _ => self.clauses.insert(at, Clause { field, names: vec![Box::from(name)] }),
        }
        self
    }
}

impl Clause {
    /// Whether it holds for an event.
    pub(crate) fn holds(&self, event: &Event<'_>) -> bool {
        match self.field {
            Field::Category => self.has(category::of(event.stream())),
            Field::Stream => self.has(event.stream()),
            Field::Type => self.has(event.event_type()),
            Field::Tag => event.tags().any(|tag| self.has(tag)),
            Field::Correlation => event.correlation().is_some_and(|text| self.has(text)),
            Field::Cause => event.caused_by().is_some_and(|text| self.has(text)),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.names.binary_search_by(|other| (**other).cmp(name)).is_ok()
    }
}

impl Field {
    const fn word(self) -> &'static str {
        match self {
            Self::Category => "category",
            Self::Stream => "stream",
            Self::Type => "type",
            Self::Tag => "tag",
            Self::Correlation => "correlation",
            Self::Cause => "caused_by",
        }
    }
}

/// The canonical text: `everything`, or the conditions in a fixed order, names of one in the
/// order of their bytes: `category="cart"|"order" tag="vip"`. In names `"` and `\` have a `\`
/// before them, and control characters are written `\u{a}`.
impl fmt::Display for Filter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return formatter.write_str("everything");
        }
        let mut space = "";
        for clause in &self.clauses {
            write!(formatter, "{space}{}=", clause.field.word())?;
            space = " ";
            let mut or = "";
            for name in &clause.names {
                formatter.write_str(or)?;
                quoted(formatter, name)?;
                or = "|";
            }
        }
        Ok(())
    }
}

/// Not by `Debug`, which escapes more as the standard library learns of new characters.
fn quoted(formatter: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    use fmt::Write;
    formatter.write_char('"')?;
    for c in name.chars() {
        match c {
            '"' | '\\' => write!(formatter, "\\{c}")?,
            _ if c.is_control() => write!(formatter, "\\u{{{:x}}}", u32::from(c))?,
            _ => formatter.write_char(c)?,
        }
    }
    formatter.write_char('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_that_say_the_same_are_equal_and_have_one_text() {
        let one = Filter::new().tag("b").event_type("Y").category("c").tag("a").event_type("X");
        let two = Filter::new().event_type("X").tag("a").tag("b").tag("a").category("c");
        assert_ne!(one, two);
        let two = two.event_type("Y").event_type("Y");
        assert_eq!(one, two);
        assert_eq!(one.to_string(), two.to_string());
        assert_eq!(one.to_string(), r#"category="c" type="X"|"Y" tag="a" tag="b""#);
        assert_eq!(Filter::new().to_string(), "everything");
    }

    #[test]
    fn no_name_makes_one_filter_look_like_another() {
        let texts = [
            Filter::new().tag(r#"a" tag="b"#),
            Filter::new().tag("a").tag("b"),
            Filter::new().event_type("a").event_type("b"),
            Filter::new().event_type(r#"a"|"b"#),
            Filter::new().event_type("a\\\"|\\\"b"),
            Filter::new().event_type("\n"),
            Filter::new().event_type("\\u{a}"),
            Filter::new().category(""),
            Filter::new().stream("everything"),
            Filter::new().correlation("a"),
            Filter::new().caused_by("a"),
            Filter::new(),
        ]
        .map(|filter| filter.to_string());
        for (n, text) in texts.iter().enumerate() {
            assert!(!texts[..n].contains(text), "{text}");
            assert!(!text.contains('\n'));
        }
    }
}
