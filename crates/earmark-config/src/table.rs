//! The table of model types. A new architecture is a row here, and a file in `networks/` of earmark-models.

use serde::{Deserialize, Deserializer, de};

use crate::family::{Blocks, Convolutions, Extractor, Family, Keys, Network, Positions, SpansOf};

/// Every supported family, in the order in which messages list them.
pub static FAMILIES: &[&Family] = &[
    &HUBERT,
    &WAV2VEC2,
    &WAV2VEC2_CONFORMER,
    &UNISPEECH,
    &UNISPEECH_SAT,
    &WAVLM,
    &DATA2VEC_AUDIO,
    &SEW,
    &SEW_D,
    &WAV2VEC2_BERT,
    &AST,
    &WHISPER,
    &CED,
    &CLAP,
];

/// The family of a `model_type`.
pub fn family(model_type: &str) -> Option<&'static Family> {
    FAMILIES.iter().find(|family| family.model_type == model_type).copied()
}

impl Extractor {
    /// The extractor for a `feature_extractor_type` or a `model_type` of `config.json`, for models whose folder does not say
    /// which extractor they use.
    pub fn of(model: &str) -> Option<Extractor> {
        Extractor::named(model).or_else(|| Some(family(model)?.extractor))
    }
}

impl<'de> Deserialize<'de> for &'static Family {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<&'static Family, D::Error> {
        let model_type = String::deserialize(from)?;
        family(&model_type).ok_or_else(|| de::Error::custom("this `model_type` is not supported"))
    }
}

const MASK: &str = "read only by SpecAugment, and the config masks nothing";
const CTC: &str = "the transcription head of a CTC checkpoint";
const CODEBOOK: &str = "the codebook of pre-training";
const PRE_TRAINING: &str = "the head of pre-training";

/// The head that the reference puts on every encoder of speech.
const SPEECH: Keys = Keys {
    head: &["projector.", "classifier.", "layer_weights"],
    labels: Some("classifier.weight"),
    ..Keys::WHOLE
};

/// HuBERT (arXiv:2106.07447). DistilHuBERT (arXiv:2110.01900) is this network with two layers and no norm before the projection.
pub static HUBERT: Family = Family {
    model_type: "hubert",
    network: Network::Speech {
        spans_of: SpansOf::EveryFrame,
        blocks: Blocks::Transformer(Positions::Convolution),
    },
    class: "HubertForSequenceClassification",
    extractor: Extractor::Wav2Vec2,
    convolutions: Convolutions::Kaiming,
    keys: Keys {
        base: "hubert.",
        optional: &["hubert.masked_spec_embed"],
        unused: &[
            ("hubert.masked_spec_embed", MASK),
            (
                "hubert.encoder.pos_conv_embed.batch_norm.num_batches_tracked",
                "a counter that no forward pass reads",
            ),
            ("lm_head.", CTC),
        ],
        ..SPEECH
    },
};

/// Wav2Vec2 (arXiv:2006.11477) and XLS-R (arXiv:2111.09296). Some checkpoints have an adapter behind the encoder
/// (`add_adapter`), or one of a language in each layer (`adapter_attn_dim`: MMS, arXiv:2305.13516).
pub static WAV2VEC2: Family = Family {
    model_type: "wav2vec2",
    network: Network::Speech {
        spans_of: SpansOf::RealFrames,
        blocks: Blocks::Transformer(Positions::Convolution),
    },
    class: "Wav2Vec2ForSequenceClassification",
    extractor: Extractor::Wav2Vec2,
    convolutions: Convolutions::Kaiming,
    keys: Keys {
        base: "wav2vec2.",
        optional: &["wav2vec2.masked_spec_embed"],
        unused: &[
            ("wav2vec2.masked_spec_embed", MASK),
            ("lm_head.", CTC),
            ("quantizer.", CODEBOOK),
            ("project_hid.", PRE_TRAINING),
            ("project_q.", PRE_TRAINING),
        ],
        ..SPEECH
    },
};

/// Wav2Vec2 with Conformer blocks (arXiv:2010.05171).
pub static WAV2VEC2_CONFORMER: Family = Family {
    model_type: "wav2vec2-conformer",
    network: Network::Speech { spans_of: SpansOf::RealFrames, blocks: Blocks::Conformer },
    class: "Wav2Vec2ConformerForSequenceClassification",
    extractor: Extractor::Wav2Vec2,
    convolutions: Convolutions::Kaiming,
    keys: Keys {
        base: "wav2vec2_conformer.",
        optional: &[
            "wav2vec2_conformer.masked_spec_embed",
            "wav2vec2_conformer.encoder.embed_positions.inv_freq",
        ],
        unused: &[
            ("wav2vec2_conformer.masked_spec_embed", MASK),
            (".batch_norm.num_batches_tracked", "a counter that no forward pass reads"),
            ("lm_head.", CTC),
            ("quantizer.", CODEBOOK),
            ("project_hid.", PRE_TRAINING),
            ("project_q.", PRE_TRAINING),
        ],
        ..SPEECH
    },
};

/// UniSpeech (arXiv:2101.07597).
pub static UNISPEECH: Family = Family {
    model_type: "unispeech",
    network: Network::Speech {
        spans_of: SpansOf::RealFrames,
        blocks: Blocks::Transformer(Positions::Convolution),
    },
    class: "UniSpeechForSequenceClassification",
    extractor: Extractor::Wav2Vec2,
    convolutions: Convolutions::Kaiming,
    keys: Keys {
        base: "unispeech.",
        optional: &["unispeech.masked_spec_embed"],
        unused: &[
            ("unispeech.masked_spec_embed", MASK),
            ("lm_head.", CTC),
            ("quantizer.", CODEBOOK),
            ("project_hid.", PRE_TRAINING),
            ("project_q.", PRE_TRAINING),
            ("ctc_proj.", PRE_TRAINING),
        ],
        ..SPEECH
    },
};

/// UniSpeech-SAT (arXiv:2110.05752).
pub static UNISPEECH_SAT: Family = Family {
    model_type: "unispeech-sat",
    network: Network::Speech {
        spans_of: SpansOf::RealFrames,
        blocks: Blocks::Transformer(Positions::Convolution),
    },
    class: "UniSpeechSatForSequenceClassification",
    extractor: Extractor::Wav2Vec2,
    convolutions: Convolutions::Kaiming,
    keys: Keys {
        base: "unispeech_sat.",
        optional: &["unispeech_sat.masked_spec_embed"],
        unused: &[
            ("unispeech_sat.masked_spec_embed", MASK),
            ("lm_head.", CTC),
            ("quantizer.", CODEBOOK),
            ("project_hid.", PRE_TRAINING),
            ("project_q.", PRE_TRAINING),
            ("speaker_proj.", PRE_TRAINING),
            ("label_embeddings_concat", PRE_TRAINING),
            ("layer_norm_for_extract.", PRE_TRAINING),
        ],
        ..SPEECH
    },
};

/// WavLM (arXiv:2110.13900).
pub static WAVLM: Family = Family {
    model_type: "wavlm",
    network: Network::Speech {
        spans_of: SpansOf::RealFrames,
        blocks: Blocks::Transformer(Positions::GatedBias),
    },
    class: "WavLMForSequenceClassification",
    extractor: Extractor::Wav2Vec2,
    convolutions: Convolutions::Kaiming,
    keys: Keys {
        base: "wavlm.",
        renames: &[
            (".attention.gru_rel_pos_", ".position_bias.gru_rel_pos_"),
            (".attention.rel_attn_embed.", ".position_bias.rel_attn_embed."),
        ],
        optional: &["wavlm.masked_spec_embed"],
        unused: &[
            ("wavlm.masked_spec_embed", MASK),
            ("lm_head.", CTC),
            ("quantizer.", CODEBOOK),
            ("project_hid.", PRE_TRAINING),
            ("project_q.", PRE_TRAINING),
        ],
        ..SPEECH
    },
};

/// data2vec (arXiv:2202.03555) for audio.
pub static DATA2VEC_AUDIO: Family = Family {
    model_type: "data2vec-audio",
    network: Network::Speech {
        spans_of: SpansOf::RealFrames,
        blocks: Blocks::Transformer(Positions::Convolutions),
    },
    class: "Data2VecAudioForSequenceClassification",
    extractor: Extractor::Wav2Vec2,
    convolutions: Convolutions::Kaiming,
    keys: Keys {
        base: "data2vec_audio.",
        optional: &["data2vec_audio.masked_spec_embed"],
        unused: &[("data2vec_audio.masked_spec_embed", MASK), ("lm_head.", CTC)],
        ..SPEECH
    },
};

/// SEW (arXiv:2109.06870).
pub static SEW: Family = Family {
    model_type: "sew",
    network: Network::Speech { spans_of: SpansOf::EveryFrame, blocks: Blocks::Squeezed },
    class: "SEWForSequenceClassification",
    extractor: Extractor::Wav2Vec2,
    convolutions: Convolutions::Kaiming,
    keys: Keys {
        base: "sew.",
        // In this order: the second's own name begins with what the first replaces.
        renames: &[
            ("sew.feature_projection.", "sew.feature_projection.projection."),
            ("sew.layer_norm.", "sew.feature_projection.layer_norm."),
        ],
        optional: &["sew.masked_spec_embed"],
        unused: &[("sew.masked_spec_embed", MASK), ("lm_head.", CTC)],
        ..SPEECH
    },
};

/// SEW-D (arXiv:2109.06870), whose transformer is that of DeBERTa-v2.
pub static SEW_D: Family = Family {
    model_type: "sew-d",
    network: Network::Speech { spans_of: SpansOf::EveryFrame, blocks: Blocks::SqueezedDisentangled },
    class: "SEWDForSequenceClassification",
    extractor: Extractor::Wav2Vec2,
    convolutions: Convolutions::Kaiming,
    keys: Keys {
        base: "sew_d.",
        renames: &[
            ("sew_d.feature_projection.", "sew_d.feature_projection.projection."),
            ("sew_d.layer_norm.", "sew_d.feature_projection.layer_norm."),
            (".attention.self.", ".attention.self_attention."),
            (".LayerNorm.", ".norm."),
        ],
        optional: &["sew_d.masked_spec_embed"],
        unused: &[("sew_d.masked_spec_embed", MASK), ("lm_head.", CTC)],
        ..SPEECH
    },
};

/// The Audio Spectrogram Transformer (arXiv:2104.01778).
pub static AST: Family = Family {
    model_type: "audio-spectrogram-transformer",
    network: Network::Ast,
    class: "ASTForAudioClassification",
    extractor: Extractor::Ast,
    convolutions: Convolutions::InitializerRange,
    keys: Keys {
        base: "audio_spectrogram_transformer.",
        head: &["classifier."],
        labels: Some("classifier.dense.weight"),
        ..Keys::WHOLE
    },
};

/// Whisper's encoder (arXiv:2212.04356).
pub static WHISPER: Family = Family {
    model_type: "whisper",
    network: Network::Whisper,
    class: "WhisperForAudioClassification",
    extractor: Extractor::Whisper,
    convolutions: Convolutions::InitializerRange,
    keys: Keys {
        base: "model.", // in the files of speech recognisers, which classifiers are fine-tuned from
        unused: &[
            ("decoder.", "writes text, which a classifier does not"),
            ("proj_out.", "the vocabulary of the decoder"),
        ],
        ..SPEECH
    },
};

/// A whole Whisper, whose decoder names the language. It is no row of [`FAMILIES`]: its `model_type` is that of [`WHISPER`], and
/// which of the two a folder holds, its weights say.
pub static WHISPER_WITH_DECODER: Family = Family {
    model_type: "whisper",
    network: Network::Whisper,
    class: "WhisperForConditionalGeneration",
    extractor: Extractor::Whisper,
    convolutions: Convolutions::InitializerRange,
    keys: Keys {
        base: "model.",
        head: &["proj_out."],
        unused: &[("proj_out.", "the embeddings of the tokens again, where the two are tied")],
        ..Keys::WHOLE
    },
};

/// Wav2Vec2-BERT (arXiv:2312.05187).
pub static WAV2VEC2_BERT: Family = Family {
    model_type: "wav2vec2-bert",
    network: Network::Wav2Vec2Bert,
    class: "Wav2Vec2BertForSequenceClassification",
    extractor: Extractor::SeamlessM4T,
    convolutions: Convolutions::Kaiming,
    keys: Keys {
        base: "wav2vec2_bert.",
        optional: &["wav2vec2_bert.masked_spec_embed"],
        unused: &[("wav2vec2_bert.masked_spec_embed", MASK), ("lm_head.", CTC)],
        ..SPEECH
    },
};

/// CED (arXiv:2308.11957), which transformers runs by code of its authors only.
pub static CED: Family = Family {
    model_type: "ced",
    network: Network::Ced,
    class: "CedForAudioClassification",
    extractor: Extractor::Ced,
    convolutions: Convolutions::InitializerRange,
    keys: Keys {
        base: "encoder.",
        head: &["outputlayer."],
        labels: Some("outputlayer.1.weight"),
        unused: &[(".num_batches_tracked", "a counter that no forward pass reads")],
        ..Keys::WHOLE
    },
};

/// CLAP (arXiv:2211.06687), fused and unfused.
pub static CLAP: Family = Family {
    model_type: "clap",
    network: Network::Clap,
    class: "ClapModel",
    extractor: Extractor::Clap,
    convolutions: Convolutions::InitializerRange,
    keys: Keys {
        renames: &[(".attention.self.", ".attention.self_attention."), (".LayerNorm.", ".layer_norm.")],
        scalars: &["logit_scale_a", "logit_scale_t"],
        unused: &[
            (".position_ids", "0, 1, 2 and so on: positions are counted"),
            (".token_type_ids", "zeros: there is one type"),
            (".relative_position_index", "follows from the size of the window"),
            (".num_batches_tracked", "a counter that no forward pass reads"),
        ],
        ..Keys::WHOLE
    },
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_has_a_name_of_its_own_and_is_found_by_it() {
        for row in FAMILIES {
            assert!(std::ptr::eq(family(row.model_type).unwrap(), *row), "{row}");
            assert_eq!(Extractor::of(row.model_type), Some(row.extractor));
            assert_eq!(Extractor::of(row.extractor.class()), Some(row.extractor));
        }
        assert_eq!(family("bert"), None);
        assert_eq!(Extractor::of("bert"), None);
    }

    #[test]
    fn a_family_is_written_and_read_as_its_model_type() {
        let json = serde_json::to_value(&UNISPEECH_SAT).unwrap();
        assert_eq!(json, "unispeech-sat");
        let read: &Family = serde_json::from_value(json).unwrap();
        assert_eq!(read, &UNISPEECH_SAT);
        assert!(serde_json::from_value::<&'static Family>("bert".into()).is_err());
    }

    #[test]
    fn the_keys_of_a_base_model_begin_with_its_prefix() {
        for Family { keys, model_type, .. } in FAMILIES {
            let of_the_base = keys.optional.iter().all(|key| key.starts_with(keys.base));
            assert!(of_the_base, "{model_type}");
            assert!(keys.head.iter().all(|key| keys.is_head(key)), "{model_type}");
        }
    }
}
