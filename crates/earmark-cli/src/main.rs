//! The `earmark` command: hear a sound, name it.
//!
//! One file per command, thin over the crates. Results go to stdout, everything else to stderr.
#![allow(rustdoc::broken_intra_doc_links, reason = "the comments on arguments are help texts")]

mod bench;
mod classify;
mod decode;
mod device;
mod embed;
mod error;
mod eval;
mod features;
mod hearing;
mod inputs;
mod inspect;
mod job;
mod journal;
mod model;
mod progress;
mod rows;
mod table;
mod train;
mod zero_shot;

use std::num::NonZero;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

/// Hear a sound, name it: classify audio with pretrained transformers, fine-tune them, evaluate them.
#[derive(Debug, Parser)]
#[command(name = "earmark", version, arg_required_else_help = true, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Threads to compute with; by default one for every core.
    #[arg(long, global = true, value_name = "N", help_heading = "Everywhere")]
    threads: Option<NonZero<usize>>,

    /// Say more about what is done (-v, -vv).
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Everywhere")]
    verbose: u8,

    /// Say nothing but results and errors.
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Everywhere")]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Classify(Box<classify::Args>),
    ZeroShot(Box<zero_shot::Args>),
    Train(Box<train::Args>),
    Eval(eval::Args),
    Decode(decode::Args),
    Embed(embed::Args),
    Inspect(inspect::Args),
    Features(features::Args),
    Bench(bench::Args),
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
    let cli = Cli::parse();
    let level = match (cli.quiet, cli.verbose) {
        (true, _) => "error",
        (_, 0) => "warn",
        (_, 1) => "info",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_env("EARMARK_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();

    if let Some(threads) = cli.threads
        && let Err(error) = rayon::ThreadPoolBuilder::new().num_threads(threads.get()).build_global()
    {
        eprintln!("error: cannot use {threads} threads: {error}");
        return ExitCode::from(2);
    }
    let done = match cli.command {
        Command::Classify(args) => classify::run(&args, cli.quiet),
        Command::ZeroShot(args) => zero_shot::run(&args, cli.quiet),
        Command::Train(args) => train::run(&args, cli.quiet),
        Command::Eval(args) => eval::run(&args, cli.quiet),
        Command::Decode(args) => decode::run(&args),
        Command::Embed(args) => embed::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Features(args) => features::run(&args),
        Command::Bench(args) => bench::run(&args, cli.threads),
    };
    match done {
        Ok(Done::Well) => ExitCode::SUCCESS,
        Ok(Done::InPart) => ExitCode::from(3),
        Ok(Done::Interrupted) => ExitCode::from(130),
        // `earmark … | head` is no failure.
        Err(error) if error::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", error::chain(&error));
            ExitCode::FAILURE
        }
    }
}
