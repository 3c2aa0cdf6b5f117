//! Text from a log, made safe for a terminal.

use std::borrow::Cow;
use std::fmt::Write;

use annals::Durability;

/// The text with its control characters spelled out: what is in a log must not move
/// the cursor or ring the bell of who reads it.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut spelled = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if character.is_control() {
            // Writing to a string does not fail.
            let _ = write!(spelled, "{}", character.escape_default());
        } else {
            spelled.push(character);
        }
    }
    Cow::Owned(spelled)
}

/// The same of the beginning of a long text, of so many characters.
pub(crate) fn shortened(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        None => printable(text).into_owned(),
        Some((end, _)) => format!("{}…", printable(text.get(..end).unwrap_or(text))),
    }
}

/// How safe something is, in one word.
pub(crate) const fn level(durability: Durability) -> &'static str {
    match durability {
        Durability::Durable => "durable",
        Durability::Written => "written",
        // More levels may come: none of them is less safe than this one.
        _ => "buffered",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(shortened("äöü", 3), "äöü");
        assert_eq!(shortened("äö\n-", 3), "äö\\n…");
        assert_eq!(shortened("a", 0), "…");
    }

    #[test]
    fn control_characters_are_spelled_out() {
        assert_eq!(printable("case-1 é 🎉"), "case-1 é 🎉");
        assert_eq!(printable("a\u{1b}[31m\n\u{9b}"), "a\\u{1b}[31m\\n\\u{9b}");
    }
}
