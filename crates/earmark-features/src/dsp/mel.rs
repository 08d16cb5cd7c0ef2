//! Triangular filters that sum a power spectrum into mel bands.

use std::ops::Range;

use realfft::FftNum;

/// How hertz become mel, and how tall the triangles are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MelScale {
    /// Slaney's scale, each triangle of unit area: what `librosa` does by default.
    Slaney,
    /// The HTK scale, each triangle of unit height: what `torchaudio` does by default.
    Htk,
}

/// A filter bank; only the bins under each triangle are kept.
#[derive(Debug, Clone)]
pub(crate) struct MelBank<T> {
    bands: Vec<Band>,
    weights: Vec<T>,
}

#[derive(Debug, Clone)]
struct Band {
    /// The first bin under the triangle.
    bin: usize,
    /// Its weights, one a bin.
    weights: Range<usize>,
}

impl<T: FftNum> MelBank<T> {
    /// Triangles between `low` and `high` Hz, linear in hertz, over the `bins` bins from 0 Hz to half the rate.
    ///
    /// The reference is `mel_filter_bank` of transformers 5.23.0 `audio_utils.py`, with its `f64` arithmetic.
    pub(crate) fn new(
        scale: MelScale,
        mels: usize,
        bins: usize,
        low: f64,
        high: f64,
        rate: u32,
    ) -> MelBank<T> {
        let (low, high) = (scale.mel(low), scale.mel(high));
        let edges: Vec<f64> =
            (0..mels + 2).map(|i| scale.hertz(low + i as f64 * ((high - low) / (mels + 1) as f64))).collect();
        let bin_width = f64::from(rate / 2) / (bins - 1) as f64;
        MelBank::from_weights(mels, bins, |mel, bin| {
            let hertz = bin as f64 * bin_width;
            let [left, centre, right] = [edges[mel], edges[mel + 1], edges[mel + 2]];
            let height = ((hertz - left) / (centre - left)).min((right - hertz) / (right - centre)).max(0.0);
            match scale {
                MelScale::Slaney => height * (2.0 / (right - left)),
                MelScale::Htk => height,
            }
        })
    }

    pub(crate) fn from_weights(mels: usize, bins: usize, weight: impl Fn(usize, usize) -> f64) -> MelBank<T> {
        let mut weights = Vec::new();
        let bands = (0..mels).map(|mel| {
            let under = |&bin: &usize| weight(mel, bin) > 0.0;
            let first = (0..bins).find(under).unwrap_or(0);
            let end = (0..bins).rfind(under).map_or(first, |last| last + 1);
            let start = weights.len();
            weights.extend((first..end).map(|bin| cast::<T>(weight(mel, bin))));
            Band { bin: first, weights: start..weights.len() }
        });
        MelBank { bands: bands.collect(), weights }
    }

    /// How many filters there are.
    pub(crate) fn bands(&self) -> usize {
        self.bands.len()
    }

    /// The energy in one band of several power spectra, given bin by bin.
    #[inline(always)]
    pub(crate) fn energies<const N: usize>(&self, band: usize, power: &[[T; N]]) -> [T; N] {
        let Band { bin, ref weights } = self.bands[band];
        let mut sums = [T::zero(); N];
        for (&weight, power) in self.weights[weights.clone()].iter().zip(&power[bin..]) {
            for (sum, &power) in sums.iter_mut().zip(power) {
                *sum = *sum + weight * power;
            }
        }
        sums
    }
}

impl MelScale {
    fn mel(self, hertz: f64) -> f64 {
        match self {
            MelScale::Slaney if hertz >= 1000.0 => 15.0 + (hertz / 1000.0).ln() * (27.0 / 6.4f64.ln()),
            MelScale::Slaney => 3.0 * hertz / 200.0,
            MelScale::Htk => 2595.0 * (1.0 + hertz / 700.0).log10(),
        }
    }

    fn hertz(self, mel: f64) -> f64 {
        match self {
            MelScale::Slaney if mel >= 15.0 => 1000.0 * (6.4f64.ln() / 27.0 * (mel - 15.0)).exp(),
            MelScale::Slaney => 200.0 * mel / 3.0,
            MelScale::Htk => 700.0 * (10f64.powf(mel / 2595.0) - 1.0),
        }
    }
}

/// A number in the precision of the spectrum.
pub(crate) fn cast<T: FftNum>(x: f64) -> T {
    T::from_f64(x).expect("`f32` and `f64` take any `f64`")
}
