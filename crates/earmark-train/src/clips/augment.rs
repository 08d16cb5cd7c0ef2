//! Training clips changed at random, before their features are extracted.
//!
//! What happens to a clip is a function of the run's seed, the epoch, the clip, and how often it came in the epoch before: neither
//! threads nor batches nor a resumed run change it.

use std::collections::HashMap;
use std::path::Path;

use earmark_audio::{Waveform, has_audio_extension};
use earmark_data::Clip;
use earmark_error::{Attempt as _, Context as _};
use earmark_features::{Features, Preprocessor, resample};
use earmark_fs::Walk;
use earmark_labels::LabelId;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt as _, SeedableRng as _};
use rand_distr::{Beta, Distribution as _, StandardNormal};

use crate::clips::batch::Mix;
use crate::clips::prepare::Preparation;
use crate::error::{Doing, Error, ErrorKind};
use crate::recipe::Recipe;

/// Which clip comes in an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Draw {
    pub(crate) row: usize,
    pub(crate) epoch: u64,
    /// How often it came in this epoch before.
    pub(crate) before: u64,
}

/// The clips of an epoch, numbered where one comes several times.
pub(crate) fn draws(order: &[usize], epoch: u64) -> Vec<Draw> {
    let mut seen = HashMap::new();
    let draw = |&row: &usize| {
        let count = seen.entry(row).or_insert(0);
        let before = *count;
        *count += 1;
        Draw { row, epoch, before }
    };
    order.iter().map(draw).collect()
}

/// What a recipe changes in its training clips.
#[derive(Debug, Clone)]
pub(crate) struct Augment {
    seed: u64,
    /// In decibels, to both sides.
    gain: f64,
    /// In decibels; the second is the larger.
    snr: Option<[f64; 2]>,
    /// Recordings of noise; none for white noise.
    noises: Vec<Clip>,
    /// In seconds, to both sides.
    shift: f64,
    crop: bool,
    mixup: f64,
}

impl Augment {
    /// `None` for a recipe that changes nothing.
    ///
    /// # Errors
    /// When the folder of noises has none, or a setting does nothing to this extractor's features.
    pub(crate) fn new(recipe: &Recipe, preprocessor: &Preprocessor) -> Result<Option<Augment>, Error> {
        let doing = || Doing("cannot run this recipe".to_owned());
        let is_normalised =
            matches!(preprocessor, Preprocessor::Wav2Vec2(extractor) if extractor.do_normalize);
        if recipe.augment_gain > 0.0 && is_normalised {
            let why =
                "is set, but the model's extractor brings every clip to one loudness: gain changes nothing";
            return Err(ErrorKind::Value { key: "augment_gain", why: why.to_owned() }).with_context(doing);
        }
        let noises = match recipe.augment_noise.as_str() {
            "" => Vec::new(),
            folder => sounds_in(Path::new(folder))?,
        };
        let augment = Augment {
            seed: recipe.seed,
            gain: recipe.augment_gain,
            snr: recipe.augment_snr,
            noises,
            shift: recipe.augment_shift,
            crop: recipe.random_crop,
            mixup: recipe.mixup,
        };
        let Augment { gain, snr, shift, crop, mixup, .. } = &augment;
        let changes = *gain > 0.0 || snr.is_some() || *shift > 0.0 || *crop || *mixup > 0.0;
        Ok(changes.then_some(augment))
    }

    /// Whether clips are mixed with others.
    pub(crate) fn mixes(&self) -> bool {
        self.mixup > 0.0
    }

    fn rng(&self, draw: Draw) -> ChaCha8Rng {
        let mut seed = [0; 32];
        for (bytes, number) in seed.chunks_mut(8).zip([self.seed, draw.epoch, draw.row as u64, draw.before]) {
            bytes.copy_from_slice(&number.to_le_bytes());
        }
        ChaCha8Rng::from_seed(seed)
    }

    /// The features of a clip, and what else is mixed into it. `whole` gives the waveform of a row, uncut; `others` are the rows to
    /// mix with, and `class` is that of a row.
    pub(crate) fn features(
        &self,
        preparation: &Preparation,
        draw: Draw,
        others: &[usize],
        class: impl Fn(usize) -> usize,
        whole: impl Fn(usize) -> Result<Waveform, ErrorKind>,
    ) -> Result<(Features, Mix), ErrorKind> {
        let mut rng = self.rng(draw);
        let most = preparation.most();
        let cut = |waveform: Waveform, rng: &mut ChaCha8Rng| {
            let mut samples = waveform.into_samples();
            if let Some(most) = most.filter(|&most| most < samples.len()) {
                let from = if self.crop { rng.random_range(0..=samples.len() - most) } else { 0 };
                samples = samples[from..from + most].to_vec();
            }
            samples
        };
        let waveform = whole(draw.row)?;
        let rate = waveform.rate();
        let mut samples = cut(waveform, &mut rng);
        if self.shift > 0.0 {
            let most = ((self.shift * f64::from(rate.hz())) as usize).min(samples.len());
            let by = rng.random_range(0..=2 * most);
            if by > most { samples.rotate_right(by - most) } else { samples.rotate_left(most - by) }
        }
        let mut mix = Mix { class: class(draw.row), share: 0.0 };
        if self.mixup > 0.0 && !others.is_empty() {
            // A mixture is the same with both shares exchanged: the clip itself keeps the larger one.
            let beta = Beta::new(self.mixup, self.mixup).expect("the recipe's range is that of Beta");
            let share: f64 = beta.sample(&mut rng);
            let share = share.min(1.0 - share);
            let place = rng.random_range(0..others.len());
            let other =
                if others[place] == draw.row { others[(place + 1) % others.len()] } else { others[place] };
            let other_samples = cut(whole(other)?, &mut rng);
            mix_into(&mut samples, &other_samples, share as f32);
            mix = Mix { class: class(other), share };
        }
        if let Some([least, most]) = self.snr {
            let snr = least + (most - least) * rng.random::<f64>();
            let noise: Vec<f32> = match self.noises.as_slice() {
                [] => (0..samples.len()).map(|_| StandardNormal.sample(&mut rng)).collect(),
                noises => {
                    let noise = &noises[rng.random_range(0..noises.len())];
                    let noise = noise.decode(&preparation.decode)?.waveform;
                    let noise = resample(noise, rate, preparation.resampler)?.into_samples();
                    let from = rng.random_range(0..noise.len());
                    (0..samples.len()).map(|i| noise[(from + i) % noise.len()]).collect()
                }
            };
            add_noise(&mut samples, &noise, snr);
        }
        if self.gain > 0.0 {
            let gain = self.gain * (2.0 * rng.random::<f64>() - 1.0);
            let factor = 10_f64.powf(gain / 20.0) as f32;
            samples.iter_mut().for_each(|sample| *sample *= factor);
        }
        let waveform = Waveform::new(samples, rate).map_err(|_| too_loud())?;
        Ok((preparation.preprocessor.extract(&waveform)?, mix))
    }
}

/// The sound files below a folder, in the order of their names.
fn sounds_in(folder: &Path) -> Result<Vec<Clip>, Error> {
    let doing = || Doing(format!("cannot use the noises in `{}`", folder.display()));
    let mut sounds = Vec::new();
    for entry in Walk::new(folder).follow_links(true) {
        let entry = entry.map_err(|error| doing().failed(ErrorKind::Io(std::io::Error::other(error))))?;
        if has_audio_extension(&entry.path) && entry.path.is_file() {
            // Of no class: only the sound is asked for.
            sounds.push(Clip::new(entry.name(), entry.path, LabelId::new(0)));
        }
    }
    if sounds.is_empty() {
        let why = "has no sound file".to_owned();
        return Err(ErrorKind::Value { key: "augment_noise", why }).with_context(doing);
    }
    Ok(sounds)
}

fn too_loud() -> ErrorKind {
    ErrorKind::Value { key: "augment", why: "made a clip too loud for 32-bit floats".to_owned() }
}

/// `share` of `other`, and the rest of `samples`, each at the loudness of `samples`; the longer of the two decides the length.
fn mix_into(samples: &mut Vec<f32>, other: &[f32], share: f32) {
    let (loud, other_loud) = (power(samples).sqrt(), power(other).sqrt());
    let level = if other_loud > 0.0 { (loud / other_loud) as f32 } else { 0.0 };
    samples.iter_mut().for_each(|sample| *sample *= 1.0 - share);
    if other.len() > samples.len() {
        samples.resize(other.len(), 0.0);
    }
    samples.iter_mut().zip(other).for_each(|(sample, other)| *sample += share * level * other);
}

/// Adds noise so that the power of the sound is `snr` decibels above its own. Silence stays as it is.
fn add_noise(samples: &mut [f32], noise: &[f32], snr: f64) {
    let (sound, of_noise) = (power(samples), power(noise));
    if sound == 0.0 || of_noise == 0.0 {
        return;
    }
    let factor = (sound / of_noise / 10_f64.powf(snr / 10.0)).sqrt() as f32;
    samples.iter_mut().zip(noise).for_each(|(sample, noise)| *sample += factor * noise);
}

/// The mean of the squares.
fn power(samples: &[f32]) -> f64 {
    samples.iter().map(|&sample| f64::from(sample).powi(2)).sum::<f64>() / samples.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 16_000;

    fn augment(recipe: &Recipe) -> Augment {
        Augment {
            seed: recipe.seed,
            gain: recipe.augment_gain,
            snr: recipe.augment_snr,
            noises: Vec::new(),
            shift: recipe.augment_shift,
            crop: recipe.random_crop,
            mixup: recipe.mixup,
        }
    }

    fn recipe() -> Recipe {
        Recipe::new("name", "model", "data")
    }

    /// Samples as they are: an extractor that does not normalise.
    fn preparation(most: Option<usize>) -> Preparation {
        let extractor = r#"{"feature_extractor_type": "Wav2Vec2FeatureExtractor", "do_normalize": false}"#;
        Preparation {
            preprocessor: Preprocessor::from_json(extractor).unwrap(),
            resampler: earmark_features::Resampler::Hq,
            decode: Default::default(),
            max_samples: most,
            min_samples: 1,
        }
    }

    fn tone(row: usize) -> Vec<f32> {
        earmark_testkit::tone(100.0 * (row + 1) as f64, 0.5, RATE)
    }

    /// The samples that row 0 becomes in an epoch, and what is mixed in.
    fn changed(augment: &Augment, epoch: u64, most: Option<usize>) -> (Vec<f32>, Mix) {
        let rate = earmark_audio::SampleRate::new(RATE).unwrap();
        let whole = |row| Ok(Waveform::new(tone(row), rate).unwrap());
        let draw = Draw { row: 0, epoch, before: 0 };
        let (features, mix) = augment.features(&preparation(most), draw, &[1, 2], |row| row, whole).unwrap();
        (features.data, mix)
    }

    fn mean(values: impl Iterator<Item = f64>) -> f64 {
        let values: Vec<f64> = values.collect();
        values.iter().sum::<f64>() / values.len() as f64
    }

    #[test]
    fn the_same_draw_gives_the_same_samples_and_another_epoch_others() {
        let all = augment(&Recipe {
            augment_gain: 6.0,
            augment_snr: Some([0.0, 20.0]),
            augment_shift: 0.1,
            random_crop: true,
            mixup: 0.4,
            ..recipe()
        });
        assert_eq!(changed(&all, 3, Some(4000)).0, changed(&all, 3, Some(4000)).0);
        assert_ne!(changed(&all, 3, Some(4000)).0, changed(&all, 4, Some(4000)).0);
        let draws = draws(&[5, 7, 5], 2);
        assert_eq!(draws[2], Draw { row: 5, epoch: 2, before: 1 });
        assert_ne!(all.rng(draws[0]).random::<u64>(), all.rng(draws[2]).random::<u64>());
    }

    #[test]
    fn gain_is_even_in_decibels() {
        let gain = augment(&Recipe { augment_gain: 6.0, ..recipe() });
        let before = power(&tone(0));
        let decibels: Vec<f64> =
            (0..2000).map(|epoch| 10.0 * (power(&changed(&gain, epoch, None).0) / before).log10()).collect();
        assert!(decibels.iter().all(|it| it.abs() <= 6.001));
        // Uniform from -6 to 6: mean 0, deviation 6 / √3 = 3.46, each within four standard errors.
        assert!(mean(decibels.iter().copied()).abs() < 0.31);
        assert!((mean(decibels.iter().map(|it| it * it)).sqrt() - 3.464).abs() < 0.2);
    }

    #[test]
    fn noise_has_the_power_that_its_snr_says() {
        let noisy = augment(&Recipe { augment_snr: Some([10.0, 10.0]), ..recipe() });
        let clean = tone(0);
        let snr = |epoch| {
            let noise: Vec<f32> =
                changed(&noisy, epoch, None).0.iter().zip(&clean).map(|(a, b)| a - b).collect();
            10.0 * (power(&clean) / power(&noise)).log10()
        };
        assert!((0..20).all(|epoch| (snr(epoch) - 10.0).abs() < 1e-3));
        let mut silence = vec![0.0; 10];
        add_noise(&mut silence, &[1.0; 10], 10.0);
        assert_eq!(silence, [0.0; 10]);
    }

    #[test]
    fn a_shift_and_a_crop_move_samples_and_change_none() {
        let shifted = augment(&Recipe { augment_shift: 0.1, ..recipe() });
        let clean = tone(0);
        let sorted = |mut values: Vec<f32>| {
            values.sort_by(f32::total_cmp);
            values
        };
        assert_eq!(sorted(changed(&shifted, 1, None).0), sorted(clean.clone()));
        let cropped = augment(&Recipe { random_crop: true, ..recipe() });
        let mut starts: Vec<usize> = (0..300)
            .map(|epoch| {
                let crop = changed(&cropped, epoch, Some(7000)).0;
                clean.windows(7000).position(|window| window == crop).expect("a window of the clip")
            })
            .collect();
        starts.sort_unstable();
        // A period is 160 samples, so the first of equal windows is found: from 0 to 159.
        starts.dedup();
        assert!(starts.len() > 100, "{starts:?}");
    }

    #[test]
    fn a_mixture_is_of_two_clips_and_keeps_most_of_its_own() {
        let mixed = augment(&Recipe { mixup: 0.4, ..recipe() });
        let mixes: Vec<Mix> = (0..500).map(|epoch| changed(&mixed, epoch, None).1).collect();
        assert!(mixes.iter().all(|mix| (0.0..=0.5).contains(&mix.share) && [1, 2].contains(&mix.class)));
        assert!(mixes.iter().any(|mix| mix.class == 1) && mixes.iter().any(|mix| mix.class == 2));
        // Of Beta(0.4, 0.4) the smaller side has the mean 0.1602 (SciPy 1.17.1), here within four standard errors of 0.0068.
        let share = mean(mixes.iter().map(|mix| mix.share));
        assert!((share - 0.1602).abs() < 0.027, "{share}");
        let mut samples = vec![1.0, 1.0];
        mix_into(&mut samples, &[2.0, 2.0, 2.0], 0.25);
        assert_eq!(samples, [1.0, 1.0, 0.25]);
    }
}
