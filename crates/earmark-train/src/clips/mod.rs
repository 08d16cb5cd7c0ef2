pub(crate) mod cache;

use std::borrow::Cow;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::SystemTime;

use earmark_audio::{DecodeOptions, SampleRate, Waveform};
use earmark_data::{AudioDataset, Clip};
use earmark_features::{
    Features, PadOptions, PaddingSide, Preprocessor, Resampler, Wav2Vec2Extractor, resample,
};
use rayon::prelude::*;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::clips::cache::{Cache, Key, MayRemove};
use crate::error::{BadClip, Error, ErrorKind, While as _, chain};
use crate::recipe::Recipe;
use crate::run::interrupt::{Report, unless_stopped};
use earmark_pipeline::Pretrained;

/// Clips of a dataset as the model hears them: decoded, resampled, cut, normalised.
///
/// One function makes them for training, evaluation and inference, so the three cannot differ. Clones share everything.
#[derive(Debug, Clone)]
pub struct Clips(Arc<Opened>);

#[derive(Debug)]
struct Opened {
    clips: Vec<Clip>,
    /// SHA-256 of each clip's sound file.
    hashes: Vec<Hash>,
    ear: Ear,
    /// The features of the first clips, as many as fit into [`KEPT_BYTES`]; the others come from the cache when asked
    /// for, or are made again.
    kept: Vec<Option<Features>>,
    /// Below the memory, where the next run finds them, too.
    cache: Option<Cache>,
    /// What each clip is called in the cache; `None` without one.
    keys: Vec<Option<Key>>,
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
            resampler: recipe.resampler,
            decode: DecodeOptions { downmix: recipe.downmix, ..DecodeOptions::default() },
            max_samples: Some((recipe.max_duration * rate) as usize),
            min_samples: learner.min_samples(),
            preprocessor,
        }
    }

    /// What the model hears of this file.
    ///
    /// # Errors
    /// When the file is no sound, too short for one frame, or too loud for 32-bit floats.
    pub fn hear(&self, clip: &Clip) -> Result<Features, ErrorKind> {
        let waveform = clip.decode(&self.decode)?.waveform;
        check_range(&waveform)?;
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
        let features = self.preprocessor.extract(&waveform)?;
        match features.data.iter().all(|x| x.is_finite()) {
            true => Ok(features),
            false => Err(out_of_range(&waveform)),
        }
    }

    /// Everything besides the sound that decides what is heard, or whether. A field that is added belongs in here.
    fn settings(&self) -> String {
        let Ear { preprocessor, resampler, decode, max_samples, min_samples } = self;
        let settings = json!({
            "extractor": preprocessor.to_json(),
            "resampler": format!("{resampler:?}"),
            "decode": format!("{decode:?}"),
            "max_samples": max_samples,
            "min_samples": min_samples,
        });
        settings.to_string()
    }
}

/// A clip's energy must be a 32-bit float: extractors divide by it, and of one that overflows they make silence or NaN.
fn check_range(waveform: &Waveform) -> Result<(), ErrorKind> {
    let energy: f64 = waveform.samples().iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    if energy <= f64::from(f32::MAX) { Ok(()) } else { Err(out_of_range(waveform)) }
}

/// The loudest sample is the one to blame.
fn out_of_range(waveform: &Waveform) -> ErrorKind {
    let samples = waveform.samples().iter().copied().enumerate();
    let (at, value) = samples.max_by(|a, b| a.1.abs().total_cmp(&b.1.abs())).unwrap_or_default();
    ErrorKind::OutOfRange { value, seconds: at as f64 / f64::from(waveform.rate().hz()) }
}

/// SHA-256 of the bytes of a sound file.
type Hash = [u8; 32];

fn hash_of(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// Length and time of a file: they change when it is written to.
type Stamp = (u64, SystemTime);

fn stamp(clip: &Clip) -> Option<Stamp> {
    let about = fs::metadata(&clip.path).ok()?;
    Some((about.len(), about.modified().ok()?))
}

impl Clips {
    /// Hears every clip once, so that a bad one is found now and not in the third epoch. What `cache` holds already is not
    /// decoded, and what it does not hold is put there.
    ///
    /// Returns the clips, and those left out because `skip_bad` asks for it. `progress` is told how many are done.
    ///
    /// # Errors
    /// [`ErrorKind::BadClips`] names every clip that cannot be used, unless `skip_bad`; [`ErrorKind::Interrupted`] as soon as
    /// `stop` is set.
    pub fn open(
        dataset: &AudioDataset,
        ear: Ear,
        cache: Option<Cache>,
        skip_bad: bool,
        progress: &mut dyn FnMut(usize),
        stop: &AtomicBool,
    ) -> Result<(Clips, Vec<BadClip>), Error> {
        let clips = dataset.clips.clone();
        let work = move |report: &Report| Opened::new(KEPT_BYTES, clips, ear, cache, report);
        let doing = || format!("cannot use the clips in `{}`", dataset.root.display());
        let (opened, bad) = unless_stopped(stop, progress, work).while_(doing)?;
        if !bad.is_empty() && !skip_bad {
            return Err(ErrorKind::BadClips(bad)).while_(doing);
        }
        Ok((Clips(Arc::new(opened)), bad))
    }

    /// Clips with these features, whatever is in their files.
    #[cfg(test)]
    pub(crate) fn of_features(clips: Vec<Clip>, ear: Ear, features: Vec<Features>) -> Clips {
        let (hashes, keys) = (vec![[0; 32]; clips.len()], vec![None; clips.len()]);
        let kept = features.into_iter().map(Some).collect();
        Clips(Arc::new(Opened { clips, hashes, ear, kept, cache: None, keys }))
    }

    /// The clips that can be used, in the dataset's order.
    pub fn clips(&self) -> &[Clip] {
        &self.0.clips
    }

    /// SHA-256 of a clip's sound file, in hexadecimal digits.
    pub fn sha256(&self, row: usize) -> String {
        self.0.hashes[row].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The clips of `rows`, padded to the longest of them.
    ///
    /// # Errors
    /// When a file that was fine before cannot be read now.
    pub(crate) fn batch(&self, rows: &[usize]) -> Result<Batch, Error> {
        self.0.batch(rows)
    }
}

impl Opened {
    /// With `most_kept` bytes of features in memory; and the clips that cannot be used.
    fn new(
        most_kept: usize,
        all: Vec<Clip>,
        ear: Ear,
        cache: Option<Cache>,
        report: &Report,
    ) -> (Opened, Vec<BadClip>) {
        let (kept_bytes, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let settings = ear.settings();
        let heard: Vec<Result<Checked, ErrorKind>> = all
            .par_iter()
            .map(|clip| {
                if report.is_unwanted() {
                    return Err(ErrorKind::Interrupted);
                }
                let heard = Heard::of(clip, &ear, cache.as_ref(), &settings).map(|heard| {
                    let bytes = size_of_val(heard.features.data.as_slice());
                    let fits = kept_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes <= most_kept;
                    let features = fits.then_some(heard.features);
                    Checked { features, hash: heard.hash, key: heard.key, cached: heard.cached }
                });
                report.done(done.fetch_add(1, Ordering::Relaxed) + 1);
                heard
            })
            .collect();
        if let Some(cache) = cache.as_ref().filter(|_| !report.is_unwanted()) {
            // Now that all have been looked up, the cache knows which of its files this run has no use for.
            heard.par_iter().for_each(|heard| {
                if let Ok(Checked { features: Some(features), key: Some(key), cached: false, .. }) = heard {
                    cache.put(key, features, MayRemove::Yes);
                }
            });
            let (found, made) = (cache.hits(), cache.misses());
            tracing::debug!("features: {found} found in the cache, {made} made");
        }
        let mut opened = Opened { clips: vec![], hashes: vec![], ear, kept: vec![], cache, keys: vec![] };
        let mut bad = Vec::new();
        for (clip, heard) in all.into_iter().zip(heard) {
            match heard {
                Ok(Checked { features, hash, key, .. }) => {
                    opened.clips.push(clip);
                    opened.hashes.push(hash);
                    opened.kept.push(features);
                    opened.keys.push(key);
                }
                Err(kind) => bad.push(BadClip { path: clip.place(), why: why(&kind) }),
            }
        }
        (opened, bad)
    }

    /// The features of a clip that memory has no room for.
    fn again(&self, row: usize) -> Result<Features, Error> {
        let clip = &self.clips[row];
        let doing = || format!("cannot use `{}` any more", clip.path.display());
        let (Some(cache), Some(key)) = (&self.cache, &self.keys[row]) else {
            return self.ear.hear(clip).while_(doing);
        };
        if let Some(features) = cache.get(key) {
            return Ok(features);
        }
        // Under the name of what the file is now: it may have been written to since.
        let before = stamp(clip);
        let hash = hash_of(&clip.bytes().while_(doing)?);
        let key = Key::new(&hash, &clip.name, &self.ear.settings());
        let heard = Heard::made(clip, &self.ear, Some(cache), hash, Some(key), before, MayRemove::Yes);
        Ok(heard.while_(doing)?.features)
    }

    fn batch(&self, rows: &[usize]) -> Result<Batch, Error> {
        let heard: Vec<Cow<'_, Features>> = rows
            .par_iter()
            .map(|&row| match &self.kept[row] {
                Some(features) => Ok(Cow::Borrowed(features)),
                None => self.again(row).map(Cow::Owned),
            })
            .collect::<Result<_, Error>>()?;
        let labels = rows.iter().map(|&row| self.clips[row].label.index()).collect();
        let features = match &self.ear.preprocessor {
            Preprocessor::Wav2Vec2(extractor) => {
                let samples: Vec<&[f32]> = heard.iter().map(|features| features.data.as_slice()).collect();
                // The network counts a clip's samples from the left. (The reference's does, too, and hears the padding of
                // one that its collator pads on the left.)
                let extractor = Wav2Vec2Extractor { padding_side: PaddingSide::Right, ..extractor.clone() };
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

/// A clip that has been heard.
struct Heard {
    features: Features,
    hash: Hash,
    /// What it is called in the cache; `None` without one, or when the file changed meanwhile.
    key: Option<Key>,
    /// Whether the cache has the features.
    cached: bool,
}

impl Heard {
    /// From the cache, or else made and kept there, if that takes nothing out of it.
    fn of(clip: &Clip, ear: &Ear, cache: Option<&Cache>, settings: &str) -> Result<Heard, ErrorKind> {
        let before = stamp(clip);
        let hash = hash_of(&clip.bytes()?);
        let key = cache.map(|_| Key::new(&hash, &clip.name, settings));
        if let (Some(cache), Some(key)) = (cache, key)
            && let Some(features) = cache.get(&key)
        {
            return Ok(Heard { features, hash, key: Some(key), cached: true });
        }
        Heard::made(clip, ear, cache, hash, key, before, MayRemove::No)
    }

    /// Made of the file, and kept under `key`.
    fn made(
        clip: &Clip,
        ear: &Ear,
        cache: Option<&Cache>,
        hash: Hash,
        key: Option<Key>,
        before: Option<Stamp>,
        may_remove: MayRemove,
    ) -> Result<Heard, ErrorKind> {
        let features = ear.hear(clip)?;
        // The file is read once for its hash and once to be heard: what was written to it in between is neither.
        let key = key.filter(|_| stamp(clip) == before);
        let cached = match (cache, &key) {
            (Some(cache), Some(key)) => cache.put(key, &features, may_remove),
            _ => false,
        };
        Ok(Heard { features, hash, key, cached })
    }
}

/// What stays of a clip that has been heard.
struct Checked {
    /// While memory lasts.
    features: Option<Features>,
    hash: Hash,
    /// What it is called in the cache.
    key: Option<Key>,
    /// Whether the cache has the features.
    cached: bool,
}

/// Why a clip cannot be used, without its path: that stands before it.
fn why(kind: &ErrorKind) -> String {
    match kind {
        ErrorKind::Data(error) => match &error.kind {
            earmark_data::ErrorKind::Audio(error) => chain(&error.kind),
            kind => chain(kind),
        },
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

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::thread;

    use earmark_audio::{Downmix, WavFormat, Waveform, write_wav};
    use earmark_testkit::{noise, tone};

    use super::*;

    const WAV2VEC2: &str = r#"{"feature_extractor_type": "Wav2Vec2FeatureExtractor"}"#;
    const AST: &str = r#"{"feature_extractor_type": "ASTFeatureExtractor", "max_length": 64}"#;
    const WHISPER: &str = r#"{"feature_extractor_type": "WhisperFeatureExtractor", "chunk_length": 2}"#;

    /// A folder with `data/`, six clips of two classes at 22 050 Hz, and a place for a cache.
    struct Place(tempfile::TempDir);

    impl Place {
        fn new() -> Place {
            let place = Place(tempfile::tempdir().unwrap());
            for i in 0..3u32 {
                place.write(&format!("hiss/{i}.wav"), noise(9_000 + 500 * i as usize, i.into()));
                place.write(&format!("hum/{i}.wav"), tone(100.0 + f64::from(i), 0.4, 22_050));
            }
            place
        }

        fn write(&self, name: &str, samples: Vec<f32>) {
            let path = self.data().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let clip = Waveform::new(samples, SampleRate::new(22_050).unwrap()).unwrap();
            write_wav(path, &clip, WavFormat::Pcm16).unwrap();
        }

        fn data(&self) -> PathBuf {
            self.0.path().join("data")
        }

        /// The cache as another process would open it.
        fn cache(&self) -> Cache {
            Cache::new(self.0.path().join("cache"), Cache::LIMIT)
        }

        /// Every file of the cache, sorted.
        fn cached(&self) -> Vec<PathBuf> {
            let list = |dir: &Path| fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
            let mut files: Vec<_> =
                list(&self.0.path().join("cache/features")).flat_map(|folder| list(&folder)).collect();
            files.sort();
            files
        }

        #[track_caller]
        fn open(&self, ear: Ear, cache: Option<&Cache>) -> Clips {
            self.open_keeping(KEPT_BYTES, ear, cache)
        }

        #[track_caller]
        fn open_keeping(&self, most_kept: usize, ear: Ear, cache: Option<&Cache>) -> Clips {
            let clips = AudioDataset::open_folder(self.data()).unwrap().clips;
            let cache = cache.cloned();
            let work = move |report: &Report| Opened::new(most_kept, clips, ear, cache, report);
            let opened = unless_stopped(&AtomicBool::new(false), &mut |_| (), work);
            let (opened, bad) = opened.unwrap();
            assert!(bad.is_empty(), "{bad:?}");
            Clips(Arc::new(opened))
        }
    }

    fn ear(extractor: &str) -> Ear {
        Ear {
            preprocessor: Preprocessor::from_json(extractor).unwrap(),
            resampler: Resampler::Hq,
            decode: DecodeOptions::default(),
            max_samples: Some(6_000),
            min_samples: 400,
        }
    }

    /// The bits of a batch of all six clips.
    fn bits(clips: &Clips) -> Vec<u32> {
        let (BatchFeatures::Waveforms { values, .. } | BatchFeatures::Spectrograms { values, .. }) =
            clips.batch(&[0, 1, 2, 3, 4, 5]).unwrap().features;
        values.iter().map(|x| x.to_bits()).collect()
    }

    #[test]
    fn a_second_run_decodes_nothing_and_hears_the_same_bit_for_bit() {
        let place = Place::new();
        for (round, extractor) in [WAV2VEC2, AST, WHISPER].into_iter().enumerate() {
            let want = bits(&place.open(ear(extractor), None));
            let (first, second) = (place.cache(), place.cache());
            assert_eq!(bits(&place.open(ear(extractor), Some(&first))), want);
            assert_eq!((first.hits(), first.misses()), (0, 6));
            assert_eq!(bits(&place.open(ear(extractor), Some(&second))), want);
            assert_eq!((second.hits(), second.misses()), (6, 0));
            assert_eq!(place.cached().len(), 6 * (round + 1));
        }
    }

    #[test]
    fn an_epoch_that_memory_has_no_room_for_reads_the_cache_and_not_the_sounds() {
        let place = Place::new();
        let want = bits(&place.open(ear(WAV2VEC2), None));
        let cache = place.cache();
        let without = place.open_keeping(0, ear(WAV2VEC2), None);
        let with = place.open_keeping(0, ear(WAV2VEC2), Some(&cache));
        fs::remove_dir_all(place.data()).unwrap();
        assert!(without.batch(&[0]).is_err());
        assert_eq!(bits(&with), want);
        assert_eq!((cache.hits(), cache.misses()), (6, 6));
    }

    #[test]
    fn a_file_of_the_cache_that_goes_during_a_run_is_made_again() {
        let place = Place::new();
        let cache = place.cache();
        let clips = place.open_keeping(0, ear(AST), Some(&cache));
        let want = bits(&clips);
        for file in place.cached() {
            fs::remove_file(file).unwrap();
        }
        assert_eq!(bits(&clips), want);
        assert_eq!(place.cached().len(), 6);
        assert_eq!((cache.hits(), cache.misses()), (6, 12));
    }

    #[test]
    fn another_sound_under_the_same_name_is_heard() {
        let place = Place::new();
        place.open(ear(WAV2VEC2), Some(&place.cache()));
        place.write("hum/1.wav", tone(500.0, 0.4, 22_050));
        let cache = place.cache();
        let clips = place.open(ear(WAV2VEC2), Some(&cache));
        assert_eq!((cache.hits(), cache.misses()), (5, 1));
        assert_eq!(bits(&clips), bits(&place.open(ear(WAV2VEC2), None)));
    }

    #[test]
    fn every_setting_of_the_ear_is_part_of_the_key() {
        let place = Place::new();
        let usual = || ear(WAV2VEC2);
        place.open(usual(), Some(&place.cache()));
        let plain = r#"{"feature_extractor_type": "Wav2Vec2FeatureExtractor", "do_normalize": false}"#;
        let short = std::time::Duration::from_secs(60);
        for other in [
            ear(plain),
            Ear { resampler: Resampler::Torchaudio, ..usual() },
            Ear { decode: DecodeOptions { downmix: Downmix::Left, ..DecodeOptions::default() }, ..usual() },
            Ear { decode: DecodeOptions { max_duration: short, ..DecodeOptions::default() }, ..usual() },
            Ear { max_samples: Some(5_999), ..usual() },
            Ear { max_samples: None, ..usual() },
            Ear { min_samples: 401, ..usual() },
        ] {
            let cache = place.cache();
            let clips = place.open(other.clone(), Some(&cache));
            assert_eq!((cache.hits(), cache.misses()), (0, 6), "{other:?}");
            assert_eq!(bits(&clips), bits(&place.open(other, None)));
        }
        let cache = place.cache();
        place.open(usual(), Some(&cache));
        assert_eq!((cache.hits(), cache.misses()), (6, 0));
    }

    #[test]
    fn damaged_and_cut_files_are_made_again() {
        let place = Place::new();
        let want = bits(&place.open(ear(WHISPER), Some(&place.cache())));
        for (i, file) in place.cached().iter().enumerate() {
            let mut bytes = fs::read(file).unwrap();
            match i % 3 {
                0 => bytes.truncate(bytes.len() / 2),
                1 => bytes.clear(),
                _ => *bytes.last_mut().unwrap() ^= 1,
            }
            fs::write(file, bytes).unwrap();
        }
        let (again, after) = (place.cache(), place.cache());
        assert_eq!(bits(&place.open(ear(WHISPER), Some(&again))), want);
        assert_eq!((again.hits(), again.misses()), (0, 6));
        place.open(ear(WHISPER), Some(&after));
        assert_eq!((after.hits(), after.misses()), (6, 0));
    }

    #[test]
    fn runs_at_once_share_a_cache_and_hear_the_same() {
        let place = Place::new();
        let want = bits(&place.open(ear(AST), None));
        thread::scope(|scope| {
            let run = || scope.spawn(|| bits(&place.open(ear(AST), Some(&place.cache()))));
            for run in [run(), run(), run(), run()] {
                assert_eq!(run.join().unwrap(), want);
            }
        });
        let cache = place.cache();
        place.open(ear(AST), Some(&cache));
        assert_eq!((cache.hits(), cache.misses(), place.cached().len()), (6, 0, 6));
    }

    #[test]
    fn a_run_larger_than_the_cache_finds_again_what_fitted() {
        let place = Place::new();
        // 6 000 numbers and a header are one file; two and a half fit.
        let dir = place.0.path().join("cache");
        let cache = || Cache::new(&dir, 60_000);
        let want = bits(&place.open(ear(WAV2VEC2), Some(&cache())));
        let kept = place.cached();
        assert_eq!(kept.len(), 2);
        for _ in 0..3 {
            let again = cache();
            assert_eq!(bits(&place.open(ear(WAV2VEC2), Some(&again))), want);
            assert_eq!((again.hits(), again.misses()), (2, 4));
            assert_eq!(place.cached(), kept);
        }
    }

    #[test]
    fn another_datasets_files_make_room_for_this_one() {
        let (old, new) = (Place::new(), Place::new());
        new.write("hum/0.wav", tone(900.0, 0.4, 22_050));
        let dir = old.0.path().join("cache");
        let cache = || Cache::new(&dir, 6 * 24_100);
        old.open(ear(WAV2VEC2), Some(&cache()));
        // Five of the clips are the same sounds under the same names; the sixth takes the place of the one nobody wants.
        let second = cache();
        new.open(ear(WAV2VEC2), Some(&second));
        assert_eq!((second.hits(), second.misses(), old.cached().len()), (5, 1, 6));
        let third = cache();
        new.open(ear(WAV2VEC2), Some(&third));
        assert_eq!((third.hits(), third.misses()), (6, 0));
    }

    #[test]
    fn a_cache_that_cannot_be_written_is_done_without() {
        let place = Place::new();
        let want = bits(&place.open(ear(WAV2VEC2), None));
        let file = place.0.path().join("file");
        fs::write(&file, "in the way of a folder").unwrap();
        let cache = Cache::new(&file, Cache::LIMIT);
        assert_eq!(bits(&place.open(ear(WAV2VEC2), Some(&cache))), want);
        assert_eq!((cache.hits(), cache.misses()), (0, 6));
    }

    #[cfg(unix)]
    #[test]
    fn a_cache_that_is_read_only_still_serves() {
        use std::os::unix::fs::PermissionsExt as _;
        let place = Place::new();
        let want = bits(&place.open(ear(WAV2VEC2), Some(&place.cache())));
        let files = place.cached();
        let folders = files.iter().map(|file| file.parent().unwrap());
        let all: Vec<&Path> = files.iter().map(PathBuf::as_path).chain(folders).collect();
        let set = |folder, file| {
            for path in &all {
                let mode = if path.is_dir() { folder } else { file };
                fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
            }
        };
        set(0o555, 0o444);
        let cache = place.cache();
        let got = bits(&place.open(ear(WAV2VEC2), Some(&cache)));
        set(0o755, 0o644);
        assert_eq!(got, want);
        assert_eq!((cache.hits(), cache.misses()), (6, 0));
    }

    #[test]
    fn a_clip_too_loud_for_floats_is_named_whatever_the_extractor() {
        let place = Place::new();
        let mut samples = tone(200.0, 0.4, 22_050);
        samples[4_410] = -1e30;
        let clip = Waveform::new(samples, SampleRate::new(22_050).unwrap()).unwrap();
        write_wav(place.data().join("hum/spike.wav"), &clip, WavFormat::Float32).unwrap();
        let dataset = AudioDataset::open_folder(place.data()).unwrap();
        for extractor in [WAV2VEC2, AST, WHISPER] {
            // Not even a cache that has it.
            for _ in 0..2 {
                let stop = AtomicBool::new(false);
                let cache = Some(place.cache());
                let opened = Clips::open(&dataset, ear(extractor), cache, true, &mut |_| (), &stop);
                let (clips, bad) = opened.unwrap();
                assert_eq!((clips.clips().len(), bad.len()), (6, 1), "{bad:?}");
                assert!(bad[0].path.ends_with("hum/spike.wav"), "{bad:?}");
                assert!(bad[0].why.contains("-1e30") && bad[0].why.contains("0.200 s"), "{bad:?}");
            }
        }
    }

    #[test]
    fn a_clip_is_known_by_the_hash_of_its_file() {
        let place = Place::new();
        for cache in [None, Some(place.cache())] {
            let clips = place.open(ear(WAV2VEC2), cache.as_ref());
            for (row, clip) in clips.clips().iter().enumerate() {
                let digest = Sha256::digest(fs::read(&clip.path).unwrap());
                let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
                assert_eq!(clips.sha256(row), hex);
            }
        }
    }

    #[test]
    fn opening_stops_when_it_is_asked_to() {
        let place = Place::new();
        let dataset = AudioDataset::open_folder(place.data()).unwrap();
        let stop = AtomicBool::new(true);
        let error = Clips::open(&dataset, ear(AST), None, true, &mut |_| (), &stop).unwrap_err();
        assert!(matches!(*error.kind, ErrorKind::Interrupted), "{error:?}");
    }

    #[test]
    fn a_bad_clip_is_refused_every_time() {
        let place = Place::new();
        fs::write(place.data().join("hum/1.wav"), "no sound at all").unwrap();
        place.write("hum/2.wav", vec![0.1; 40]); // Too short for a frame.
        let dataset = AudioDataset::open_folder(place.data()).unwrap();
        for _ in 0..2 {
            let cache = Some(place.cache());
            let stop = AtomicBool::new(false);
            let opened = Clips::open(&dataset, ear(WAV2VEC2), cache, true, &mut |_| (), &stop);
            let (clips, bad) = opened.unwrap();
            assert_eq!((clips.clips().len(), bad.len()), (4, 2));
        }
        assert_eq!(place.cached().len(), 4);
    }
}
