//! Messages to people: lines on stderr, above any progress bar.
//!
//! All of them go through `tracing`, so that one filter and one `--log-format` hold for the command's messages and for what
//! the libraries log. Stderr may end or fill up at any time: what cannot be written there is dropped, and the work goes on.

use std::fmt;
use std::io::{self, IsTerminal as _, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use anstream::{AutoStream, ColorChoice};
use clap::ValueEnum;
use clap::builder::styling::{AnsiColor, Style};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

use crate::output::causes::brief;
use crate::output::escape::escape;
use crate::output::progress;

/// How lines on stderr are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// Whether errors are told with all their causes.
static VERBOSE: AtomicBool = AtomicBool::new(false);

/// The target of the command's own messages, which has a level beside that of the libraries.
const MESSAGE: &str = "message";

/// Sets what is written to stderr and how, for the rest of the process. `EARMARK_LOG` overrules the flags: `debug`, `earmark_hub=trace`.
#[allow(clippy::disallowed_methods, reason = "writes nothing")]
pub(crate) fn start(format: LogFormat, quiet: bool, verbose: u8) {
    let level = match (quiet, verbose) {
        // Symphonia, hf-hub and hf-xet (`xet`, `xet_client`, …) log what they try; what comes of that is in our errors and warnings.
        (true, _) => "error,symphonia=off,hf_hub=off,xet=off",
        (_, 0) => "warn,message=info,symphonia=off,hf_hub=off,xet=off",
        (_, 1) => "info,message=debug,symphonia=off,hf_hub=off,xet=off",
        _ => "debug",
    };
    VERBOSE.store(verbose > 0, Ordering::Relaxed);
    let filter = EnvFilter::try_from_env("EARMARK_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(AboveBars);
    match format {
        LogFormat::Text => {
            let coloured = AutoStream::choice(&io::stderr()) != ColorChoice::Never;
            install(lines.event_format(Plain { coloured }).finish());
        }
        LogFormat::Json => install(lines.json().flatten_event(true).with_target(false).finish()),
    }
    // A bar between JSON lines would be read by nobody.
    if quiet || format == LogFormat::Json || !io::stderr().is_terminal() {
        progress::hide();
    }
}

/// Not by `init`, which also takes what other crates log through `log`, once any crate switches on the feature for that.
fn install(subscriber: impl Subscriber + Send + Sync) {
    tracing::subscriber::set_global_default(subscriber).expect("messages are started once");
}

/// Lines for people, escaped: only the line breaks of [`Text::then`] are in it, never those of a label or a file name.
#[derive(Debug)]
pub(crate) struct Text(String);

impl Text {
    /// One more line.
    pub(crate) fn then(mut self, line: impl Into<Text>) -> Text {
        self.0.push('\n');
        self.0.push_str(&line.into().0);
        self
    }
}

/// An error in one line; with -v, and each of its causes in another.
pub(crate) fn failure(error: &anyhow::Error) -> Text {
    if !VERBOSE.load(Ordering::Relaxed) {
        return brief(&**error).into();
    }
    let mut causes = earmark_error::causes(&**error).into_iter();
    let first = causes.next().unwrap_or_default();
    causes.fold(Text::from(first), |text, cause| text.then(format!("  because {cause}")))
}

impl From<&str> for Text {
    fn from(line: &str) -> Text {
        Text(escape(line).into_owned())
    }
}

impl From<String> for Text {
    fn from(line: String) -> Text {
        Text::from(line.as_str())
    }
}

impl From<fmt::Arguments<'_>> for Text {
    fn from(line: fmt::Arguments<'_>) -> Text {
        Text::from(line.to_string())
    }
}

/// Something the user should know.
pub(crate) fn note(text: impl Into<Text>) {
    tracing::info!(target: MESSAGE, "{}", text.into().0);
}

/// Something that helps only who asks for more, by -v.
pub(crate) fn detail(text: impl Into<Text>) {
    tracing::debug!(target: MESSAGE, "{}", text.into().0);
}

/// Something that may be wrong with an input.
pub(crate) fn warning(text: impl Into<Text>) {
    tracing::warn!(target: MESSAGE, "{}", text.into().0);
}

/// Something that failed.
pub(crate) fn error(text: impl Into<Text>) {
    tracing::error!(target: MESSAGE, "{}", text.into().0);
}

/// `warning: …`, as compilers and clap write it; notes and details have no prefix.
struct Plain {
    coloured: bool,
}

impl Plain {
    fn prefix(&self, to: &mut Writer<'_>, colour: AnsiColor, text: &str) -> fmt::Result {
        let style = if self.coloured { colour.on_default().bold() } else { Style::new() };
        write!(to, "{style}{text}:{style:#} ")
    }
}

impl<S, N> FormatEvent<S, N> for Plain
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let metadata = event.metadata();
        match *metadata.level() {
            Level::ERROR => self.prefix(&mut to, AnsiColor::Red, "error")?,
            Level::WARN => self.prefix(&mut to, AnsiColor::Yellow, "warning")?,
            Level::INFO | Level::DEBUG if metadata.target() == MESSAGE => {}
            Level::INFO => write!(to, "{}: ", metadata.target())?,
            Level::DEBUG | Level::TRACE => write!(to, "debug: {}: ", metadata.target())?,
        }
        let mut text = String::new();
        ctx.format_fields(Writer::new(&mut text), event)?;
        // What the libraries log holds names as well; our own is escaped already, but for its line breaks.
        writeln!(to, "{}", if metadata.target() == MESSAGE { text.into() } else { escape(&text) })
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
        progress::above(&String::from_utf8_lossy(line));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
