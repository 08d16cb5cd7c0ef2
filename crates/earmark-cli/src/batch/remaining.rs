//! What is left of a job that was interrupted.

use std::collections::HashMap;

use earmark_pipeline::Windows;

use crate::batch::saved::record::{Earlier, Progress, WindowProgress};
use crate::exit::Done;
use crate::input::path::Input;
use crate::output::clock::whole_seconds;
use crate::output::count::count;
use crate::output::messages;

/// The inputs that are still to do.
pub(crate) struct Remaining {
    /// Each with the windows that were scored before.
    pub(crate) inputs: Vec<(Input, WindowProgress)>,
    /// [`Done::InPart`] where an input failed before the interruption.
    pub(crate) done: Done,
    /// Seconds of audio in those that are done.
    pub(crate) seconds: f64,
}

impl Remaining {
    /// Compares the inputs with what the journal holds of them, and reports what is resumed.
    pub(crate) fn new(
        all: Vec<Input>,
        windows: Option<Windows>,
        mut earlier: HashMap<String, Earlier>,
    ) -> Remaining {
        let total = all.len();
        let mut remaining = Remaining { inputs: Vec::new(), done: Done::Well, seconds: 0.0 };
        let mut changed = Vec::new();
        for input in all {
            let progress = match earlier.remove(&input.name()) {
                None => WindowProgress::default(),
                // Standard input cannot be read again.
                Some(_) if input == Input::Stdin => WindowProgress::default(),
                Some(Earlier { stamp, .. }) if stamp != input.stamp() => {
                    changed.push(input.shown());
                    WindowProgress::default()
                }
                Some(Earlier { progress: Progress::Windows(progress), .. }) => progress,
                Some(Earlier { progress: Progress::Done { failed, seconds }, .. }) => {
                    if failed {
                        remaining.done = Done::InPart;
                    }
                    remaining.seconds += seconds.unwrap_or(0.0);
                    continue;
                }
            };
            remaining.inputs.push((input, progress));
        }
        if let [first, rest @ ..] = changed.as_slice() {
            let (more, verb) = match rest.len() {
                0 => (String::new(), "is"),
                more => (format!(" and {}", count(more, "other file")), "are"),
            };
            messages::warning(format_args!("`{first}`{more} changed since and {verb} classified again"));
        }
        let begun = remaining.inputs.iter().find(|(_, before)| before.count > 0);
        if remaining.inputs.len() < total || begun.is_some() {
            let done = total - remaining.inputs.len();
            let inside = begun.zip(windows).map_or(String::new(), |((input, before), windows)| {
                let from = whole_seconds(start_of(before.count, windows));
                format!("; `{}` continues at {from}", input.shown())
            });
            messages::note(format_args!("resuming: {done} of {} done{inside}", count(total, "file")));
        }
        if !earlier.is_empty() {
            let others = count(earlier.len(), "file");
            messages::warning(format_args!(
                "{others} classified before but not among the inputs of this command: left out of the results"
            ));
        }
        remaining
    }
}

/// Where the window with this number begins, in seconds.
pub(crate) fn start_of(number: usize, windows: Windows) -> f64 {
    number as f64 * windows.hop.as_secs_f64()
}
