//! The sounds of the worst mistakes, kept in the journal: whoever makes the page may not have the dataset.

use anyhow::Result;
use earmark_audio::{DecodeOptions, SampleRate, WavFormat, wav_bytes};
use earmark_data::Clip;
use earmark_features::{Resampler, resample};
use earmark_train::Recipe;
use sha2::{Digest as _, Sha256};

use super::super::record::{Heard, Sound};
use super::super::subject::Subject;
use super::super::summary::Wrong;
use crate::output::causes::brief;

/// Of longer clips the beginning is kept: 20 mistakes are 6.4 MB at most.
const SECONDS: usize = 10;

/// Of higher rates nothing is lost that tells one class from another to an ear.
const MOST_RATE: SampleRate = SampleRate::HZ_16000;

/// The sounds of these clips, as they are now.
pub(in super::super) fn sounds_of(wrong: &[Wrong], subject: &Subject) -> Vec<Sound> {
    let sound = |it: &Wrong| {
        let path = it.mistake.clip.clone();
        let clip = subject.dataset.clips.iter().find(|clip| clip.name == path);
        let heard = match clip.map(|clip| heard(clip, &it.sha256, &subject.recipe)) {
            Some(Ok(heard)) => heard,
            Some(Err(error)) => Heard::Missing(brief(error.as_ref())),
            None => Heard::Missing("the clip is no longer in the dataset".to_owned()),
        };
        Sound { path, heard }
    };
    wrong.iter().map(sound).collect()
}

fn heard(clip: &Clip, sha256: &[u8; 32], recipe: &Recipe) -> Result<Heard> {
    // A clip may have been scored days ago.
    if *Sha256::digest(clip.bytes()?) != *sha256 {
        return Ok(Heard::Missing("the clip has changed since it was scored".to_owned()));
    }
    let options = DecodeOptions { downmix: recipe.downmix, ..DecodeOptions::default() };
    let whole = clip.decode(&options)?.waveform;
    let most = SECONDS * whole.rate().hz() as usize;
    let is_cut = whole.samples().len() > most;
    let rate = whole.rate().min(MOST_RATE);
    let waveform = resample(whole.truncated(most), rate, Resampler::Hq)?;
    Ok(Heard::Wav { bytes: wav_bytes(&waveform, WavFormat::Pcm16)?, is_cut })
}
