//! How recordings are cut into windows.

use std::time::Duration;

use clap::Args;
use earmark_pipeline::Windows;

use crate::args::parse;

/// How recordings are cut into windows.
#[derive(Debug, Clone, Args)]
pub(crate) struct WindowArgs {
    /// Cut recordings into windows of this length, in bounded memory however long they are: 5s, 500ms, 1m [default: whole
    /// files].
    #[arg(long, value_name = "LENGTH", value_parser = parse::length, help_heading = "Windows")]
    pub(crate) window: Option<Duration>,

    /// Time from the start of one window to the start of the next [default: the window's length].
    #[arg(long, value_name = "LENGTH", value_parser = parse::length, requires = "window", help_heading = "Windows")]
    pub(crate) hop: Option<Duration>,
}

impl WindowArgs {
    /// `None` where files are read whole.
    pub(crate) fn windows(&self) -> Option<Windows> {
        self.window.map(|length| Windows { length, hop: self.hop.unwrap_or(length) })
    }
}
