//! The `earmark` command: hear a sound, name it.
//!
//! One thin file for each command. Results go to stdout, everything else to stderr.
#![allow(
    rustdoc::broken_intra_doc_links,
    rustdoc::bare_urls,
    reason = "the comments on arguments are help texts"
)]
// They panic where stdout or stderr has ended: `output::stdout` and `output::messages` do not.
#![deny(clippy::print_stdout, clippy::print_stderr, clippy::disallowed_methods)]

mod commands; // Read first: one file a command,
mod args; // the arguments that several share,
mod input; // the sounds that arguments name,
mod datasets; // and the datasets,
mod scoring; // the models that score them,
mod batch; // a job over many sounds,
mod upload; // models on their way to the Hub,
mod output; // what is written,
mod exit; // and how a command ends.
mod interrupt;

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::Write as _;
use std::num::NonZero;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::commands::account::{login, logout, whoami};
use crate::commands::{
    bench, classify, completions, data, decode, embed, eval, features, inspect, listen, man, push, train,
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
    Login(login::Args),
    Whoami(whoami::Args),
    Logout(logout::Args),
    Completions(completions::Args),
    Man(man::Args),
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

fn parse() -> Result<Cli, clap::Error> {
    let args: Vec<OsString> = std::env::args_os().collect();
    let mut command = args::recipe::show_defaults(Cli::command(), &args)
        .map_err(|error| Cli::command().error(clap::error::ErrorKind::Io, earmark_error::chain(&error)))?;
    let mut matches = command.try_get_matches_from_mut(args)?;
    Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
}

fn main() -> ExitCode {
    let cli = match parse() {
        Ok(cli) => cli,
        Err(error) => return print_usage(&error),
    };
    messages::start(cli.log_format, cli.quiet, cli.verbose);
    let by_variable = std::env::var("RAYON_NUM_THREADS").ok().and_then(|number| number.parse::<usize>().ok());
    if let Some(number) = by_variable.filter(|number| cli.threads.is_none() && *number > most_threads()) {
        messages::error(format_args!("RAYON_NUM_THREADS is {number}: expected at most {}", most_threads()));
        return exit::wrong_usage();
    }
    if let Some(threads) = cli.threads
        && let Err(error) = rayon::ThreadPoolBuilder::new().num_threads(threads.get()).build_global()
    {
        messages::error(format_args!("cannot use {threads} threads: {error}"));
        return exit::wrong_usage();
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
        Command::Login(args) => login::run(&args),
        Command::Whoami(args) => whoami::run(&args),
        Command::Logout(args) => logout::run(&args),
        Command::Completions(args) => completions::run(&args, &mut Cli::command()),
        Command::Man(args) => man::run(&args, Cli::command()),
    };
    let done = done.and_then(|done| Ok(stdout::stdout().flush().map(|()| done)?));
    match done {
        Ok(done) => done.code(),
        // `earmark … | head` is no failure.
        Err(_) if stdout::reader_left() => ExitCode::SUCCESS,
        Err(error) => {
            messages::error(messages::failure(&error));
            exit::code_of(&error)
        }
    }
}

/// What is wrong with the arguments, escaped and on one line, where they hold characters that act on a terminal.
fn escaped(error: &clap::Error) -> Option<String> {
    let hostile = std::env::args_os().any(|arg| matches!(escape(&arg.to_string_lossy()), Cow::Owned(_)));
    hostile.then(|| format!("{}\n", escape(error.render().to_string().trim())))
}

/// Help, the version, or what is wrong with the arguments.
fn print_usage(error: &clap::Error) -> ExitCode {
    let printed = match escaped(error) {
        None => error.print(),
        Some(text) => {
            progress::above(&text);
            Ok(())
        }
    };
    if error.use_stderr() {
        return exit::wrong_usage();
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
