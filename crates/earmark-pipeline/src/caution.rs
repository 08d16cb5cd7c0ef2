use std::fmt;

use earmark_features::Preprocessor;

use crate::model::pretrained::Pretrained;

/// What to know before a model is asked about a clip of some length.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Caution {
    /// The model reads the beginning of a clip and nothing of the rest, as in the reference: 30 s for Whisper, about 10 s for
    /// AST.
    ReadsTheBeginning {
        /// How much it reads, in seconds.
        seconds: f64,
        /// How long the clip is.
        of: f64,
    },
    /// The model reads one window of the clip, drawn at random from a fixed seed: an unfused CLAP.
    ReadsOneWindow {
        /// How much it reads, in seconds.
        seconds: f64,
        /// How long the clip is.
        of: f64,
    },
    /// Every frame attends to every other, so time grows with the square of the length, on devices other than the CPU memory
    /// too.
    Long {
        /// How long the clip is, in seconds.
        seconds: f64,
    },
}

/// From here on attention is most of the time a base model takes.
const LONG: f64 = 60.0;

impl Caution {
    /// Of a clip of `samples` samples and the extractor that reads it.
    pub(crate) fn of(preprocessor: &Preprocessor, samples: usize) -> Option<Caution> {
        let rate = f64::from(preprocessor.sampling_rate().hz());
        let of = samples as f64 / rate;
        match preprocessor.max_samples() {
            // An encoder's padding makes a clip of 30 s a few hundredths longer; that is not worth a word.
            Some(most) if samples as f64 > 1.01 * most as f64 => {
                let seconds = most as f64 / rate;
                Some(match preprocessor {
                    Preprocessor::Clap(_) => Caution::ReadsOneWindow { seconds, of },
                    _ => Caution::ReadsTheBeginning { seconds, of },
                })
            }
            None if matches!(preprocessor, Preprocessor::Wav2Vec2(_)) && of > LONG => {
                Some(Caution::Long { seconds: of })
            }
            _ => None,
        }
    }
}

impl Pretrained {
    /// What to know before the model is asked about a clip of so many samples at its rate.
    pub fn caution(&self, samples: usize) -> Option<Caution> {
        Caution::of(&self.preprocessor, samples)
    }
}

impl fmt::Display for Caution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Caution::ReadsTheBeginning { seconds, of } => {
                write!(f, "the model reads the first {seconds:.1} s of {of:.1} s, and nothing of the rest")
            }
            Caution::ReadsOneWindow { seconds, of } => {
                write!(f, "the model reads {seconds:.1} s of {of:.1} s, from a place drawn at random")
            }
            Caution::Long { seconds } => {
                write!(f, "attention over {seconds:.0} s at once takes time with the square of the length")
            }
        }
    }
}
