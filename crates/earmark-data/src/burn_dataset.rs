//! burn's trait of a dataset, so that its data loaders and other projects' training loops take ours.

use burn_dataset::{Dataset, DatasetError};
use earmark_audio::{DecodeOptions, Waveform};
use earmark_labels::LabelId;

use crate::clip::Clip;
use crate::dataset::AudioDataset;

/// A decoded clip and its class.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelledWaveform {
    /// Its name in the dataset.
    pub name: String,
    /// Its sound, mono, at the clip's own rate.
    pub waveform: Waveform,
    /// Its class.
    pub label: LabelId,
}

impl Dataset<Clip> for AudioDataset {
    fn get(&self, index: usize) -> Result<Clip, DatasetError> {
        Ok(self.clips[index].clone())
    }

    fn len(&self) -> usize {
        self.clips.len()
    }
}

/// Decodes each clip when it is accessed; the error of a clip that cannot be decoded names it.
impl Dataset<LabelledWaveform> for AudioDataset {
    fn get(&self, index: usize) -> Result<LabelledWaveform, DatasetError> {
        let clip = &self.clips[index];
        let decoded = clip.decode(&DecodeOptions::default()).map_err(DatasetError::new)?;
        Ok(LabelledWaveform { name: clip.name.clone(), waveform: decoded.waveform, label: clip.label })
    }

    fn len(&self) -> usize {
        self.clips.len()
    }
}
