//! One clip with its features, from the cache or made of its file.

use std::fs;
use std::time::SystemTime;

use earmark_data::Clip;
use earmark_features::Features;
use sha2::{Digest as _, Sha256};

use crate::clips::cache::{Cache, Key, MayRemove};
use crate::clips::prepare::Preparation;
use crate::error::ErrorKind;

/// A clip that has been prepared, with its features.
pub(crate) struct PreparedClip {
    pub(crate) features: Features,
    pub(crate) hash: Hash,
    /// Its key in the cache; `None` without one, or when the file changed meanwhile.
    pub(crate) key: Option<Key>,
    /// Whether the cache has the features.
    pub(crate) cached: bool,
}

impl PreparedClip {
    /// Reads the features from the cache, or else makes them and puts them there if there is free room.
    pub(crate) fn open(
        clip: &Clip,
        preparation: &Preparation,
        cache: Option<&Cache>,
        settings: &str,
    ) -> Result<PreparedClip, ErrorKind> {
        let before = stamp(clip);
        let hash = hash_of(&clip.bytes()?);
        let key = cache.map(|_| Key::new(&hash, &clip.name, settings));
        if let (Some(cache), Some(key)) = (cache, key)
            && let Some(features) = cache.get(&key)
        {
            return Ok(PreparedClip { features, hash, key: Some(key), cached: true });
        }
        PreparedClip::new(clip, preparation, cache, hash, key, before, MayRemove::No)
    }

    /// Makes the features and puts them into the cache under `key`.
    pub(crate) fn new(
        clip: &Clip,
        preparation: &Preparation,
        cache: Option<&Cache>,
        hash: Hash,
        key: Option<Key>,
        before: Option<Stamp>,
        may_remove: MayRemove,
    ) -> Result<PreparedClip, ErrorKind> {
        let features = preparation.prepare(clip)?;
        // The file was read twice, for its hash and to decode it. If it changed in between, the two do not belong together.
        let key = key.filter(|_| stamp(clip) == before);
        let cached = match (cache, &key) {
            (Some(cache), Some(key)) => cache.put(key, &features, may_remove),
            _ => false,
        };
        Ok(PreparedClip { features, hash, key, cached })
    }
}

/// SHA-256 of the bytes of a sound file.
pub(crate) type Hash = [u8; 32];

pub(crate) fn hash_of(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// Length and time of a file: they change when it is written to.
pub(crate) type Stamp = (u64, SystemTime);

pub(crate) fn stamp(clip: &Clip) -> Option<Stamp> {
    let about = fs::metadata(&clip.path).ok()?;
    Some((about.len(), about.modified().ok()?))
}
