//! The category of a stream: what its name says it is of.

/// The part of a stream's name before the first `-`; a name without one is its own category.
pub(crate) fn of(stream: &str) -> &str {
    stream.split_once('-').map_or(stream, |(category, _)| category)
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn the_first_hyphen_ends_the_category() {
        let categories =
            ["order-17", "order-17-a", "order", "-17", "bestellung\u{2010}1-2"].map(of);
        assert_eq!(categories, ["order", "order", "order", "", "bestellung\u{2010}1"]);
    }
}
