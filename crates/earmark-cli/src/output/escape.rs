use std::borrow::Cow;
use std::fmt::Write as _;

/// Text from files, names and servers as it may stand on a terminal: without control characters, line breaks, and what
/// changes the direction or the visibility of the text around it. Those become `\n`, `\u{1b}`, …; all else stays.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            c if is_hidden(c) => _ = write!(escaped, "{}", c.escape_unicode()),
            c => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

/// JSON as [`escape`] leaves text, and the same values.
pub(crate) fn escape_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        match is_hidden(c) {
            // Such a character stands in a string.
            true => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| _ = write!(escaped, "\\u{unit:04x}")),
            false => escaped.push(c),
        }
    }
    escaped
}

/// Whether a character acts on a terminal instead of being seen.
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control() // C0, DEL and C1
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}' // zero widths, marks of direction
            | '\u{2028}'..='\u{202e}' // separators of lines and paragraphs, embeddings and overrides
            | '\u{2060}'..='\u{206f}' // invisible operators, isolates
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}' // tags
        )
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn what_acts_on_a_terminal_is_spelled_out_and_all_else_stays() {
        for plain in ["dog, \"barking\"", "Ruf der Möwe", "日本語", "C:\\sounds\\new", "a\u{301}🐦", ""]
        {
            assert_eq!(escape(plain), plain);
        }
        for (hostile, seen) in [
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("a\nerror: b", "a\\nerror: b"),
            ("a\r\tb\0", "a\\r\\tb\\u{0}"),
            ("\u{9b}31m\u{7f}", "\\u{9b}31m\\u{7f}"),
            ("gpj.\u{202e}exe\u{2066}\u{2069}\u{200f}", "gpj.\\u{202e}exe\\u{2066}\\u{2069}\\u{200f}"),
            ("a\u{200b}b\u{2028}c\u{feff}", "a\\u{200b}b\\u{2028}c\\u{feff}"),
            ("\u{e0041}", "\\u{e0041}"),
        ] {
            assert_eq!(escape(hostile), seen);
        }
    }
}
