//! Commands to type next, as they work where the person is.

use std::env;
use std::path::Path;

/// What starts this program: `earmark`, or what stands in `EARMARK_COMMAND`, as `cargo xtask` sets it.
pub(crate) fn command() -> String {
    env::var("EARMARK_COMMAND").ok().filter(|it| !it.is_empty()).unwrap_or_else(|| "earmark".to_owned())
}

/// The command that this process was started by, as it would be typed again.
pub(crate) fn this_command() -> String {
    let args = env::args_os().skip(1).map(|arg| word(&arg.to_string_lossy()));
    std::iter::once(command()).chain(args).collect::<Vec<_>>().join(" ")
}

/// A path as an argument that a shell passes on as it is.
pub(crate) fn argument(path: &Path) -> String {
    let text = path.to_string_lossy();
    // A path is no flag.
    let text = if text.starts_with('-') { format!("./{text}") } else { text.into_owned() };
    word(&text)
}

/// A word of a command line, quoted where a shell would take it for anything else.
pub(crate) fn word(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-./:=@%+,".contains(c) || (cfg!(windows) && c == '\\');
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else if cfg!(windows) {
        format!("\"{text}\"")
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_shell_gives_every_argument_back() {
        for name in [
            "runs/sample/20261127-101500",
            "my clip.wav",
            "it's $HOME.wav",
            "a\"b`c`\\d",
            "*",
            "~",
            "Möwe.wav",
            "#1",
            "a;b&c|d(e)",
        ] {
            let script = format!("printf %s {}", argument(Path::new(name)));
            let output = std::process::Command::new("sh").arg("-c").arg(script).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), name);
        }
        assert_eq!(argument(Path::new("-rf")), "./-rf");
        assert_eq!(argument(Path::new("runs/a")), "runs/a");
    }
}
