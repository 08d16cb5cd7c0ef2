//! The help of `earmark` itself: first steps, and the commands in groups, which clap would list as one.

use std::fmt::Write as _;

use clap::Command;

/// The commands by what they are for.
const GROUPS: &[(&str, &[&str])] = &[
    ("Classify", &["classify", "zero-shot", "listen", "serve", "clip", "merge"]),
    ("Embed", &["embed", "search"]),
    ("Train", &["train", "sweep", "probe", "eval", "calibrate", "runs"]),
    ("Look into data and models", &["data", "inspect", "features", "decode", "bench"]),
    ("Hugging Face Hub", &["push", "login", "whoami", "logout"]),
    ("Setup", &["completions", "man"]),
];

const FIRST_STEPS: &str = "
  # tag a recording with the labels of AudioSet (downloads the model once)
  earmark classify clip.wav --model MIT/ast-finetuned-audioset-10-10-0.4593
  # train a small model from scratch, without any download
  earmark train --sample
  # fine-tune on your own recordings, a sub-folder per class
  earmark train --data recordings
";

const CODES: &str = "
  0    done
  1    failed
  2    wrong usage
  3    done, but some inputs failed; each of them is reported
  130  interrupted by Ctrl-C; what was done is saved
  143  ended by SIGTERM (Slurm, Docker); what was done is saved
";

const VARIABLES: &str = "
  EARMARK_DATA   folder of datasets [default: data]
  EARMARK_RUNS   folder of runs [default: runs]
  EARMARK_CACHE  folder of cached features [default: ~/.cache/earmark]
  EARMARK_LOG    log levels on stderr, such as debug or earmark_hub=trace
  NO_COLOR       no colours
  HF_TOKEN, HF_HOME, HF_HUB_OFFLINE and others, as for huggingface_hub
";

const MORE: &str = "\
Results go to stdout, everything else to stderr.
`earmark help COMMAND` describes a command and has examples of it.";

/// Lets `earmark --help` list the commands in groups.
pub(crate) fn group(command: Command) -> Command {
    let header = *command.get_styles().get_header();
    let mut template = "{about-with-newline}\n{usage-heading} {usage}\n".to_owned();
    let mut section = |title: &str, text: &str| {
        let _ = write!(template, "\n{header}{title}:{header:#}{text}");
    };
    section("First steps", FIRST_STEPS);
    for (title, names) in GROUPS {
        let lines = names.iter().filter_map(|name| command.find_subcommand(name)).map(|subcommand| {
            let about = subcommand.get_about().map(ToString::to_string).unwrap_or_default();
            format!("\n  {:<11}  {about}", subcommand.get_name())
        });
        section(title, &(lines.collect::<String>() + "\n"));
    }
    section("Options", "\n{options}\n");
    section("Exit codes", CODES);
    section("Environment variables", VARIABLES);
    // Of this the man page is made, which lists the commands by itself.
    let after =
        format!("First steps:{FIRST_STEPS}\nExit codes:{CODES}\nEnvironment variables:{VARIABLES}\n{MORE}");
    command.help_template(template + "\n" + MORE).after_help(after)
}

#[cfg(test)]
mod tests {
    use clap::Command;

    use super::GROUPS;
    use crate::command;

    #[test]
    fn every_command_is_in_one_group() {
        let grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        for command in command().get_subcommands().map(Command::get_name) {
            assert_eq!(grouped.iter().filter(|name| **name == command).count(), 1, "{command}");
        }
    }

    /// The words of a line as a shell gives them, for the quotes and signs that the examples have.
    fn words(line: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        let mut quoted = false;
        for c in line.chars() {
            match c {
                '"' => quoted = !quoted,
                ' ' if !quoted => words.push(String::new()),
                c => words.last_mut().unwrap().push(c),
            }
        }
        words.retain(|word| !word.is_empty());
        words.into_iter().take_while(|word| word != ">" && word != "|").collect()
    }

    #[test]
    fn every_example_can_be_pasted() {
        fn examples(command: &Command) -> Vec<String> {
            let own = command.get_after_help().map(ToString::to_string);
            own.into_iter().chain(command.get_subcommands().flat_map(examples)).collect()
        }
        let mut parsed = 0;
        for text in examples(&command()) {
            // A line that ends in \\ or | goes on in the next one.
            let joined = text.replace("\\\n", " ").replace("|\n", "| ");
            for line in joined.lines().filter(|line| line.starts_with("  ")) {
                let Some(at) = line.find("earmark ").filter(|_| !line.contains('#')) else { continue };
                let words = words(&line[at..]);
                if let Err(error) = command().try_get_matches_from(&words) {
                    panic!("{words:?}\n{error}");
                }
                parsed += 1;
            }
        }
        assert!(parsed > 40, "{parsed}");
    }
}
