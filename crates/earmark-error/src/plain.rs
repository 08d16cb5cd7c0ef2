use std::io::{self, ErrorKind};

/// An error of the operating system in plain words and without its number, such as `no such file`. An error that
/// carries a message of its own keeps that message.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    if error.raw_os_error().is_none() && text != error.kind().to_string() {
        return text;
    }
    let plain = match error.kind() {
        ErrorKind::NotFound => "no such file",
        ErrorKind::PermissionDenied => "permission denied",
        ErrorKind::AlreadyExists => "it already exists",
        ErrorKind::IsADirectory => "it is a folder",
        ErrorKind::NotADirectory => "a part of the path is not a folder",
        ErrorKind::DirectoryNotEmpty => "the folder is not empty",
        ErrorKind::StorageFull => "no space left on device",
        ErrorKind::ReadOnlyFilesystem => "the file system is read-only",
        _ => return without_number(&text),
    };
    plain.to_owned()
}

/// `text`, whose end is written as [`reason`] writes it if it is an error of the operating system. For messages that other
/// crates make: they end in the system's own words and its number.
pub(crate) fn plain(text: String) -> String {
    let number = text.strip_suffix(')').and_then(|text| text.rsplit_once(NUMBER)?.1.parse().ok());
    let Some(error) = number.map(io::Error::from_raw_os_error) else { return text };
    match text.strip_suffix(&error.to_string()) {
        Some(before) => format!("{before}{}", reason(&error)),
        None => text,
    }
}

/// How the standard library introduces the number of an error.
const NUMBER: &str = " (os error ";

/// `Broken pipe (os error 32)` as `broken pipe`.
fn without_number(text: &str) -> String {
    let text = text.rsplit_once(NUMBER).map_or(text, |(words, _)| words);
    let mut letters = text.chars();
    letters.next().into_iter().flat_map(char::to_lowercase).chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_system_is_written_without_its_number() {
        let missing = std::fs::read("no/such/file").unwrap_err();
        assert_eq!(reason(&missing), "no such file");
        assert_eq!(reason(&ErrorKind::NotFound.into()), "no such file");
        assert_eq!(without_number("Broken pipe (os error 32)"), "broken pipe");
    }

    #[test]
    fn a_message_of_its_own_is_kept() {
        let own = io::Error::new(ErrorKind::NotFound, "it has 3 bytes (os error 2)");
        assert_eq!(reason(&own), own.to_string());
        assert_eq!(reason(&io::Error::other("The disk is tired")), "The disk is tired");
    }

    #[test]
    fn only_the_end_of_a_message_is_made_plain() {
        let missing = std::fs::read("no/such/file").unwrap_err();
        assert_eq!(plain(format!("cannot open `a`: {missing}")), "cannot open `a`: no such file");
        let within = format!("{missing}, in line 3");
        assert_eq!(plain(within.clone()), within);
        assert_eq!(plain("its checksum (os error x)".to_owned()), "its checksum (os error x)");
    }
}
