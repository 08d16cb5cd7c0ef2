use std::fmt;

use earmark_audio::SampleRate;
use earmark_config::Extractor;
use earmark_error::Attempt;

/// Features that could not be extracted: the operation that failed, and why.
#[derive(Debug, thiserror::Error)]
#[error("cannot {task}")]
#[non_exhaustive]
pub struct Error {
    /// The operation that failed.
    pub task: Task,
    /// Why it failed.
    #[source]
    pub kind: ErrorKind,
}

/// An operation of this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Task {
    /// Reading a `preprocessor_config.json`.
    Configure,
    /// Changing the sample rate.
    Resample,
    /// Extracting features, by the named extractor.
    Extract(&'static str),
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Task::Configure => f.write_str("read the preprocessor config"),
            Task::Resample => f.write_str("resample"),
            Task::Extract(extractor) => write!(f, "extract features with `{extractor}`"),
        }
    }
}

/// The extractors that are built in, for messages.
fn supported() -> String {
    Extractor::ALL.map(Extractor::class).join(", ")
}

impl Attempt for Task {
    type Kind = ErrorKind;
    type Error = Error;

    fn failed(self, kind: ErrorKind) -> Error {
        Error { task: self, kind }
    }
}

/// Why features could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Not JSON.
    #[error("not the JSON configuration of a feature extractor")]
    Json(#[source] serde_json::Error),
    /// A key has a value of the wrong type.
    #[error("invalid `{key}`")]
    Key {
        /// The key in `preprocessor_config.json`.
        key: String,
        /// The value found, and what was expected.
        #[source]
        source: serde_json::Error,
    },
    /// An extractor that is not supported.
    #[error("`feature_extractor_type` `{found}` is not supported; supported: {}", supported())]
    UnknownExtractor {
        /// The name in the file.
        found: String,
    },
    /// An `AudioProcessor` that is not supported.
    #[error(
        "`audio_processor_type` `{found}` is not supported; it must be that of Wav2Vec2, AST, Whisper or CLAP"
    )]
    UnknownAudioProcessor {
        /// The name in the file.
        found: String,
    },
    /// The file has no `feature_extractor_type`.
    #[error("it has no `feature_extractor_type`; add one of {}", supported())]
    NoExtractor,
    /// A value outside the supported range.
    #[error("`{key}` is {value}, but {rule}")]
    Value {
        /// The key in `preprocessor_config.json`, or the option's name.
        key: &'static str,
        /// Its value.
        value: String,
        /// What is supported.
        rule: &'static str,
    },
    /// The clip has another sample rate than the model was trained on.
    #[error("the clip is at {clip}, but the model expects {model}; resample the clip first (`resample`)")]
    RateMismatch {
        /// The clip's rate.
        clip: SampleRate,
        /// The model's rate.
        model: SampleRate,
    },
    /// The clip has too few samples for a single frame.
    #[error("the clip has {samples} samples, but one frame needs {needed}")]
    TooShort {
        /// Samples in the clip.
        samples: usize,
        /// Samples in a frame.
        needed: usize,
    },
    /// A batch without clips.
    #[error("the batch is empty")]
    NoClips,
    /// A row of the batch is longer than the length all rows are padded to.
    #[error("clip {row} has {samples} samples, more than `max_length` {max_length}; set `truncation`")]
    DoesNotFit {
        /// Position in the batch.
        row: usize,
        /// Samples in that clip.
        samples: usize,
        /// Samples a row may hold.
        max_length: usize,
    },
    /// Two sample rates that are too far apart: the output could be enormous.
    #[error("{from} to {to} is more than a factor of {limit}; check the sample rate in the file's header")]
    RatesTooFarApart {
        /// The clip's rate.
        from: SampleRate,
        /// The target rate.
        to: SampleRate,
        /// The largest factor supported.
        limit: u32,
    },
    /// A crop that does not lie inside the clip.
    #[error("the crop starts at {start}, but the last possible start is {last}")]
    CropOutside {
        /// Where the crop starts, in samples (`rand_trunc`) or frames (`fusion`).
        start: usize,
        /// The last start inside the clip.
        last: usize,
    },
    /// A sample so large that sums of its squares overflow.
    #[error(
        "sample {index}, at {seconds:.3} s, is {value:e}, far outside [-1, 1]: check that the file is 32-bit float"
    )]
    TooLoud {
        /// Position in the clip.
        index: usize,
        /// The same in seconds.
        seconds: f64,
        /// The sample.
        value: f32,
    },
    /// The features are not finite: a setting is out of the range of `f32`.
    #[error("a feature is not a finite number: a setting of the extractor overflows 32-bit floats")]
    NotFinite,
}
