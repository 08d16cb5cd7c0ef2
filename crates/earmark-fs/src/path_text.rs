use std::ffi::OsStr;
use std::fmt::Write as _;

/// A file name or path as text, without loss: two different names give two different texts.
///
/// UTF-8 stays as it is. Any other byte becomes `\xNN`, in lower case. Where the name itself holds a backslash, `x` and two
/// hexadecimal digits, that backslash becomes `\x5c`, so each `\xNN` in the text is one byte of the name.
///
/// ```
/// # #[cfg(unix)] {
/// use std::ffi::OsStr;
/// use std::os::unix::ffi::OsStrExt as _;
///
/// assert_eq!(earmark_fs::text("Ruf der Möwe.wav"), "Ruf der Möwe.wav");
/// assert_eq!(earmark_fs::text(OsStr::from_bytes(b"M\xf6we.wav")), r"M\xf6we.wav");
/// assert_eq!(earmark_fs::text(r"M\xf6we.wav"), r"M\x5cxf6we.wav");
/// # }
/// ```
pub fn text(name: impl AsRef<OsStr>) -> String {
    let bytes = name.as_ref().as_encoded_bytes();
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        let mut rest = chunk.valid();
        while let Some(at) = rest.find(r"\x") {
            let (before, from) = rest.split_at(at);
            text.push_str(before);
            let digits = from.as_bytes().get(2..4);
            let looks_escaped = digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
            text.push_str(if looks_escaped { r"\x5cx" } else { r"\x" });
            rest = &from[2..];
        }
        text.push_str(rest);
        for byte in chunk.invalid() {
            _ = write!(text, r"\x{byte:02x}");
        }
    }
    text
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    /// The inverse of [`text`].
    fn bytes(text: &str) -> Vec<u8> {
        let text = text.as_bytes();
        let (mut bytes, mut at) = (Vec::new(), 0);
        while at < text.len() {
            let digits = text.get(at + 2..at + 4).and_then(|digits| std::str::from_utf8(digits).ok());
            match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                Some(byte) if text[at..].starts_with(br"\x") => {
                    bytes.push(byte);
                    at += 4;
                }
                _ => {
                    bytes.push(text[at]);
                    at += 1;
                }
            }
        }
        bytes
    }

    #[test]
    fn a_name_can_be_recovered_from_its_text() {
        let parts: [&[u8]; 9] = [b"a", b"\\", b"x", b"\xff", b"ff", b"\\xff", b"\xc3", b"\xbc", b"\n"];
        let mut texts = std::collections::HashMap::new();
        for numbers in 0..9usize.pow(4) {
            let name: Vec<u8> =
                (0..4).flat_map(|place| parts[numbers / 9usize.pow(place) % 9]).copied().collect();
            let text = text(OsStr::from_bytes(&name));
            assert_eq!(bytes(&text), name, "{text}");
            let other = texts.entry(text).or_insert_with(|| name.clone());
            assert_eq!(*other, name, "two names are one text");
        }
    }
}
