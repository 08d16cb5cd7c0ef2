//! Features in, rows of numbers out: one row a clip, and an error in the place of a row that cannot be had.

use burn::tensor::{Device, Tensor, TensorData};
use earmark_audio::Waveform;
use earmark_error::Context as _;
use earmark_features::{Features, FrameBatch, PadOptions, PaddingSide, Preprocessor, Wav2Vec2Extractor};
use earmark_models::Input;

use crate::error::{Doing, Error, ErrorKind};
use crate::model::pretrained::Pretrained;

/// Clips of one forward pass at most, and the numbers of all of them together: about a minute at 16 kHz.
pub(crate) const BATCH_CLIPS: usize = 8;
const BATCH_VALUES: usize = 1 << 20;

impl Pretrained {
    /// What the network reads of a clip at the model's rate.
    pub(crate) fn features(&self, clip: &Waveform) -> Result<Features, Error> {
        let doing = || Doing("cannot use the clip".to_owned());
        let (samples, rate, least) = (clip.samples().len(), clip.rate(), self.min_samples());
        if rate == self.preprocessor.sampling_rate() && samples < least {
            return Err(ErrorKind::TooShort { samples, rate, least }).with_context(doing);
        }
        self.preprocessor.extract(clip).with_context(doing)
    }

    /// A row of finite numbers for each clip, in order: what `network` answers. `what` names a number by its place in a row.
    ///
    /// Clips share a forward pass only where padding changes nothing, or where there is none, so a row does not depend on the
    /// other clips; nor on whether another clip fails.
    pub(crate) fn forward(
        &self,
        clips: &[Features],
        device: &Device,
        network: impl Fn(Input) -> Result<Tensor<2>, earmark_models::ErrorKind>,
        what: impl Fn(usize) -> String,
    ) -> Vec<Result<Vec<f32>, Error>> {
        let mut rows: Vec<Result<Vec<f32>, ErrorKind>> =
            clips.iter().map(|clip| self.check(clip).map(|()| Vec::new())).collect();
        let good = (0..clips.len()).filter(|&place| rows[place].is_ok()).collect();
        for places in self.batches(clips, good) {
            let batch: Vec<&Features> = places.iter().map(|&place| &clips[place]).collect();
            let answer = self.input(&batch, device).and_then(|input| read(network(input)?));
            match answer {
                Ok(answer) => {
                    for (&place, row) in places.iter().zip(answer) {
                        rows[place] = finite(row, &what, || self.network.unusable_weight());
                    }
                }
                Err(kind) => {
                    let why = kind.to_string();
                    places.iter().for_each(|&place| rows[place] = Err(ErrorKind::Device(why.clone())));
                }
            }
        }
        rows.into_iter().map(|row| row.with_context(|| Doing("cannot run the model".to_owned()))).collect()
    }

    /// Refuses features that are not of this model's extractor.
    fn check(&self, clip: &Features) -> Result<(), ErrorKind> {
        let bad = |why: String| Err(ErrorKind::Network(earmark_models::ErrorKind::BadInput(why)));
        let fits = match self.config.network().spectrogram() {
            Some(size) => clip.shape == size,
            None => match self.config.network().frame_width() {
                Some(width) => {
                    let least = self.config.network().min_frames();
                    match clip.shape[..] {
                        [frames, found] if found == width && frames < least => {
                            return bad(format!(
                                "too short: it has {frames} frames, but the model needs {least}"
                            ));
                        }
                        [_, found] => found == width,
                        _ => false,
                    }
                }
                None => clip.shape == [clip.data.len()] && clip.data.len() >= self.min_samples(),
            },
        };
        if !fits || clip.data.len() != clip.shape.iter().product::<usize>() {
            return bad(format!("features of shape {:?} do not fit this model", clip.shape));
        }
        match clip.data.iter().fold(true, |finite, x| finite & x.is_finite()) {
            true => Ok(()),
            false => bad("a feature is not a finite number".to_owned()),
        }
    }

    /// Which of the clips in `places` share a forward pass: neighbours in length, padded only where that changes nothing.
    fn batches(&self, clips: &[Features], mut places: Vec<usize>) -> Vec<Vec<usize>> {
        let length = |place: usize| clips[place].data.len();
        let may_pad = self.config.network().padding_is_harmless();
        places.sort_by_key(|&place| length(place));
        let mut batches: Vec<Vec<usize>> = Vec::new();
        for place in places {
            let fits = batches.last().is_some_and(|batch| {
                let shortest = length(batch[0]);
                let alike =
                    length(place) == shortest || (may_pad && length(place) - shortest <= shortest / 4);
                alike && batch.len() < BATCH_CLIPS && (batch.len() + 1) * length(place) <= BATCH_VALUES
            });
            match batches.last_mut() {
                Some(batch) if fits => batch.push(place),
                _ => batches.push(vec![place]),
            }
        }
        batches
    }

    fn input(&self, batch: &[&Features], device: &Device) -> Result<Input, ErrorKind> {
        if self.config.network().frame_width().is_some() {
            let FrameBatch { input_features, frames, width, lengths } = FrameBatch::new(batch);
            let data = TensorData::new(input_features, [batch.len(), frames, width]);
            return Ok(Input::Frames { values: Tensor::from_data(data, device), lengths: Some(lengths) });
        }
        let Preprocessor::Wav2Vec2(extractor) = &self.preprocessor else {
            // These extractors give every clip the same shape.
            let values: Vec<f32> = batch.iter().flat_map(|it| &it.data).copied().collect();
            let shape = [&[batch.len()], batch[0].shape.as_slice()].concat();
            return Ok(Input::Spectrograms(Tensor::from_data(TensorData::new(values, shape), device)));
        };
        let samples: Vec<&[f32]> = batch.iter().map(|it| it.data.as_slice()).collect();
        // The network counts a clip's samples from the left, whatever side the reference's collator pads.
        let extractor = Wav2Vec2Extractor { padding_side: PaddingSide::Right, ..extractor.clone() };
        let padded = extractor.pad(&samples, &PadOptions::default())?;
        // A batch of one length has no padding, and nothing to be told of it.
        let ragged = padded.lengths.iter().any(|&length| length < padded.cols);
        let data = TensorData::new(padded.input_values, [padded.rows, padded.cols]);
        Ok(Input::Waveforms {
            values: Tensor::from_data(data, device),
            lengths: ragged.then_some(padded.lengths),
        })
    }
}

/// Rows of numbers from a device; waits for it.
pub(crate) fn read(tensor: Tensor<2>) -> Result<Vec<Vec<f32>>, ErrorKind> {
    let width = tensor.dims()[1];
    let values = tensor.into_data().convert::<f32>().try_into_vec::<f32>();
    let values = values.map_err(|e| ErrorKind::Device(format!("{e:?}")))?;
    Ok(values.chunks_exact(width).map(<[f32]>::to_vec).collect())
}

/// The row, unless one of its numbers is not finite; `what` names it by its place, `unusable_weight` what made it so.
pub(crate) fn finite(
    row: Vec<f32>,
    what: impl Fn(usize) -> String,
    unusable_weight: impl Fn() -> Option<String>,
) -> Result<Vec<f32>, ErrorKind> {
    match row.iter().position(|x| !x.is_finite()) {
        Some(place) => {
            Err(ErrorKind::NotFinite { what: what(place), value: row[place], weight: unusable_weight() })
        }
        None => Ok(row),
    }
}
