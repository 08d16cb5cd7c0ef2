//! What a checkpoint was trained for, where that is no classification of clips.

use std::fmt;

/// What the head of a checkpoint is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Task {
    /// A vector for each clip that is alike for one speaker: `WavLMForXVector` and its kin.
    SpeakerEmbedding,
    /// A label for each frame: `Wav2Vec2ForAudioFrameClassification` and its kin.
    FrameClassification,
    /// Text: `Wav2Vec2ForCTC` and its kin.
    Transcription,
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Task::SpeakerEmbedding => {
                "it is a speaker-embedding model (it has an x-vector head, `tdnn.0.kernel.weight`) and has no labels: embed sounds \
                 with it and compare the vectors, or fine-tune its encoder with a new head"
            }
            Task::FrameClassification => {
                "it labels each frame of a clip, as for diarisation (`classifier.weight` without `projector.weight`), not whole \
                 clips: embed sounds with its encoder, or fine-tune it with a new head"
            }
            Task::Transcription => {
                "it transcribes speech (it has a CTC head, `lm_head.weight`) and has no classification head: fine-tune it first, \
                 or use a fine-tuned checkpoint"
            }
        })
    }
}
