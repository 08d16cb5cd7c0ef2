//! How long inputs are, before they are decoded.

use std::sync::OnceLock;
use std::time::Duration;

use earmark_audio::DecodeOptions;

use crate::input::open::Opener;
use crate::input::path::Input;

/// The lengths of a job's inputs by their headers, each read once, in seconds.
pub(crate) struct Lengths<'a> {
    inputs: Vec<Input>,
    known: Vec<OnceLock<Option<f64>>>,
    opener: &'a Opener,
}

impl<'a> Lengths<'a> {
    pub(crate) fn new(inputs: Vec<Input>, opener: &'a Opener) -> Lengths<'a> {
        Lengths { known: inputs.iter().map(|_| OnceLock::new()).collect(), inputs, opener }
    }

    /// That of the input at `place`; `None` where its header has none, or it is no file.
    pub(crate) fn of(&self, place: usize) -> Option<f64> {
        *self.known[place].get_or_init(|| match &self.inputs[place] {
            input @ Input::File(_) => {
                // What is wrong with it is reported when its turn comes.
                let decoder = self.opener.decoder(input, &DecodeOptions::default()).ok()?;
                decoder.expected_duration().as_ref().map(Duration::as_secs_f64)
            }
            Input::Url(_) | Input::Stdin => None,
        })
    }

    /// All of them, in order; reads the headers.
    pub(crate) fn all(&self) -> impl Iterator<Item = (usize, Option<f64>)> {
        (0..self.inputs.len()).map(|place| (place, self.of(place)))
    }
}
