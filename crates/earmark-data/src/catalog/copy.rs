//! A folder that is a copy of a published dataset.

use crate::catalog::spec::Selection;
use crate::dataset::AudioDataset;
use crate::example::stem;

impl AudioDataset {
    /// The same clips under the name of a published dataset, with its licence and citation, and with the fields that its file
    /// names say, such as the speaker of `0a7c2a8d_nohash_0.wav`. A field that a clip has already stays as it is.
    #[must_use]
    pub fn as_copy_of(mut self, selection: &Selection) -> AudioDataset {
        for clip in &mut self.clips {
            for (name, value) in (selection.dataset.fields_of_file)(stem(&clip.name)) {
                clip.fields.entry(name).or_insert(value);
            }
        }
        self.name = selection.name();
        self.info = selection.dataset.info();
        self
    }
}
