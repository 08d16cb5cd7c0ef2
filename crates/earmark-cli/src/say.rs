//! What people are told beside the results: lines on stderr, above any progress bar.
//!
//! All of it goes through `tracing`, so that one filter and one `--log-format` hold for what the command says and for what
//! the libraries log.

use std::fmt::{self, Display};
use std::io::{self, IsTerminal as _, Write};

use clap::ValueEnum;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

use crate::progress;

/// How lines on stderr are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// The target of what is said to the user, whatever the libraries' level is.
const SAID: &str = "said";

/// Decides what is said and how, for the rest of the process. `EARMARK_LOG` overrules the flags: `debug`, `earmark_hub=trace`.
pub(crate) fn start(format: LogFormat, quiet: bool, verbose: u8) {
    let level = match (quiet, verbose) {
        // Symphonia logs what it tries on a file; what comes of that is in our errors and warnings.
        (true, _) => "error,symphonia=off",
        (_, 0) => "warn,said=info,symphonia=off",
        (_, 1) => "info,symphonia=off",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_env("EARMARK_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(AboveBars);
    match format {
        LogFormat::Text => lines.event_format(Plain).init(),
        LogFormat::Json => lines.json().flatten_event(true).with_target(false).init(),
    }
    // A bar between JSON lines would be read by nobody.
    if quiet || format == LogFormat::Json || !io::stderr().is_terminal() {
        progress::hide();
    }
}

/// Something the user should know.
pub(crate) fn note(text: impl Display) {
    tracing::info!(target: SAID, "{text}");
}

/// Something that may be wrong with an input.
pub(crate) fn warning(text: impl Display) {
    tracing::warn!(target: SAID, "{text}");
}

/// Something that failed.
pub(crate) fn error(text: impl Display) {
    tracing::error!(target: SAID, "{text}");
}

/// `warning: …`, as compilers do; what is only noted stands as it is.
struct Plain;

impl<S, N> FormatEvent<S, N> for Plain
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let metadata = event.metadata();
        match *metadata.level() {
            Level::ERROR => to.write_str("error: ")?,
            Level::WARN => to.write_str("warning: ")?,
            Level::INFO if metadata.target() == SAID => {}
            Level::INFO => write!(to, "{}: ", metadata.target())?,
            Level::DEBUG | Level::TRACE => write!(to, "debug: {}: ", metadata.target())?,
        }
        ctx.format_fields(to.by_ref(), event)?;
        writeln!(to)
    }
}

/// Stderr, with the bars out of the way while a line is written.
struct AboveBars;

impl<'a> MakeWriter<'a> for AboveBars {
    type Writer = AboveBars;

    fn make_writer(&'a self) -> AboveBars {
        AboveBars
    }
}

impl Write for AboveBars {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        progress::suspend(|| io::stderr().write(line))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
