//! An evaluation of any number of clips, a batch at a time.

use std::collections::VecDeque;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use earmark_data::{AudioDataset, Clip};
use earmark_error::Context as _;
use earmark_features::Features;

use crate::background::{Worker, run_cancellable};
use crate::clips::cache::Cache;
use crate::clips::prepare::Preparation;
use crate::clips::prepared::{Hash, PreparedClip};
use crate::clips::stream::ClipStream;
use crate::clips::why;
use crate::error::{BadClip, Doing, Error, ErrorKind};
use crate::evaluate::forward::Forward;

/// How the clips of a dataset are scored.
#[derive(Debug, Clone)]
pub struct ScoringOptions {
    /// How clips become features.
    pub preparation: Preparation,
    /// Where features are kept.
    pub cache: Option<Cache>,
    /// Clips of a batch, at least one.
    pub batch_size: usize,
    /// Leave out clips that cannot be used, instead of failing.
    pub skip_bad: bool,
    /// Whether a batch may take seconds, as on a CPU: it is then not waited for when a stop is requested.
    pub slow: bool,
}

/// The forward passes over clips of a dataset, in their order.
///
/// A batch holds the next usable clips, whichever clips between them cannot be used. So batches, and with them the padding and
/// every logit, are those of [`evaluate`](crate::evaluate) on the usable clips. Memory holds a few chunks of features and a
/// batch, however many clips there are.
pub struct Scoring {
    clips: Arc<Vec<Clip>>,
    root: PathBuf,
    model: Arc<dyn Forward>,
    options: ScoringOptions,
    stream: ClipStream,
    /// Usable clips that are not scored yet.
    waiting: VecDeque<Waiting>,
    /// Clips that cannot be used, with their rows.
    bad: Vec<(usize, BadClip)>,
    /// Clips with an output that is not finite, and the first such number.
    not_finite: Vec<(usize, BadClip)>,
    value: Option<f32>,
    /// Whether the output was finite for some clip.
    any_finite: bool,
    /// Rows that have not been given out.
    left: Range<usize>,
    /// Whether every clip has been prepared.
    is_read: bool,
}

struct Waiting {
    row: usize,
    features: Arc<Features>,
    hash: Hash,
}

/// What became of some clips that follow one another in the dataset.
#[derive(Debug)]
pub struct ScoredBatch {
    /// Their rows in the dataset.
    pub rows: Range<usize>,
    /// Those that were scored, in order.
    pub clips: Vec<ScoredClip>,
    /// Those that were left out.
    pub left_out: Vec<BadClip>,
}

/// The output of a model for a clip.
#[derive(Debug)]
pub struct ScoredClip {
    /// Its row in the dataset.
    pub row: usize,
    /// SHA-256 of its sound file.
    pub sha256: [u8; 32],
    /// One number for each label, all finite.
    pub logits: Vec<f32>,
}

impl Scoring {
    /// Of the clips of `rows`. Where `rows` does not begin at the first clip of a batch of the whole dataset, batches differ from
    /// those of the whole.
    ///
    /// # Panics
    /// When `rows` goes beyond the dataset, or a batch has no clips.
    pub fn new(
        dataset: &AudioDataset,
        rows: Range<usize>,
        model: Arc<dyn Forward>,
        options: ScoringOptions,
    ) -> Scoring {
        assert!(options.batch_size > 0, "a batch has at least one clip");
        assert!(rows.end <= dataset.clips.len(), "the rows are rows of the dataset");
        let clips = Arc::new(dataset.clips.clone());
        let ScoringOptions { preparation, cache, .. } = options.clone();
        Scoring {
            stream: ClipStream::start(Arc::clone(&clips), rows.clone(), preparation, cache),
            root: dataset.root.clone(),
            clips,
            model,
            options,
            waiting: VecDeque::new(),
            bad: Vec::new(),
            not_finite: Vec::new(),
            value: None,
            any_finite: false,
            left: rows,
            is_read: false,
        }
    }

    /// Scores the next batch; `None` when every clip is done.
    ///
    /// # Errors
    /// Once every clip was tried: [`ErrorKind::BadClips`] with all that cannot be used and [`ErrorKind::NotANumber`] with those
    /// for which the output is not finite, unless they are left out; [`ErrorKind::NoNumbers`] when those are all.
    /// [`ErrorKind::Interrupted`] when `stop` is set. After an error there is no next batch.
    pub fn next(&mut self, stop: &AtomicBool) -> Result<Option<ScoredBatch>, Error> {
        loop {
            self.fill(stop)?;
            if self.waiting.is_empty() {
                return self.end();
            }
            let size = self.options.batch_size.min(self.waiting.len());
            if !self.options.skip_bad && !self.bad.is_empty() {
                // Nothing comes of it, so the other clips are only checked: all that are bad are then named at once.
                self.waiting.clear();
                continue;
            }
            let batch: Vec<Arc<Features>> =
                self.waiting.range(..size).map(|clip| Arc::clone(&clip.features)).collect();
            let logits = self.logits(batch, stop)?;
            let first = logits.iter().map(|row| row.iter().copied().find(|x| !x.is_finite()));
            let first: Vec<Option<f32>> = first.collect();
            self.any_finite |= first.iter().any(Option::is_none);
            if first.iter().any(Option::is_some) {
                self.set_aside(&first);
                // Left out, as if they were not there: the next clips move up.
                continue;
            }
            if !self.options.skip_bad && !self.not_finite.is_empty() {
                self.waiting.drain(..size);
                continue;
            }
            let scored = self.waiting.drain(..size).zip(logits);
            let clips: Vec<ScoredClip> = scored
                .map(|(clip, logits)| ScoredClip { row: clip.row, sha256: clip.hash, logits })
                .collect();
            let end = clips.last().map_or(self.left.start, |clip| clip.row + 1);
            return Ok(Some(self.give_out(end, clips)));
        }
    }

    /// Prepares clips until there are enough for a batch.
    fn fill(&mut self, stop: &AtomicBool) -> Result<(), Error> {
        let doing = || Doing(format!("cannot use the clips in `{}`", self.root.display()));
        while !self.is_read && self.waiting.len() < self.options.batch_size {
            let Some(chunk) = self.stream.next(stop).with_context(doing)? else {
                self.is_read = true;
                break;
            };
            for (row, prepared) in chunk {
                match prepared {
                    Ok(PreparedClip { features, hash, .. }) => {
                        self.waiting.push_back(Waiting { row, features: Arc::new(features), hash });
                    }
                    Err(kind) => {
                        let clip = BadClip { path: self.clips[row].location(), why: why(&kind) };
                        self.bad.push((row, clip));
                    }
                }
            }
        }
        Ok(())
    }

    fn logits(&self, batch: Vec<Arc<Features>>, stop: &AtomicBool) -> Result<Vec<Vec<f32>>, Error> {
        let doing = || Doing("cannot evaluate the model".to_owned());
        let run = |model: &dyn Forward, batch: &[Arc<Features>]| {
            let batch: Vec<&Features> = batch.iter().map(Arc::as_ref).collect();
            model.logits(&batch)
        };
        if self.options.slow {
            let model = Arc::clone(&self.model);
            let work = move |_: &Worker| run(model.as_ref(), &batch);
            return run_cancellable(stop, &mut |_| (), work).with_context(doing)?;
        }
        match stop.load(Ordering::Relaxed) {
            true => Err(ErrorKind::Interrupted).with_context(doing),
            false => run(self.model.as_ref(), &batch),
        }
    }

    /// Takes the clips with an output that is not finite out of the batch that is next.
    fn set_aside(&mut self, first: &[Option<f32>]) {
        for (place, value) in first.iter().enumerate().rev() {
            let Some(value) = value else { continue };
            let clip = self.waiting.remove(place).expect("the batch is of these clips");
            let why = format!("the model's output is {value}");
            self.not_finite.push((clip.row, BadClip { path: self.clips[clip.row].location(), why }));
            self.value = self.value.or(Some(*value));
        }
        self.not_finite.sort_by_key(|(row, _)| *row);
    }

    /// Everything up to the row `end`.
    fn give_out(&mut self, end: usize, clips: Vec<ScoredClip>) -> ScoredBatch {
        let rows = self.left.start..end;
        self.left.start = end;
        let mut left_out = Vec::new();
        for bad in [&mut self.bad, &mut self.not_finite] {
            let passed = bad.partition_point(|(row, _)| *row < end);
            left_out.extend(bad.drain(..passed));
        }
        left_out.sort_by_key(|(row, _)| *row);
        ScoredBatch { rows, clips, left_out: left_out.into_iter().map(|(_, clip)| clip).collect() }
    }

    /// What is left when no clip waits to be scored.
    fn end(&mut self) -> Result<Option<ScoredBatch>, Error> {
        let doing = || Doing("cannot evaluate the model".to_owned());
        if !self.options.skip_bad && !self.bad.is_empty() {
            let bad = self.bad.drain(..).map(|(_, clip)| clip).collect();
            let doing = || Doing(format!("cannot use the clips in `{}`", self.root.display()));
            return Err(ErrorKind::BadClips(bad)).with_context(doing);
        }
        if let Some(value) = self.value.filter(|_| !self.any_finite) {
            return Err(ErrorKind::NoNumbers { value: value.into() }).with_context(doing);
        }
        if !self.options.skip_bad && !self.not_finite.is_empty() {
            let (rows, clips) = self.not_finite.drain(..).unzip();
            return Err(ErrorKind::NotANumber { rows, clips }).with_context(doing);
        }
        if self.left.is_empty() {
            return Ok(None);
        }
        let end = self.left.end;
        Ok(Some(self.give_out(end, Vec::new())))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Mutex;

    use burn::tensor::Device;
    use earmark_audio::{SampleRate, WavFormat, Waveform, write_wav};
    use earmark_features::{Preprocessor, Resampler};
    use earmark_models::Classifier;
    use earmark_testkit::noise;

    use super::*;
    use crate::clips::Clips;
    use crate::evaluate::evaluate;
    use crate::evaluate::forward::ClassifierForward;
    use crate::presets::preset;

    /// `clips` clips of different lengths in two classes; those of `bad` are no sounds.
    fn dataset(clips: usize, bad: &[usize]) -> (tempfile::TempDir, AudioDataset) {
        let dir = tempfile::tempdir().unwrap();
        for clip in 0..clips {
            let class = if clip < clips / 2 { "a" } else { "b" };
            let path = dir.path().join(format!("{class}/{clip:03}.wav"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let samples = noise(2_000 + 37 * ((clip * 7) % 11), clip as u64);
            let waveform = Waveform::new(samples, SampleRate::new(16_000).unwrap()).unwrap();
            write_wav(&path, &waveform, WavFormat::Pcm16).unwrap();
            if bad.contains(&clip) {
                fs::write(&path, "no sound").unwrap();
            }
        }
        let dataset = AudioDataset::open_folder(dir.path()).unwrap();
        (dir, dataset)
    }

    fn preprocessor() -> Preprocessor {
        Preprocessor::from_json(
            r#"{"feature_extractor_type": "Wav2Vec2FeatureExtractor", "return_attention_mask": true}"#,
        )
        .unwrap()
    }

    fn options(batch_size: usize, skip_bad: bool) -> ScoringOptions {
        let preparation = Preparation {
            preprocessor: preprocessor(),
            resampler: Resampler::Hq,
            decode: Default::default(),
            max_samples: None,
            min_samples: 400,
        };
        ScoringOptions { preparation, cache: None, batch_size, skip_bad, slow: true }
    }

    /// Remembers the lengths of the clips of each batch; the output of clips of the lengths `nan` is NaN.
    #[derive(Default)]
    struct Fake {
        batches: Mutex<Vec<Vec<usize>>>,
        nan: Vec<usize>,
    }

    impl Forward for Fake {
        fn logits(&self, batch: &[&Features]) -> Result<Vec<Vec<f32>>, Error> {
            let lengths: Vec<usize> = batch.iter().map(|it| it.data.len()).collect();
            let row = |&length: &usize| match self.nan.contains(&length) {
                true => vec![f32::NAN, 0.0],
                false => vec![length as f32, batch[0].data.len() as f32],
            };
            let rows = lengths.iter().map(row).collect();
            self.batches.lock().unwrap().push(lengths);
            Ok(rows)
        }
    }

    fn all(mut scoring: Scoring) -> Result<Vec<ScoredBatch>, Error> {
        let go_on = AtomicBool::new(false);
        std::iter::from_fn(|| scoring.next(&go_on).transpose()).collect()
    }

    fn rows(batches: &[ScoredBatch]) -> Vec<Vec<usize>> {
        batches.iter().map(|batch| batch.clips.iter().map(|clip| clip.row).collect()).collect()
    }

    #[test]
    fn logits_are_those_of_an_evaluation_of_all_clips_at_once_bit_for_bit() {
        let (_dir, dataset) = dataset(23, &[4, 17]);
        let (network, device) =
            (Classifier::init(&preset("sample").unwrap(), 2, 1, &Device::flex()), Device::flex());
        let ScoringOptions { preparation, .. } = options(4, true);
        let go_on = AtomicBool::new(false);
        let (clips, bad) = Clips::open(&dataset, preparation, None, true, &mut |_| (), &go_on).unwrap();
        let usable: Vec<usize> = (0..clips.clips().len()).collect();
        let want = evaluate(&network, &device, &clips, &usable, 4, &mut |_| (), &go_on).unwrap();
        for slow in [true, false] {
            let model = ClassifierForward::new(network.clone(), preprocessor(), device.clone());
            let options = ScoringOptions { slow, ..options(4, true) };
            let batches = all(Scoring::new(&dataset, 0..23, Arc::new(model), options)).unwrap();
            let logits: Vec<&Vec<f32>> =
                batches.iter().flat_map(|it| &it.clips).map(|clip| &clip.logits).collect();
            assert_eq!(logits, want.logits.iter().collect::<Vec<_>>());
            let left_out: Vec<_> = batches.iter().flat_map(|it| &it.left_out).map(|it| &it.path).collect();
            assert_eq!(left_out, bad.iter().map(|it| &it.path).collect::<Vec<_>>());
            let hashes = batches.iter().flat_map(|it| &it.clips).map(|clip| clip.sha256);
            assert!(hashes.enumerate().all(|(row, hash)| Some(&hash) == clips.hash(row)));
        }
    }

    #[test]
    fn every_row_is_given_out_once_and_a_later_start_forms_the_same_batches() {
        let (_dir, dataset) = dataset(19, &[0, 5, 6, 18]);
        let whole = all(Scoring::new(&dataset, 0..19, Arc::new(Fake::default()), options(4, true))).unwrap();
        let want = [vec![1, 2, 3, 4], vec![7, 8, 9, 10], vec![11, 12, 13, 14], vec![15, 16, 17], vec![]];
        assert_eq!(rows(&whole), want);
        let spans: Vec<_> = whole.iter().map(|it| it.rows.clone()).collect();
        assert_eq!(spans, [0..5, 5..11, 11..15, 15..18, 18..19]);
        let left_out: Vec<usize> = whole.iter().map(|it| it.left_out.len()).collect();
        assert_eq!(left_out, [1, 2, 0, 0, 1]);
        for done in 0..whole.len() {
            let from = whole[done].rows.start;
            let rest = Scoring::new(&dataset, from..19, Arc::new(Fake::default()), options(4, true));
            assert_eq!(rows(&all(rest).unwrap()), want[done..]);
        }
    }

    #[test]
    fn clips_whose_output_is_not_finite_are_left_out_as_if_they_were_not_there() {
        let (_dir, dataset) = dataset(12, &[]);
        let length = |row: usize| 2_000 + 37 * ((row * 7) % 11);
        let nan = Fake { nan: vec![length(1), length(6)], ..Fake::default() };
        let model = Arc::new(nan);
        let batches = all(Scoring::new(&dataset, 0..12, Arc::clone(&model) as _, options(4, true))).unwrap();
        assert_eq!(rows(&batches), [vec![0, 2, 3, 4], vec![5, 7, 8, 9], vec![10, 11]]);
        let left_out: Vec<_> = batches.iter().flat_map(|it| &it.left_out).map(|it| &it.path).collect();
        assert_eq!(left_out, [&dataset.clips[1].path, &dataset.clips[6].path]);
        let tried = model.batches.lock().unwrap();
        assert!(tried.contains(&[0, 2, 3, 4].map(length).to_vec()), "{tried:?}");
    }

    #[test]
    fn without_leaving_out_every_bad_clip_is_named_in_one_error() {
        let (_dir, dataset) = dataset(30, &[3, 28]);
        let model = Arc::new(Fake::default());
        let error =
            all(Scoring::new(&dataset, 0..30, Arc::clone(&model) as _, options(2, false))).unwrap_err();
        assert!(matches!(&*error.kind, ErrorKind::BadClips(bad) if bad.len() == 2), "{error:?}");
        let length = |row: usize| 2_000 + 37 * ((row * 7) % 11);
        let nan = || Arc::new(Fake { nan: vec![length(1)], ..Fake::default() });
        let (_dir, dataset) = self::dataset(11, &[]);
        let error = all(Scoring::new(&dataset, 0..11, nan(), options(2, false))).unwrap_err();
        assert!(matches!(&*error.kind, ErrorKind::NotANumber { rows, .. } if rows == &[1]), "{error:?}");
        for skip_bad in [false, true] {
            let every = Fake { nan: (0..11).map(length).collect(), ..Fake::default() };
            let error =
                all(Scoring::new(&dataset, 0..11, Arc::new(every), options(2, skip_bad))).unwrap_err();
            assert!(matches!(*error.kind, ErrorKind::NoNumbers { .. }), "{error:?}");
        }
    }

    #[test]
    fn scoring_stops_when_it_is_asked_to() {
        let (_dir, dataset) = dataset(6, &[]);
        let mut scoring = Scoring::new(&dataset, 0..6, Arc::new(Fake::default()), options(2, false));
        let error = scoring.next(&AtomicBool::new(true)).unwrap_err();
        assert!(matches!(*error.kind, ErrorKind::Interrupted), "{error:?}");
    }
}
