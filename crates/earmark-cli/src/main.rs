//! The `earmark` command: hear a sound, name it.
//!
//! One file per command, thin over the crates. Results go to stdout, everything else to stderr.
#![allow(
    rustdoc::broken_intra_doc_links,
    rustdoc::bare_urls,
    reason = "the comments on arguments are help texts"
)]
// They panic where stdout or stderr has ended: `output` and `say` do not.
#![deny(clippy::print_stdout, clippy::print_stderr, clippy::disallowed_methods)]

mod commands; // Read first: one file a command,
mod args; // the arguments that several share,
mod batch; // a job over many sounds,
mod output; // and what is written.

mod advice;
mod error;
mod interrupt;

use std::borrow::Cow;
use std::io::Write as _;
use std::num::NonZero;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::commands::{
    bench, classify, data, decode, embed, eval, features, inspect, listen, login, push, shell, train,
    zero_shot,
};
use crate::output::escape::escape;
use crate::output::{messages, progress, stdout};

const MORE: &str = "\
Exit codes: 0 done; 1 failed; 2 wrong usage; 3 done, but some inputs failed (each is named); 130 interrupted, and what \
was done is saved. Results go to stdout, everything else to stderr.

Variables: HF_TOKEN, HF_HOME, HF_HUB_OFFLINE and the others of Python's huggingface_hub; EARMARK_DATA, \
EARMARK_RUNS and EARMARK_CACHE, the folders of datasets, runs and features; EARMARK_LOG, such as debug or earmark_hub=trace; NO_COLOR.";

/// Hear a sound, name it: classify audio with pretrained transformers, fine-tune them, evaluate them.
#[derive(Debug, Parser)]
#[command(name = "earmark", version, arg_required_else_help = true, max_term_width = 110, after_help = MORE)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Threads to compute with; by default one for every core.
    #[arg(long, global = true, value_name = "N", value_parser = parse_threads, help_heading = "Everywhere")]
    threads: Option<NonZero<usize>>,

    /// Say more about what is done (-v, -vv).
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Everywhere")]
    verbose: u8,

    /// Say nothing but results and errors.
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Everywhere")]
    quiet: bool,

    /// How lines on stderr are written: text for people, or json with timestamp, level and message.
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text", help_heading = "Everywhere")]
    log_format: messages::LogFormat,
}

#[derive(Debug, Subcommand)]
enum Command {
    Classify(Box<classify::Args>),
    ZeroShot(Box<zero_shot::Args>),
    Listen(Box<listen::Args>),
    Train(Box<train::Args>),
    Eval(eval::Args),
    Data(data::Args),
    Push(push::Args),
    Decode(decode::Args),
    Embed(embed::Args),
    Inspect(inspect::Args),
    Features(features::Args),
    Bench(bench::Args),
    Login(login::Login),
    Whoami(login::Whoami),
    Logout(login::Logout),
    Completions(shell::Completions),
    Man(shell::Man),
}

/// As many as could be of use: four for each core, and 64 where there are few.
fn most_threads() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get).saturating_mul(4).max(64)
}

fn parse_threads(text: &str) -> Result<NonZero<usize>, String> {
    let most = most_threads();
    match text.parse::<NonZero<usize>>() {
        Ok(threads) if threads.get() <= most => Ok(threads),
        _ => Err(format!("expected a number from 1 to {most}")),
    }
}

/// How a command ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    Well,
    /// Some inputs failed, each was said.
    InPart,
    /// Interrupted, and all that was done is saved.
    Interrupted,
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return told(&error),
    };
    messages::start(cli.log_format, cli.quiet, cli.verbose);
    let by_variable = std::env::var("RAYON_NUM_THREADS").ok().and_then(|number| number.parse::<usize>().ok());
    if let Some(number) = by_variable.filter(|number| cli.threads.is_none() && *number > most_threads()) {
        messages::error(format_args!("RAYON_NUM_THREADS is {number}: expected at most {}", most_threads()));
        return ExitCode::from(2);
    }
    if let Some(threads) = cli.threads
        && let Err(error) = rayon::ThreadPoolBuilder::new().num_threads(threads.get()).build_global()
    {
        messages::error(format_args!("cannot use {threads} threads: {error}"));
        return ExitCode::from(2);
    }
    let done = match cli.command {
        Command::Classify(args) => classify::run(&args),
        Command::ZeroShot(args) => zero_shot::run(&args),
        Command::Listen(args) => listen::run(&args),
        Command::Train(args) => train::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Data(args) => data::run(&args),
        Command::Push(args) => push::run(&args),
        Command::Decode(args) => decode::run(&args),
        Command::Embed(args) => embed::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Features(args) => features::run(&args),
        Command::Bench(args) => bench::run(&args, cli.threads),
        Command::Login(args) => login::login(&args),
        Command::Whoami(args) => login::whoami(&args),
        Command::Logout(args) => login::logout(&args),
        Command::Completions(args) => shell::completions(&args, &mut Cli::command()),
        Command::Man(args) => shell::man(&args, Cli::command()),
    };
    let done = done.and_then(|done| Ok(stdout::stdout().flush().map(|()| done)?));
    match done {
        Ok(Done::Well) => ExitCode::SUCCESS,
        Ok(Done::InPart) => ExitCode::from(3),
        Ok(Done::Interrupted) => ExitCode::from(interrupt::EXIT),
        // `earmark … | head` is no failure.
        Err(_) if stdout::reader_left() => ExitCode::SUCCESS,
        Err(error) => {
            messages::error(error::chain(&error));
            if error.is::<error::Usage>() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

/// What is wrong with arguments that hold what acts on a terminal: escaped, on one line.
fn harmless(error: &clap::Error) -> Option<String> {
    let hostile = std::env::args_os().any(|arg| matches!(escape(&arg.to_string_lossy()), Cow::Owned(_)));
    hostile.then(|| format!("{}\n", escape(error.render().to_string().trim())))
}

/// Help, the version, or what is wrong with the arguments.
fn told(error: &clap::Error) -> ExitCode {
    let printed = match harmless(error) {
        None => error.print(),
        Some(text) => {
            progress::above(&text);
            Ok(())
        }
    };
    if error.use_stderr() {
        return ExitCode::from(2);
    }
    match printed.map_err(|error| stdout::failed(&error)).and_then(|()| stdout::stdout().flush()) {
        Err(error) if !stdout::reader_left() => {
            messages::start(messages::LogFormat::Text, false, 0);
            messages::error(error.to_string());
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}
