//! UniSpeech (arXiv:2101.07597) and UniSpeech-SAT (arXiv:2110.05752) with a classification head: Wav2Vec2's network under
//! other names, as in transformers 5.23.0.

use crate::networks::speech::{SpansOf, speech_classifier};

speech_classifier! {
    /// UniSpeech with a projector and a classifier on top.
    UniSpeechForSequenceClassification, unispeech, model_type: "unispeech", spans_of: SpansOf::RealFrames,
    unused: &[
        ("unispeech.masked_spec_embed", "only there to be trained with, and the config masks nothing"),
        ("lm_head.", "the transcription head of a CTC checkpoint"),
        ("quantizer.", "the codebook of pre-training"),
        ("project_hid.", "the head of pre-training"),
        ("project_q.", "the head of pre-training"),
        ("ctc_proj.", "the head of pre-training"),
    ]
}

speech_classifier! {
    /// UniSpeech-SAT with a projector and a classifier on top.
    UniSpeechSatForSequenceClassification, unispeech_sat, model_type: "unispeech-sat", spans_of: SpansOf::RealFrames,
    unused: &[
        ("unispeech_sat.masked_spec_embed", "only there to be trained with, and the config masks nothing"),
        ("lm_head.", "the transcription head of a CTC checkpoint"),
        ("quantizer.", "the codebook of pre-training"),
        ("project_hid.", "the head of pre-training"),
        ("project_q.", "the head of pre-training"),
        ("speaker_proj.", "the head of pre-training"),
        ("label_embeddings_concat", "the head of pre-training"),
    ]
}
