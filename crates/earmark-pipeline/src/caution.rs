use std::fmt;

use earmark_features::Preprocessor;

use crate::model::pretrained::Pretrained;

/// What a model does with a clip of some length that its user may not expect.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Caution {
    /// The model uses only the beginning of a clip, as in the reference: 30 s for Whisper, about 10 s for AST.
    ReadsTheBeginning {
        /// How much it uses, in seconds.
        seconds: f64,
        /// The length of the clip, in seconds.
        of: f64,
    },
    /// The model uses one window of the clip, at a random position from a fixed seed: an unfused CLAP.
    ReadsOneWindow {
        /// How much it uses, in seconds.
        seconds: f64,
        /// The length of the clip, in seconds.
        of: f64,
    },
    /// Every frame attends to every other, so time grows with the square of the length, and on devices other than the CPU
    /// memory as well.
    Long {
        /// The length of the clip, in seconds.
        seconds: f64,
    },
}

/// From here on attention is most of the time a base model takes.
const LONG: f64 = 60.0;

impl Caution {
    /// That of a clip of `samples` samples with this extractor.
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
            None if matches!(preprocessor, Preprocessor::Wav2Vec2(_) | Preprocessor::SeamlessM4T(_))
                && of > LONG =>
            {
                Some(Caution::Long { seconds: of })
            }
            _ => None,
        }
    }
}

impl Pretrained {
    /// What to expect of a clip of so many samples at the model's rate; `None` where all of it is used in one short pass.
    pub fn caution(&self, samples: usize) -> Option<Caution> {
        Caution::of(&self.preprocessor, samples)
    }
}

impl fmt::Display for Caution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Caution::ReadsTheBeginning { seconds, of } => {
                write!(f, "the model uses only the first {seconds:.1} s of {of:.1} s")
            }
            Caution::ReadsOneWindow { seconds, of } => {
                write!(f, "the model uses only {seconds:.1} s of {of:.1} s, from a random position")
            }
            Caution::Long { seconds } => {
                write!(
                    f,
                    "attention over {seconds:.0} s at once is slow: its time grows with the square of the length"
                )
            }
        }
    }
}
