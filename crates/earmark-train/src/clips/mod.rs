//! The clips of a run as the model takes them, in memory, in the cache, or prepared again.

pub(crate) mod prepare; // Read first: one clip's way from file to features.
pub(crate) mod prepared;
pub(crate) mod batch;
pub(crate) mod augment;
pub(crate) mod cache;
pub(crate) mod conflicts;
pub(crate) mod targets;
pub(crate) mod stream;

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use earmark_data::{AudioDataset, Clip};
use earmark_error::{Attempt as _, Context as _, chain};
use earmark_features::Features;
use rayon::prelude::*;

use crate::background::{Worker, run_cancellable};
use crate::clips::augment::{Augment, Draw};
use crate::clips::batch::{Batch, Mix};
use crate::clips::cache::{Cache, Key, MayRemove};
use crate::clips::prepare::Preparation;
use crate::clips::prepared::{Hash, PreparedClip, hash_of, stamp};
use crate::error::{BadClip, Doing, Error, ErrorKind};

/// Prepared clips of a dataset: decoded, resampled, cut, normalised. Clones share everything.
#[derive(Debug, Clone)]
pub struct Clips(Arc<Opened>);

#[derive(Debug)]
struct Opened {
    clips: Vec<Clip>,
    preparation: Preparation,
    /// [`Preparation::settings`], once.
    settings: String,
    cache: Option<Cache>,
    /// Bytes of features to keep in memory at most, and those of the clips prepared so far.
    most_kept: usize,
    kept_bytes: AtomicUsize,
    /// What is known of each clip that has been prepared, or why it cannot be used.
    known: Vec<OnceLock<Result<Known, String>>>,
}

/// What is kept of a prepared clip.
#[derive(Debug)]
struct Known {
    /// SHA-256 of its sound file.
    hash: Hash,
    /// Its key in the cache; `None` without one.
    key: Option<Key>,
    /// Numbers of its features: for clips of several lengths what their length is.
    length: usize,
    /// Those of the first clips, as many as fit into memory; those of the others are read from the cache for each batch, or
    /// made again.
    features: Option<Features>,
}

/// Enough for every clip of GTZAN at 30 s and 16 kHz (1.9 GB): then nothing is decoded twice.
const KEPT_BYTES: usize = 2 << 30;

impl Clips {
    /// Decodes every clip and extracts its features once, so that a bad clip is found now and not in the third epoch. Clips in
    /// `cache` are not decoded; the others are added to it.
    ///
    /// Returns the clips, and those that `skip_bad` skipped. `progress` gets the number of clips done.
    ///
    /// # Errors
    /// [`ErrorKind::BadClips`] with every clip that cannot be used, unless `skip_bad` is set; [`ErrorKind::Interrupted`] as soon
    /// as `stop` is set.
    pub fn open(
        dataset: &AudioDataset,
        preparation: Preparation,
        cache: Option<Cache>,
        skip_bad: bool,
        progress: &mut dyn FnMut(usize),
        stop: &AtomicBool,
    ) -> Result<(Clips, Vec<BadClip>), Error> {
        Clips::open_keeping(KEPT_BYTES, dataset, preparation, cache, skip_bad, progress, stop)
    }

    /// The same, with at most so many bytes of features in memory.
    pub(crate) fn open_keeping(
        most_kept: usize,
        dataset: &AudioDataset,
        preparation: Preparation,
        cache: Option<Cache>,
        skip_bad: bool,
        progress: &mut dyn FnMut(usize),
        stop: &AtomicBool,
    ) -> Result<(Clips, Vec<BadClip>), Error> {
        let clips = dataset.clips.clone();
        let work = move |worker: &Worker| Opened::checked(most_kept, clips, preparation, cache, worker);
        let doing = || Doing(format!("cannot use the clips in `{}`", dataset.root.display()));
        let (opened, bad) = run_cancellable(stop, progress, work).with_context(doing)?;
        if !bad.is_empty() && !skip_bad {
            return Err(ErrorKind::BadClips(bad)).with_context(doing);
        }
        Ok((Clips(Arc::new(opened)), bad))
    }

    /// All clips of the dataset, each decoded when it is first used.
    pub(crate) fn lazily(
        most_kept: usize,
        dataset: &AudioDataset,
        preparation: Preparation,
        cache: Option<Cache>,
    ) -> Clips {
        Clips(Arc::new(Opened::new(most_kept, dataset.clips.clone(), preparation, cache)))
    }

    /// Decodes the clips of `rows`, and returns those that cannot be used. `progress` gets the number of clips done.
    ///
    /// # Errors
    /// [`ErrorKind::Interrupted`] as soon as `stop` is set.
    pub(crate) fn check(
        &self,
        rows: Vec<usize>,
        progress: &mut dyn FnMut(usize),
        stop: &AtomicBool,
    ) -> Result<Vec<(usize, BadClip)>, ErrorKind> {
        let opened = Arc::clone(&self.0);
        run_cancellable(stop, progress, move |worker| {
            let done = AtomicUsize::new(0);
            let check = |&row: &usize| {
                if worker.is_cancelled() {
                    return None;
                }
                let bad = opened.prepared(row).err();
                worker.report(done.fetch_add(1, Ordering::Relaxed) + 1);
                Some((row, opened.bad(row, bad?)))
            };
            rows.par_iter().filter_map(check).collect()
        })
    }

    /// Those of `rows` that can be used, and those others that nothing was known of before.
    pub(crate) fn usable(&self, rows: &[usize]) -> (Vec<usize>, Vec<BadClip>) {
        let opened = &*self.0;
        let prepared: Vec<_> = rows
            .par_iter()
            .map(|&row| {
                let is_new = opened.known[row].get().is_none();
                let bad = opened.prepared(row).err();
                (row, bad.map(|why| is_new.then(|| opened.bad(row, why))))
            })
            .collect();
        let usable = prepared.iter().filter(|(_, bad)| bad.is_none()).map(|(row, _)| *row).collect();
        (usable, prepared.into_iter().filter_map(|(_, bad)| bad?).collect())
    }

    /// Clips with these features, whatever is in their files.
    #[cfg(test)]
    pub(crate) fn of_features(clips: Vec<Clip>, preparation: Preparation, features: Vec<Features>) -> Clips {
        let opened = Opened::new(usize::MAX, clips, preparation, None);
        for (row, features) in features.into_iter().enumerate() {
            opened.keep(row, PreparedClip { features, hash: [0; 32], key: None, cached: false });
        }
        Clips(Arc::new(opened))
    }

    /// The clips that can be used, in the dataset's order.
    pub fn clips(&self) -> &[Clip] {
        &self.0.clips
    }

    /// SHA-256 of a clip's sound file, in hexadecimal digits; empty for one that has not been decoded yet.
    pub fn sha256(&self, row: usize) -> String {
        self.hash(row).map(|hash| hash.iter().map(|byte| format!("{byte:02x}")).collect()).unwrap_or_default()
    }

    pub(crate) fn hash(&self, row: usize) -> Option<&Hash> {
        Some(&self.0.known(row)?.hash)
    }

    /// How long a clip is beside the others; 0 for one that has not been decoded yet.
    pub(crate) fn length(&self, row: usize) -> usize {
        self.0.known(row).map_or(0, |known| known.length)
    }

    /// The clips of `rows`, padded to the longest of them.
    ///
    /// # Errors
    /// When a file that was fine before cannot be read now.
    pub(crate) fn batch(&self, rows: &[usize]) -> Result<Batch, Error> {
        self.0.batch(rows)
    }

    /// The windows of each clip of `rows`, decoded anew.
    ///
    /// # Errors
    /// As [`batch`](Self::batch).
    pub(crate) fn windows(&self, rows: &[usize]) -> Result<Vec<Vec<Features>>, Error> {
        let Opened { clips, preparation, .. } = &*self.0;
        let of_clip = |&row: &usize| {
            let doing = || Doing(format!("cannot read `{}` again", clips[row].path.display()));
            preparation.windows(&clips[row]).with_context(doing)
        };
        rows.par_iter().map(of_clip).collect()
    }

    /// How the clips were prepared.
    pub(crate) fn preparation(&self) -> &Preparation {
        &self.0.preparation
    }

    /// Clips of the training part as `augment` changes them; `train` are its rows.
    ///
    /// # Errors
    /// As [`batch`](Self::batch).
    pub(crate) fn augmented(
        &self,
        draws: &[Draw],
        augment: &Augment,
        train: &[usize],
    ) -> Result<Batch, Error> {
        let Opened { clips, preparation, .. } = &*self.0;
        let class = |row: usize| clips[row].label.index();
        let whole = |row: usize| preparation.waveform(&clips[row]);
        let made = draws.par_iter().map(|&draw| {
            let doing = || Doing(format!("cannot read `{}` again", clips[draw.row].path.display()));
            augment.features(preparation, draw, train, class, whole).with_context(doing)
        });
        let made: Vec<(Features, Mix)> = made.collect::<Result<_, Error>>()?;
        let (features, mixes): (Vec<_>, Vec<_>) =
            made.into_iter().map(|(features, mix)| (Cow::Owned(features), mix)).unzip();
        let labels = draws.iter().map(|draw| class(draw.row)).collect();
        let batch = Batch::new(&preparation.preprocessor, &features, labels);
        let batch = batch.with_context(|| Doing("cannot make a batch".to_owned()))?;
        Ok(Batch { mixes: if augment.mixes() { mixes } else { Vec::new() }, ..batch })
    }
}

impl Opened {
    /// Keeps at most `most_kept` bytes of features in memory.
    fn new(most_kept: usize, clips: Vec<Clip>, preparation: Preparation, cache: Option<Cache>) -> Opened {
        Opened {
            settings: preparation.settings(),
            kept_bytes: AtomicUsize::new(0),
            known: clips.iter().map(|_| OnceLock::new()).collect(),
            clips,
            preparation,
            cache,
            most_kept,
        }
    }

    /// The same of clips that are decoded now. Also returns those that cannot be used, and are left out.
    fn checked(
        most_kept: usize,
        all: Vec<Clip>,
        preparation: Preparation,
        cache: Option<Cache>,
        worker: &Worker,
    ) -> (Opened, Vec<BadClip>) {
        let mut opened = Opened::new(most_kept, all, preparation, cache);
        let done = AtomicUsize::new(0);
        let rows = 0..opened.clips.len();
        let new: Vec<usize> = rows
            .into_par_iter()
            .filter(|&row| {
                let is_cached = !worker.is_cancelled() && opened.prepare(row).unwrap_or(true);
                worker.report(done.fetch_add(1, Ordering::Relaxed) + 1);
                !is_cached
            })
            .collect();
        if let Some(cache) = opened.cache.as_ref().filter(|_| !worker.is_cancelled()) {
            // Every clip has been looked up, so the cache knows which of its files this run does not use and may remove.
            new.par_iter().for_each(|&row| {
                if let Some(Known { features: Some(features), key: Some(key), .. }) = opened.known(row) {
                    cache.put(key, features, MayRemove::Yes);
                }
            });
            let (found, made) = (cache.hits(), cache.misses());
            tracing::debug!("features: {found} found in the cache, {made} made");
        }
        let (clips, known) = (std::mem::take(&mut opened.clips), std::mem::take(&mut opened.known));
        let mut bad = Vec::new();
        for (clip, known) in clips.into_iter().zip(known) {
            match known.get() {
                Some(Err(why)) => bad.push(BadClip { path: clip.location(), why: why.clone() }),
                _ => {
                    opened.clips.push(clip);
                    opened.known.push(known);
                }
            }
        }
        (opened, bad)
    }

    /// What is known of a clip that can be used.
    fn known(&self, row: usize) -> Option<&Known> {
        self.known[row].get()?.as_ref().ok()
    }

    fn bad(&self, row: usize, why: &str) -> BadClip {
        BadClip { path: self.clips[row].location(), why: why.to_owned() }
    }

    /// Keeps what is known of a clip, with its features if memory has room for them.
    fn keep(&self, row: usize, prepared: PreparedClip) {
        let PreparedClip { features, hash, key, .. } = prepared;
        let (bytes, length) = (size_of_val(features.data.as_slice()), features.data.len());
        let fits = self.kept_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes <= self.most_kept;
        // Where two threads come here with the same clip, either may be first.
        let _ = self.known[row].set(Ok(Known { hash, key, length, features: fits.then_some(features) }));
    }

    /// Prepares a clip that nothing is known of yet. Returns whether the cache has it; an error is remembered.
    fn prepare(&self, row: usize) -> Result<bool, String> {
        let prepared =
            PreparedClip::open(&self.clips[row], &self.preparation, self.cache.as_ref(), &self.settings);
        let prepared = prepared.map_err(|kind| why(&kind));
        match prepared {
            Ok(prepared) => {
                let cached = prepared.cached;
                self.keep(row, prepared);
                Ok(cached)
            }
            Err(why) => {
                let _ = self.known[row].set(Err(why.clone()));
                Err(why)
            }
        }
    }

    /// What is known of a clip, which is decoded if nothing is, or why it cannot be used.
    fn prepared(&self, row: usize) -> Result<&Known, &str> {
        if self.known[row].get().is_none() {
            // Remembered as well.
            let _ = self.prepare(row);
        }
        let known = self.known[row].get().expect("just prepared");
        known.as_ref().map_err(String::as_str)
    }

    fn features(&self, row: usize) -> Result<Cow<'_, Features>, Error> {
        let known = self.prepared(row).map_err(|why| {
            let doing = Doing("cannot use a clip that training came to".to_owned());
            doing.failed(ErrorKind::BadClips(vec![self.bad(row, why)]))
        })?;
        match &known.features {
            Some(features) => Ok(Cow::Borrowed(features)),
            None => self.prepare_again(row, known.key).map(Cow::Owned),
        }
    }

    /// The features of a clip that is not kept in memory.
    fn prepare_again(&self, row: usize, key: Option<Key>) -> Result<Features, Error> {
        let clip = &self.clips[row];
        let doing = || Doing(format!("cannot read `{}` again", clip.path.display()));
        let (Some(cache), Some(key)) = (&self.cache, key) else {
            return self.preparation.prepare(clip).with_context(doing);
        };
        if let Some(features) = cache.get(&key) {
            return Ok(features);
        }
        // The file may have changed since, so it is hashed again.
        let before = stamp(clip);
        let hash = hash_of(&clip.bytes().with_context(doing)?);
        let key = Key::new(&hash, &clip.name, &self.settings);
        let prepared =
            PreparedClip::new(clip, &self.preparation, Some(cache), hash, Some(key), before, MayRemove::Yes);
        Ok(prepared.with_context(doing)?.features)
    }

    fn batch(&self, rows: &[usize]) -> Result<Batch, Error> {
        let prepared: Vec<Cow<'_, Features>> =
            rows.par_iter().map(|&row| self.features(row)).collect::<Result<_, Error>>()?;
        let labels = rows.iter().map(|&row| self.clips[row].label.index()).collect();
        Batch::new(&self.preparation.preprocessor, &prepared, labels)
            .with_context(|| Doing("cannot make a batch".to_owned()))
    }
}

/// Why a clip cannot be used, without its path.
pub(crate) fn why(kind: &ErrorKind) -> String {
    match kind {
        ErrorKind::Data(error) => chain(&error.kind),
        kind => chain(kind),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::thread;

    use earmark_audio::{DecodeOptions, Downmix, SampleRate, WavFormat, Waveform, write_wav};
    use earmark_features::{Preprocessor, Resampler};
    use earmark_testkit::{noise, tone};
    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::clips::batch::BatchFeatures;
    use crate::clips::conflicts::LabelConflict;

    const WAV2VEC2: &str = r#"{"feature_extractor_type": "Wav2Vec2FeatureExtractor"}"#;
    const AST: &str = r#"{"feature_extractor_type": "ASTFeatureExtractor", "max_length": 64}"#;
    const WHISPER: &str = r#"{"feature_extractor_type": "WhisperFeatureExtractor", "chunk_length": 2}"#;
    const SEAMLESS: &str = r#"{"feature_extractor_type": "SeamlessM4TFeatureExtractor"}"#;

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
        fn open(&self, preparation: Preparation, cache: Option<&Cache>) -> Clips {
            self.open_keeping(KEPT_BYTES, preparation, cache)
        }

        #[track_caller]
        fn open_keeping(&self, most_kept: usize, preparation: Preparation, cache: Option<&Cache>) -> Clips {
            let clips = AudioDataset::open_folder(self.data()).unwrap().clips;
            let cache = cache.cloned();
            let work = move |worker: &Worker| Opened::checked(most_kept, clips, preparation, cache, worker);
            let opened = run_cancellable(&AtomicBool::new(false), &mut |_| (), work);
            let (opened, bad) = opened.unwrap();
            assert!(bad.is_empty(), "{bad:?}");
            Clips(Arc::new(opened))
        }
    }

    fn preparation(extractor: &str) -> Preparation {
        Preparation {
            preprocessor: Preprocessor::from_json(extractor).unwrap(),
            resampler: Resampler::Hq,
            decode: DecodeOptions::default(),
            max_samples: Some(6_000),
            min_samples: 400,
        }
    }

    /// The bits of a batch of all six clips.
    fn bits(clips: &Clips) -> Vec<u32> {
        let values = match clips.batch(&[0, 1, 2, 3, 4, 5]).unwrap().features {
            BatchFeatures::Waveforms { values, .. } | BatchFeatures::Spectrograms { values, .. } => values,
            BatchFeatures::Frames(batch) => batch.input_features,
        };
        values.iter().map(|x| x.to_bits()).collect()
    }

    #[test]
    fn a_second_run_decodes_nothing_and_gets_the_same_features_bit_for_bit() {
        let place = Place::new();
        for (round, extractor) in [WAV2VEC2, AST, WHISPER, SEAMLESS].into_iter().enumerate() {
            let want = bits(&place.open(preparation(extractor), None));
            let (first, second) = (place.cache(), place.cache());
            assert_eq!(bits(&place.open(preparation(extractor), Some(&first))), want);
            assert_eq!((first.hits(), first.misses()), (0, 6));
            assert_eq!(bits(&place.open(preparation(extractor), Some(&second))), want);
            assert_eq!((second.hits(), second.misses()), (6, 0));
            assert_eq!(place.cached().len(), 6 * (round + 1));
        }
    }

    #[test]
    fn an_epoch_that_memory_has_no_room_for_reads_the_cache_and_not_the_sounds() {
        let place = Place::new();
        let want = bits(&place.open(preparation(WAV2VEC2), None));
        let cache = place.cache();
        let without = place.open_keeping(0, preparation(WAV2VEC2), None);
        let with = place.open_keeping(0, preparation(WAV2VEC2), Some(&cache));
        fs::remove_dir_all(place.data()).unwrap();
        assert!(without.batch(&[0]).is_err());
        assert_eq!(bits(&with), want);
        assert_eq!((cache.hits(), cache.misses()), (6, 6));
    }

    #[test]
    fn a_file_of_the_cache_that_goes_during_a_run_is_made_again() {
        let place = Place::new();
        let cache = place.cache();
        let clips = place.open_keeping(0, preparation(AST), Some(&cache));
        let want = bits(&clips);
        for file in place.cached() {
            fs::remove_file(file).unwrap();
        }
        assert_eq!(bits(&clips), want);
        assert_eq!(place.cached().len(), 6);
        assert_eq!((cache.hits(), cache.misses()), (6, 12));
    }

    #[test]
    fn another_sound_under_the_same_name_is_prepared_anew() {
        let place = Place::new();
        place.open(preparation(WAV2VEC2), Some(&place.cache()));
        place.write("hum/1.wav", tone(500.0, 0.4, 22_050));
        let cache = place.cache();
        let clips = place.open(preparation(WAV2VEC2), Some(&cache));
        assert_eq!((cache.hits(), cache.misses()), (5, 1));
        assert_eq!(bits(&clips), bits(&place.open(preparation(WAV2VEC2), None)));
    }

    #[test]
    fn every_setting_of_the_preparation_is_part_of_the_key() {
        let place = Place::new();
        let usual = || preparation(WAV2VEC2);
        place.open(usual(), Some(&place.cache()));
        let plain = r#"{"feature_extractor_type": "Wav2Vec2FeatureExtractor", "do_normalize": false}"#;
        let short = std::time::Duration::from_secs(60);
        for other in [
            preparation(plain),
            Preparation { resampler: Resampler::Torchaudio, ..usual() },
            Preparation {
                decode: DecodeOptions { downmix: Downmix::Left, ..DecodeOptions::default() },
                ..usual()
            },
            Preparation {
                decode: DecodeOptions { max_duration: short, ..DecodeOptions::default() },
                ..usual()
            },
            Preparation { max_samples: Some(5_999), ..usual() },
            Preparation { max_samples: None, ..usual() },
            Preparation { min_samples: 401, ..usual() },
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
        let want = bits(&place.open(preparation(WHISPER), Some(&place.cache())));
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
        assert_eq!(bits(&place.open(preparation(WHISPER), Some(&again))), want);
        assert_eq!((again.hits(), again.misses()), (0, 6));
        place.open(preparation(WHISPER), Some(&after));
        assert_eq!((after.hits(), after.misses()), (6, 0));
    }

    #[test]
    fn runs_at_once_share_a_cache_and_get_the_same_features() {
        let place = Place::new();
        let want = bits(&place.open(preparation(AST), None));
        thread::scope(|scope| {
            let run = || scope.spawn(|| bits(&place.open(preparation(AST), Some(&place.cache()))));
            for run in [run(), run(), run(), run()] {
                assert_eq!(run.join().unwrap(), want);
            }
        });
        let cache = place.cache();
        place.open(preparation(AST), Some(&cache));
        assert_eq!((cache.hits(), cache.misses(), place.cached().len()), (6, 0, 6));
    }

    #[test]
    fn a_run_larger_than_the_cache_finds_again_what_fitted() {
        let place = Place::new();
        // 6 000 numbers and a header are one file; two and a half fit.
        let dir = place.0.path().join("cache");
        let cache = || Cache::new(&dir, 60_000);
        let want = bits(&place.open(preparation(WAV2VEC2), Some(&cache())));
        let kept = place.cached();
        assert_eq!(kept.len(), 2);
        for _ in 0..3 {
            let again = cache();
            assert_eq!(bits(&place.open(preparation(WAV2VEC2), Some(&again))), want);
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
        old.open(preparation(WAV2VEC2), Some(&cache()));
        // Five of the clips are the same sounds under the same names; the sixth replaces the one that no clip asks for.
        let second = cache();
        new.open(preparation(WAV2VEC2), Some(&second));
        assert_eq!((second.hits(), second.misses(), old.cached().len()), (5, 1, 6));
        let third = cache();
        new.open(preparation(WAV2VEC2), Some(&third));
        assert_eq!((third.hits(), third.misses()), (6, 0));
    }

    #[test]
    fn a_cache_that_cannot_be_written_is_done_without() {
        let place = Place::new();
        let want = bits(&place.open(preparation(WAV2VEC2), None));
        let file = place.0.path().join("file");
        fs::write(&file, "in the way of a folder").unwrap();
        let cache = Cache::new(&file, Cache::LIMIT);
        assert_eq!(bits(&place.open(preparation(WAV2VEC2), Some(&cache))), want);
        assert_eq!((cache.hits(), cache.misses()), (0, 6));
    }

    #[cfg(unix)]
    #[test]
    fn a_cache_that_is_read_only_still_serves() {
        use std::os::unix::fs::PermissionsExt as _;
        let place = Place::new();
        let want = bits(&place.open(preparation(WAV2VEC2), Some(&place.cache())));
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
        let got = bits(&place.open(preparation(WAV2VEC2), Some(&cache)));
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
                let opened = Clips::open(&dataset, preparation(extractor), cache, true, &mut |_| (), &stop);
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
            let clips = place.open(preparation(WAV2VEC2), cache.as_ref());
            for (row, clip) in clips.clips().iter().enumerate() {
                let digest = Sha256::digest(fs::read(&clip.path).unwrap());
                let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
                assert_eq!(clips.sha256(row), hex);
            }
        }
    }

    #[test]
    fn a_sound_with_two_labels_is_reported_once_with_both() {
        let place = Place::new();
        for name in ["hiss/copy.wav", "hum/a copy.wav", "hum/b copy.wav"] {
            fs::copy(place.data().join("hiss/0.wav"), place.data().join(name)).unwrap();
        }
        let clips = place.open(preparation(WAV2VEC2), None);
        let pair = |a: &str, b: &str| [a.to_owned(), b.to_owned()];
        let conflicts = clips.label_conflicts(&pair("hiss", "hum"));
        let want = LabelConflict { clips: pair("hiss/0.wav", "hum/a copy.wav"), labels: pair("hiss", "hum") };
        assert_eq!(conflicts, [want]);
    }

    #[test]
    fn opening_stops_when_it_is_asked_to() {
        let place = Place::new();
        let dataset = AudioDataset::open_folder(place.data()).unwrap();
        let stop = AtomicBool::new(true);
        let error = Clips::open(&dataset, preparation(AST), None, true, &mut |_| (), &stop).unwrap_err();
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
            let opened = Clips::open(&dataset, preparation(WAV2VEC2), cache, true, &mut |_| (), &stop);
            let (clips, bad) = opened.unwrap();
            assert_eq!((clips.clips().len(), bad.len()), (4, 2));
        }
        assert_eq!(place.cached().len(), 4);
    }
}
