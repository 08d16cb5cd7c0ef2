//! HuBERT (arXiv:2106.07447) with a classification head: `HubertForSequenceClassification` of transformers 5.23.0.
//!
//! DistilHuBERT (arXiv:2110.01900) is this network with two layers and no norm before the projection.

use crate::networks::speech::{SpansOf, speech_classifier};

speech_classifier! {
    /// HuBERT with a projector and a classifier on top.
    HubertForSequenceClassification, hubert, model_type: "hubert", spans_of: SpansOf::EveryFrame,
    unused: &[
        ("hubert.masked_spec_embed", "only there to be trained with, and the config masks nothing"),
        ("hubert.encoder.pos_conv_embed.batch_norm.num_batches_tracked", "a counter that no forward pass reads"),
        ("lm_head.", "the transcription head of a CTC checkpoint"),
    ]
}
