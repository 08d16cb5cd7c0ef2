use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::PathBuf;

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

/// The path that [`text`] wrote as `text`.
///
/// Outside Unix, where no path holds other bytes than UTF-8, only `\x5c` is replaced.
///
/// ```
/// assert_eq!(earmark_fs::path_of_text(r"night\x5cx41.wav"), std::path::Path::new(r"night\x41.wav"));
/// ```
pub fn path_of_text(text: &str) -> PathBuf {
    let mut path = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(r"\x") {
        let (before, from) = rest.split_at(at);
        path.extend_from_slice(before.as_bytes());
        let digits = from.get(2..4).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte.filter(|byte| cfg!(unix) || *byte == b'\\') {
            Some(byte) => {
                path.push(byte);
                rest = &from[4..];
            }
            None => {
                path.extend_from_slice(&from.as_bytes()[..2]);
                rest = &from[2..];
            }
        }
    }
    path.extend_from_slice(rest.as_bytes());
    of_bytes(path)
}

#[cfg(unix)]
fn of_bytes(bytes: Vec<u8>) -> PathBuf {
    <std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(bytes).into()
}

#[cfg(not(unix))]
fn of_bytes(bytes: Vec<u8>) -> PathBuf {
    String::from_utf8_lossy(&bytes).into_owned().into()
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    #[test]
    fn a_name_can_be_recovered_from_its_text() {
        let parts: [&[u8]; 9] = [b"a", b"\\", b"x", b"\xff", b"ff", b"\\xff", b"\xc3", b"\xbc", b"\n"];
        let mut texts = std::collections::HashMap::new();
        for numbers in 0..9usize.pow(4) {
            let name: Vec<u8> =
                (0..4).flat_map(|place| parts[numbers / 9usize.pow(place) % 9]).copied().collect();
            let text = text(OsStr::from_bytes(&name));
            assert_eq!(path_of_text(&text).as_os_str().as_bytes(), name, "{text}");
            let other = texts.entry(text).or_insert_with(|| name.clone());
            assert_eq!(*other, name, "two names are one text");
        }
    }
}
