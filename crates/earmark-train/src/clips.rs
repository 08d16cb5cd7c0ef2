use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};

use earmark_audio::{DecodeOptions, SampleRate};
use earmark_data::{AudioDataset, Clip};
use earmark_features::{Features, PadOptions, Preprocessor, Resampler, resample};
use rayon::prelude::*;

use crate::error::{BadClip, Error, ErrorKind, While as _, chain};
use crate::recipe::Recipe;
use earmark_pipeline::Pretrained;

/// Clips of a dataset as the model hears them: decoded, resampled, cut, normalised.
///
/// One function makes them for training, evaluation and inference, so the three cannot differ.
#[derive(Debug)]
pub struct Clips {
    clips: Vec<Clip>,
    ear: Ear,
    /// The features of the first clips, as many as fit into [`KEPT_BYTES`]; the others are made again when asked for.
    kept: Vec<Option<Features>>,
}

/// Enough for every clip of GTZAN at 30 s and 16 kHz (1.9 GB): then nothing is decoded twice.
const KEPT_BYTES: usize = 2 << 30;

/// How a sound file becomes what the model hears.
#[derive(Debug, Clone)]
pub struct Ear {
    /// Makes the features, and knows the model's rate.
    pub preprocessor: Preprocessor,
    /// Gets clips to that rate.
    pub resampler: Resampler,
    /// Makes one channel of many, and bounds the length.
    pub decode: DecodeOptions,
    /// Longer clips are cut here; `None` never cuts.
    pub max_samples: Option<usize>,
    /// Shorter clips are refused: the model could make no frame of them.
    pub min_samples: usize,
}

impl Ear {
    /// What `learner` hears by under `recipe`.
    pub fn new(learner: &Pretrained, recipe: &Recipe) -> Ear {
        let preprocessor = learner.preprocessor.clone();
        let rate = f64::from(preprocessor.sampling_rate().hz());
        Ear {
            resampler: recipe.resampler.into(),
            decode: DecodeOptions { downmix: recipe.downmix.into(), ..DecodeOptions::default() },
            max_samples: Some((recipe.max_duration * rate) as usize),
            min_samples: learner.config.network().min_samples(),
            preprocessor,
        }
    }

    /// What the model hears of this file.
    ///
    /// # Errors
    /// When the file is no sound, or too short for one frame.
    pub fn hear(&self, clip: &Clip) -> Result<Features, ErrorKind> {
        let waveform = clip.decode(&self.decode)?.waveform;
        let rate: SampleRate = self.preprocessor.sampling_rate();
        let waveform = resample(waveform, rate, self.resampler)?;
        let samples = waveform.samples().len();
        if samples < self.min_samples {
            let why = format!(
                "is {samples} samples at {rate}, and the model needs {} for one frame",
                self.min_samples
            );
            return Err(ErrorKind::Value { key: "length", why });
        }
        let waveform = match self.max_samples {
            Some(most) => waveform.truncated(most.max(self.min_samples)),
            None => waveform,
        };
        Ok(self.preprocessor.extract(&waveform)?)
    }
}

impl Clips {
    /// Hears every clip once, so that a bad one is found now and not in the third epoch.
    ///
    /// Returns the clips, and those left out because `skip_bad` asks for it. `progress` is told how many are done.
    ///
    /// # Errors
    /// [`ErrorKind::BadClips`] names every clip that cannot be used, unless `skip_bad`.
    pub fn open(
        dataset: &AudioDataset,
        ear: Ear,
        skip_bad: bool,
        progress: &(dyn Fn(usize) + Sync),
    ) -> Result<(Clips, Vec<BadClip>), Error> {
        let (kept_bytes, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let heard: Vec<Result<Option<Features>, ErrorKind>> = dataset
            .clips
            .par_iter()
            .map(|clip| {
                let heard = ear.hear(clip).map(|features| {
                    let bytes = size_of_val(features.data.as_slice());
                    (kept_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes <= KEPT_BYTES).then_some(features)
                });
                progress(done.fetch_add(1, Ordering::Relaxed) + 1);
                heard
            })
            .collect();
        let (mut clips, mut kept, mut bad) = (Vec::new(), Vec::new(), Vec::new());
        for (clip, heard) in dataset.clips.iter().zip(heard) {
            match heard {
                Ok(samples) => {
                    clips.push(clip.clone());
                    kept.push(samples);
                }
                Err(kind) => bad.push(BadClip { path: clip.path.clone(), why: why(&kind) }),
            }
        }
        let doing = || format!("cannot use the clips in `{}`", dataset.root.display());
        if !bad.is_empty() && !skip_bad {
            return Err(ErrorKind::BadClips(bad)).while_(doing);
        }
        Ok((Clips { clips, ear, kept }, bad))
    }

    /// The clips that can be used, in the dataset's order.
    pub fn clips(&self) -> &[Clip] {
        &self.clips
    }

    /// The clips of `rows`, padded to the longest of them.
    ///
    /// # Errors
    /// When a file that was fine before cannot be read now.
    pub(crate) fn batch(&self, rows: &[usize]) -> Result<Batch, Error> {
        let heard: Vec<Cow<'_, Features>> = rows
            .par_iter()
            .map(|&row| match &self.kept[row] {
                Some(features) => Ok(Cow::Borrowed(features)),
                None => {
                    let clip = &self.clips[row];
                    let heard = self.ear.hear(clip);
                    heard.map(Cow::Owned).while_(|| format!("cannot use `{}` any more", clip.path.display()))
                }
            })
            .collect::<Result<_, Error>>()?;
        let labels = rows.iter().map(|&row| self.clips[row].label.index()).collect();
        let features = match &self.ear.preprocessor {
            Preprocessor::Wav2Vec2(extractor) => {
                let samples: Vec<&[f32]> = heard.iter().map(|features| features.data.as_slice()).collect();
                let padded = extractor.pad(&samples, &PadOptions::default());
                let padded = padded.while_(|| "cannot make a batch".to_owned())?;
                let lengths = padded.attention_mask.is_some().then_some(padded.lengths);
                BatchFeatures::Waveforms { values: padded.input_values, lengths }
            }
            // These extractors give every clip the same shape.
            _ => BatchFeatures::Spectrograms {
                shape: heard[0].shape.clone(),
                values: heard.iter().flat_map(|features| &features.data).copied().collect(),
            },
        };
        Ok(Batch { features, labels })
    }
}

/// Why a clip cannot be used, without its path: that stands before it.
fn why(kind: &ErrorKind) -> String {
    match kind {
        ErrorKind::Data(earmark_data::Error { kind: earmark_data::ErrorKind::Audio(error), .. }) => {
            chain(&error.kind)
        }
        kind => chain(kind),
    }
}

/// Clips of one length and their classes, not yet on a device.
#[derive(Debug)]
pub(crate) struct Batch {
    /// What the network hears, clip after clip.
    pub(crate) features: BatchFeatures,
    /// The class of each clip, B of them.
    pub(crate) labels: Vec<usize>,
}

/// What a network hears, not yet on a device.
#[derive(Debug)]
pub(crate) enum BatchFeatures {
    /// `[B, S]`, and the real samples of each clip when the network is to be told.
    Waveforms { values: Vec<f32>, lengths: Option<Vec<usize>> },
    /// `[B, …shape]`
    Spectrograms { values: Vec<f32>, shape: Vec<usize> },
}
