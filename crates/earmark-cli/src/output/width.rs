//! How wide text and terminals are, in columns.

use std::borrow::Cow;

use console::{Term, measure_text_width};

/// Of the terminal behind stderr; 80 where there is none.
pub(crate) fn of_stderr() -> usize {
    of(&Term::stderr())
}

/// Of the terminal behind stdout; 80 where there is none.
pub(crate) fn of_stdout() -> usize {
    of(&Term::stdout())
}

fn of(terminal: &Term) -> usize {
    terminal.size_checked().map_or(80, |(_, columns)| columns.into())
}

/// How wide text is that holds no control characters.
pub(crate) fn of_text(text: &str) -> usize {
    measure_text_width(text)
}

/// Text of `most` columns or fewer. What does not fit is left out of its middle, behind a third: paths differ at their end.
pub(crate) fn shorten(text: &str, most: usize) -> Cow<'_, str> {
    if of_text(text) <= most {
        return Cow::Borrowed(text);
    }
    let left = most.saturating_sub(1);
    let head = prefix(text.chars(), left / 3);
    let tail: Vec<char> = prefix(text.chars().rev(), left - left / 3).collect();
    Cow::Owned(head.chain(['…']).chain(tail.into_iter().rev()).take(most).collect())
}

/// The first characters, of `most` columns or fewer.
fn prefix(text: impl Iterator<Item = char>, most: usize) -> impl Iterator<Item = char> {
    text.scan(0, move |width, c| {
        *width += of_text(c.encode_utf8(&mut [0; 4]));
        (*width <= most).then_some(c)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_left_out_of_the_middle() {
        assert_eq!(shorten("night.wav", 9), "night.wav");
        assert_eq!(shorten("recordings/2026/night_0400.wav", 20), "record…ight_0400.wav");
        assert_eq!(shorten("録音/二〇二六年/夜.wav", 12), "録…/夜.wav");
        assert_eq!((shorten("abc", 1), shorten("abc", 0)), ("…".into(), "".into()));
        for most in 0..40 {
            for text in
                ["recordings/2026/night_0400.wav", "録音/二〇二六年/夜.wav", "a\u{301}\u{301}bcdefghij", ""]
            {
                assert!(of_text(&shorten(text, most)) <= most, "{text} in {most}");
            }
        }
    }
}
