//! Clips that are equal: the same decoded samples, whatever container and lossless codec they are stored in.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::dataset::AudioDataset;

/// The SHA-256 of the decoded samples of a clip; written in hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SampleHash([u8; 32]);

impl fmt::Display for SampleHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Hashes a clip block by block, so that memory does not depend on its length.
///
/// The digest is that of the sampling rate and the number of channels (little-endian `u32`), then of every sample as a
/// little-endian `f32`, frame by frame. How the sound is cut into blocks does not change it.
///
/// ```
/// use earmark_data::SampleHasher;
///
/// let hash = |blocks: &[&[f32]]| {
///     let mut hasher = SampleHasher::new(16_000, 1);
///     blocks.iter().for_each(|block| hasher.update(&[block.to_vec()]));
///     hasher.finish()
/// };
/// assert_eq!(hash(&[&[0.5, 0.25, 0.0]]), hash(&[&[0.5], &[0.25, -0.0]]));
/// assert_ne!(hash(&[&[0.5, 0.25]]), hash(&[&[0.25, 0.5]]));
/// ```
#[derive(Debug, Clone)]
pub struct SampleHasher {
    digest: Sha256,
    bytes: Vec<u8>,
}

impl SampleHasher {
    /// A hasher of a clip at `rate` Hz.
    pub fn new(rate: u32, channels: usize) -> SampleHasher {
        let mut digest = Sha256::new();
        digest.update(rate.to_le_bytes());
        digest.update(u32::try_from(channels).unwrap_or(u32::MAX).to_le_bytes());
        SampleHasher { digest, bytes: Vec::new() }
    }

    /// Adds the next samples: one list for each channel, all of one length.
    pub fn update(&mut self, planes: &[Vec<f32>]) {
        let frames = planes.iter().map(Vec::len).min().unwrap_or(0);
        self.bytes.clear();
        self.bytes.reserve(frames * planes.len() * 4);
        for frame in 0..frames {
            for plane in planes {
                // A codec may write zero as -0.0, which this addition makes 0.0.
                self.bytes.extend((plane[frame] + 0.0).to_le_bytes());
            }
        }
        self.digest.update(&self.bytes);
    }

    /// The hash of all samples.
    pub fn finish(self) -> SampleHash {
        SampleHash(self.digest.finalize().into())
    }
}

/// Clips whose decoded samples are the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicates {
    /// The hash of their samples.
    pub hash: SampleHash,
    /// Their places in [`AudioDataset::clips`], ascending; two or more.
    pub clips: Vec<usize>,
    /// Whether they have different classes: at most one of these is right.
    pub labels_differ: bool,
    /// Whether they are in different splits: what is tested was trained on.
    pub across_splits: bool,
}

impl AudioDataset {
    /// The groups of equal clips, in the order of their first clips. `hashes` has one hash for each clip, in the order of the
    /// clips; `None` for a clip that cannot be decoded.
    pub fn duplicates(&self, hashes: &[Option<SampleHash>]) -> Vec<Duplicates> {
        let mut places: HashMap<SampleHash, Vec<usize>> = HashMap::new();
        for (place, hash) in hashes.iter().enumerate().take(self.clips.len()) {
            if let Some(hash) = hash {
                places.entry(*hash).or_default().push(place);
            }
        }
        let groups = places.into_iter().filter(|(_, clips)| clips.len() > 1).map(|(hash, clips)| {
            let of = |place: &usize| &self.clips[*place];
            let labels: BTreeSet<_> = clips.iter().map(|place| of(place).label).collect();
            let splits: BTreeSet<_> =
                clips.iter().map(|place| (of(place).split.as_deref(), of(place).held_out)).collect();
            Duplicates { hash, labels_differ: labels.len() > 1, across_splits: splits.len() > 1, clips }
        });
        let mut groups: Vec<Duplicates> = groups.collect();
        groups.sort_by_key(|group| group.clips[0]);
        groups
    }
}
