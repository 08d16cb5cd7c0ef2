//! What a model's folder says of its extractor, and where.

use std::io;
use std::path::{Path, PathBuf};

use earmark_config::{Extractor, Object};
use earmark_error::{Attempt as _, Context as _};
use earmark_features::{Preprocessor, Wav2Vec2Extractor};
use earmark_models::{ModelConfig, NetworkConfig, WhisperLanguageConfig};

use crate::error::{Doing, Error, ErrorKind};

/// What transformers 5 writes beside a tokenizer: the extractor is a section of it. Before, it told only of other things.
pub(crate) const PROCESSOR: &str = "processor_config.json";
/// What every version writes of an extractor alone.
pub(crate) const PREPROCESSOR: &str = "preprocessor_config.json";

/// Reads the extractor of the model in `dir`, and returns the file that describes it: `processor_config.json` if it has such a
/// section, else `preprocessor_config.json`, in the reference's order. `None` when neither does.
///
/// `config` is the model's `config.json`: its `feature_extractor_type` or `model_type` chooses the extractor where the file is
/// too old to have the type.
///
/// # Errors
/// When a file cannot be read, or its extractor is not supported.
pub fn find_extractor(dir: &Path, config: &Object) -> Result<Option<(PathBuf, Preprocessor)>, Error> {
    let model = model(config);
    for name in [PROCESSOR, PREPROCESSOR] {
        let path = dir.join(name);
        let doing = || Doing(format!("cannot use `{}`", path.display()));
        let text = match earmark_config::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            text => text.with_context(doing)?,
        };
        if name == PROCESSOR && !Preprocessor::is_in_processor_config(&text).with_context(doing)? {
            continue;
        }
        let preprocessor = Preprocessor::from_json_for(text, model).with_context(doing)?;
        return Ok(Some((path, preprocessor)));
    }
    Ok(None)
}

/// Like [`find_extractor`], but for a network over samples whose folder describes no extractor it uses the defaults of
/// transformers, and logs a warning with them.
///
/// # Errors
/// As [`find_extractor`], and [`ErrorKind::NoExtractor`] for a network over spectrograms without one.
pub fn read_extractor(dir: &Path, config: &Object) -> Result<Preprocessor, Error> {
    if let Some((_, preprocessor)) = find_extractor(dir, config)? {
        return Ok(preprocessor);
    }
    let default = Wav2Vec2Extractor::default();
    if Extractor::of(model(config)) != Some(Extractor::Wav2Vec2) {
        let doing = Doing(format!("cannot open the model in `{}`", dir.display()));
        return Err(doing.failed(ErrorKind::NoExtractor));
    }
    tracing::warn!(
        "`{}` has neither {PROCESSOR} nor {PREPROCESSOR}: using the defaults of transformers, {} and normalised clips",
        dir.display(),
        default.sampling_rate
    );
    Ok(Preprocessor::Wav2Vec2(default))
}

/// The extractor of the model in `dir`, as [`read_extractor`]; `config` is the model's.
///
/// # Errors
/// As [`read_extractor`], and when the extractor's features do not fit the network of `config`.
pub fn read_preprocessor(dir: &Path, config: &ModelConfig) -> Result<Preprocessor, Error> {
    let preprocessor = read_extractor(dir, config.json())?;
    match misfit(&preprocessor, config.network()) {
        None => Ok(preprocessor),
        Some(why) => {
            let doing = Doing(format!("cannot use the extractor of `{}`", dir.display()));
            Err(doing.failed(ErrorKind::OtherExtractor(why)))
        }
    }
}

fn model(config: &Object) -> &str {
    let named = ["feature_extractor_type", "model_type"].into_iter();
    named.filter_map(|key| config.get(key)?.as_str()).next().unwrap_or_default()
}

/// Why the network cannot take what the extractor makes.
fn misfit(preprocessor: &Preprocessor, network: &NetworkConfig) -> Option<String> {
    let family = network.family();
    if preprocessor.extractor() != family.extractor {
        return Some(format!(
            "`feature_extractor_type` is {}, which does not fit the `model_type` {family}",
            preprocessor.extractor(),
        ));
    }
    let pairs = match (preprocessor, network) {
        (Preprocessor::Ast(extractor), NetworkConfig::Ast(network)) => {
            let extractor = extractor.config();
            vec![
                ("max_length", extractor.max_length, "max_length", network.max_length),
                ("num_mel_bins", extractor.num_mel_bins, "num_mel_bins", network.num_mel_bins),
            ]
        }
        (
            Preprocessor::Whisper(extractor),
            NetworkConfig::Whisper(network)
            | NetworkConfig::WhisperLanguages(WhisperLanguageConfig { encoder: network, .. }),
        ) => vec![
            ("feature_size", extractor.config().feature_size, "num_mel_bins", network.num_mel_bins),
            (
                "chunk_length × sampling_rate / hop_length",
                extractor.frames(),
                "2 × max_source_positions",
                network.frames(),
            ),
        ],
        (Preprocessor::SeamlessM4T(extractor), NetworkConfig::Wav2Vec2Bert(network)) => vec![(
            "num_mel_bins × stride",
            extractor.width(),
            "feature_projection_input_dim",
            network.feature_projection_input_dim,
        )],
        (Preprocessor::Ced(extractor), NetworkConfig::Ced(network)) => {
            vec![("feature_size", extractor.config().feature_size, "n_mels", network.n_mels)]
        }
        // A network over samples takes clips of any length.
        _ => vec![],
    };
    let (theirs, made, ours, taken) = pairs.into_iter().find(|(_, made, _, taken)| made != taken)?;
    Some(format!("its `{theirs}` is {made}, but `{ours}` in config.json is {taken}: they must be equal"))
}
