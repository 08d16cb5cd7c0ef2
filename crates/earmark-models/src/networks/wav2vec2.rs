//! Wav2Vec2 (arXiv:2006.11477) and XLS-R (arXiv:2111.09296) with a classification head:
//! `Wav2Vec2ForSequenceClassification` of transformers 5.23.0.
//!
//! Checkpoints with language adapters (`add_adapter`, `adapter_attn_dim`) are another network and are refused by their keys.

use crate::networks::speech::{SpansOf, speech_classifier};

speech_classifier! {
    /// Wav2Vec2 with a projector and a classifier on top.
    Wav2Vec2ForSequenceClassification, wav2vec2, model_type: "wav2vec2", spans_of: SpansOf::RealFrames,
    unused: &[
        ("wav2vec2.masked_spec_embed", "only there to be trained with, and the config masks nothing"),
        ("lm_head.", "the transcription head of a CTC checkpoint"),
        ("quantizer.", "the codebook of pre-training"),
        ("project_hid.", "the head of pre-training"),
        ("project_q.", "the head of pre-training"),
    ]
}
