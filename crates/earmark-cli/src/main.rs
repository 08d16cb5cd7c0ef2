//! The `earmark` command.
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
mod clips; // clips cut from what it found,
mod upload; // models on their way to the Hub,
mod journal; // what an unfinished job has done,
mod hex; // bit for bit,
mod output; // what is written,
mod exit; // and how a command ends.
mod interrupt;
mod overview; // `earmark --help`.

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::Write as _;
use std::num::NonZero;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::commands::account::{login, logout, whoami};
use crate::commands::{
    bench, classify, clip, completions, data, decode, embed, eval, features, inspect, listen, man, merge,
    probe, push, runs, search, serve, train, zero_shot,
};
use crate::output::causes::brief;
use crate::output::escape::escape;
use crate::output::{messages, stdout};

/// Classify audio with transformers, and fine-tune them on your recordings.
#[derive(Debug, Parser)]
#[command(name = "earmark", version, arg_required_else_help = true, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Threads to compute with [default: one per core].
    #[arg(long, global = true, value_name = "N", value_parser = parse_threads, help_heading = "Global options")]
    threads: Option<NonZero<usize>>,

    /// Print more about what is done (-v, -vv).
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Global options")]
    verbose: u8,

    /// Print only results and errors.
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Global options")]
    quiet: bool,

    /// Lines on stderr: text, or json with timestamp, level and message.
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        default_value = "text",
        help_heading = "Global options"
    )]
    log_format: messages::LogFormat,
}

#[derive(Debug, Subcommand)]
enum Command {
    Classify(Box<classify::Args>),
    ZeroShot(Box<zero_shot::Args>),
    Listen(Box<listen::Args>),
    Serve(Box<serve::Args>),
    Train(Box<train::Args>),
    Sweep(Box<train::SweepArgs>),
    Probe(Box<probe::Args>),
    Eval(Box<eval::Args>),
    Calibrate(Box<eval::CalibrateArgs>),
    Runs(runs::Args),
    Data(data::Args),
    Push(push::Args),
    Decode(decode::Args),
    Embed(embed::Args),
    Search(search::Args),
    Clip(Box<clip::Args>),
    Merge(merge::Args),
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

/// The command with all of its help.
fn command() -> clap::Command {
    overview::group(Cli::command())
}

fn parse(args: Vec<OsString>) -> Result<Cli, clap::Error> {
    let mut command = args::training::recipe::show_defaults(command(), &args)
        .map_err(|error| command().error(clap::error::ErrorKind::Io, brief(&error)))?;
    let mut matches = command.try_get_matches_from_mut(args)?;
    Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
}

fn main() -> ExitCode {
    let cli = match parse(std::env::args_os().collect()) {
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
        Command::Serve(args) => serve::run(&args),
        Command::Train(args) => train::run(&args),
        Command::Sweep(args) => train::sweep(&args),
        Command::Probe(args) => probe::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Calibrate(args) => eval::calibrate(&args),
        Command::Runs(args) => runs::run(&args),
        Command::Data(args) => data::run(&args),
        Command::Push(args) => push::run(&args),
        Command::Decode(args) => decode::run(&args),
        Command::Embed(args) => embed::run(&args),
        Command::Search(args) => search::run(&args),
        Command::Clip(args) => clip::run(&args),
        Command::Merge(args) => merge::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Features(args) => features::run(&args),
        Command::Bench(args) => bench::run(&args, cli.threads),
        Command::Login(args) => login::run(&args),
        Command::Whoami(args) => whoami::run(&args),
        Command::Logout(args) => logout::run(&args),
        Command::Completions(args) => completions::run(&args, &mut command()),
        Command::Man(args) => man::run(&args, command()),
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

/// The same error of escaped arguments, where the given ones hold characters that act on a terminal: clap quotes them as they are.
fn escaped(error: &clap::Error) -> Option<clap::Error> {
    let args: Vec<String> = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect();
    if !args.iter().any(|arg| matches!(escape(arg), Cow::Owned(_))) {
        return None;
    }
    let again = parse(args.iter().map(|arg| escape(arg).into_owned().into()).collect()).err();
    Some(again.filter(|again| again.kind() == error.kind()).unwrap_or_else(|| {
        let text = error.render().to_string();
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        command().error(error.kind(), escape(lines.join(" ").trim_start_matches("error: ")))
    }))
}

/// Help, the version, or what is wrong with the arguments.
fn print_usage(error: &clap::Error) -> ExitCode {
    let escaped = escaped(error);
    let printed = escaped.as_ref().unwrap_or(error).print();
    if error.use_stderr() {
        return exit::wrong_usage();
    }
    match printed.map_err(|error| stdout::failed(&error)).and_then(|()| stdout::stdout().flush()) {
        Err(error) if !stdout::reader_left() => {
            messages::start(messages::LogFormat::Text, false, 0);
            messages::error(brief(&error));
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}
