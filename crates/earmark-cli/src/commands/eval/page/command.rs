//! The command that an evaluation can be repeated by.

use crate::output::shell;

/// This command, without what tells one part of an evaluation from another: its folder and its shard.
pub(in super::super) fn this_command() -> String {
    let args = std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned());
    let words = without_folder_and_shard(args).map(|arg| shell::word(&arg));
    std::iter::once(shell::command()).chain(words).collect::<Vec<_>>().join(" ")
}

fn without_folder_and_shard(args: impl Iterator<Item = String>) -> impl Iterator<Item = String> {
    let mut is_value = false;
    let mut are_flags = true;
    args.filter(move |arg| {
        if std::mem::take(&mut is_value) {
            return false;
        }
        are_flags &= arg != "--";
        if !are_flags {
            return true;
        }
        is_value = ["-o", "--output", "--shard"].contains(&arg.as_str());
        let has_value = ["--output=", "--shard="].iter().any(|flag| arg.starts_with(flag));
        // As in `-oscores`.
        let is_short = arg.starts_with("-o") && !arg.starts_with("--");
        !(is_value || has_value || is_short)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_an_evaluation_has_the_same_command() {
        let kept = |line: &str| -> String {
            let args = line.split(' ').map(str::to_owned);
            without_folder_and_shard(args).collect::<Vec<_>>().join(" ")
        };
        for line in [
            "eval --model m --data d -o part-0 --shard 0/4",
            "eval --shard=3/4 --model m --output=part-3 --data d",
            "eval --model m -opart --data d --output out",
            "eval --model m --data d",
        ] {
            assert_eq!(kept(line), "eval --model m --data d");
        }
        assert_eq!(kept("eval -o out -- -o"), "eval -- -o");
    }
}
