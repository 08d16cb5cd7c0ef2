//! What is left of a job that was interrupted.

use std::collections::HashMap;

use crate::batch::record::{Earlier, Progress, WindowProgress};
use crate::exit::Done;
use crate::input::path::Input;
use crate::output::count::count;
use crate::output::messages;

/// The inputs that are still to do.
pub(crate) struct Remaining {
    /// Each with the windows that were scored before.
    pub(crate) inputs: Vec<(Input, WindowProgress)>,
    /// [`Done::InPart`] where an input failed before the interruption.
    pub(crate) done: Done,
}

impl Remaining {
    /// Compares the inputs with what the journal holds of them, and reports what is resumed.
    pub(crate) fn new(all: Vec<Input>, mut earlier: HashMap<String, Earlier>) -> Remaining {
        let total = all.len();
        let mut remaining = Remaining { inputs: Vec::new(), done: Done::Well };
        let mut changed = Vec::new();
        for input in all {
            let progress = match earlier.remove(&input.name()) {
                None => WindowProgress::default(),
                // Standard input cannot be read again.
                Some(_) if input == Input::Stdin => WindowProgress::default(),
                Some(Earlier { stamp, .. }) if stamp != input.stamp() => {
                    changed.push(input.name());
                    WindowProgress::default()
                }
                Some(Earlier { progress: Progress::Windows(progress), .. }) => progress,
                Some(Earlier { progress: Progress::Done { failed }, .. }) => {
                    if failed {
                        remaining.done = Done::InPart;
                    }
                    continue;
                }
            };
            remaining.inputs.push((input, progress));
        }
        if let [first, rest @ ..] = changed.as_slice() {
            let more =
                if rest.is_empty() { String::new() } else { format!(" and {}", count(rest.len(), "other")) };
            messages::warning(format_args!("`{first}`{more} changed since, and is done again"));
        }
        if remaining.inputs.len() < total || remaining.inputs.iter().any(|(_, before)| before.count > 0) {
            let done = total - remaining.inputs.len();
            messages::note(format_args!("going on: {done} of {} done already", count(total, "file")));
        }
        if !earlier.is_empty() {
            let others = count(earlier.len(), "file");
            messages::warning(format_args!(
                "{others} done before, but not among the inputs of this command: left out of the results"
            ));
        }
        remaining
    }
}
