//! Text that is safe between tags and in attributes, whatever is in it.

/// The text with everything that means something to HTML spelled out, and control
/// characters, which no page may hold, as spaces.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            control if control.is_control() => safe.push(' '),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_taken_for_a_tag() {
        let text = "<script a=\"b\" c='d'>&\u{1b}é";
        let safe = escape(text);
        assert_eq!(safe, "&lt;script a=&quot;b&quot; c=&#39;d&#39;&gt;&amp; é");
    }
}
