//! Every clip of a dataset, decoded to its end.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Result, bail};
use earmark_audio::{DecodeOptions, Decoder};
use earmark_data::{AudioDataset, Clip, SampleHash, SampleHasher};
use earmark_features::MAX_AMPLITUDE;
use rayon::prelude::*;

use crate::exit::Done;
use crate::output::causes::brief;
use crate::output::tables::manifest::ClipRow;
use crate::output::{messages, progress};

/// Every clip, decoded on all threads.
pub(crate) fn examine(dataset: &AudioDataset) -> Vec<ClipRow> {
    let bar =
        progress::bar(dataset.clips.len() as u64, "decoding {bar:30} {pos}/{len} clips {per_sec} {eta} left");
    let done = AtomicUsize::new(0);
    let row = |clip: &Clip| {
        let mut row = ClipRow {
            name: clip.name.clone(),
            label: dataset.labels.name(clip.label).unwrap_or_default().to_owned(),
            ..ClipRow::default()
        };
        match decode(clip) {
            Ok(sound) => {
                (row.duration, row.rate) = (Some(sound.duration), Some(sound.rate));
                (row.channels, row.hash) = (Some(sound.channels), Some(sound.hash));
                if !sound.warnings.is_empty() {
                    row.error = Some(sound.warnings.join("; "));
                }
            }
            Err(problem) => row.error = Some(brief(&*problem)),
        }
        bar.set_position(done.fetch_add(1, Ordering::Relaxed) as u64 + 1);
        row
    };
    let rows = dataset.clips.par_iter().map(row).collect();
    bar.finish_and_clear();
    rows
}

/// What decoding a clip to its end shows.
struct Sound {
    /// In seconds.
    duration: f64,
    rate: u32,
    channels: u32,
    hash: SampleHash,
    warnings: Vec<String>,
}

/// Block by block, so that a long recording takes no more memory than a short one.
fn decode(clip: &Clip) -> Result<Sound> {
    let mut decoder = Decoder::from_bytes(clip.bytes()?, &DecodeOptions::default())?;
    let (rate, channels) = (decoder.rate().hz(), decoder.channels() as u32);
    let mut hasher = SampleHasher::new(rate, decoder.channels());
    let (mut frames, mut odd) = (0u64, None);
    while let Some(planes) = decoder.next_planes()? {
        if odd.is_none() {
            let loud = |plane: &Vec<f32>| {
                plane
                    .iter()
                    .position(|sample| sample.is_nan() || sample.abs() > MAX_AMPLITUDE)
                    .map(|at| (at, plane[at]))
            };
            odd = planes.iter().find_map(loud).map(|(at, sample)| (frames + at as u64, sample));
        }
        hasher.update(planes);
        frames += planes.first().map_or(0, |plane| plane.len() as u64);
    }
    let mut warnings: Vec<String> = decoder.warnings().iter().map(ToString::to_string).collect();
    if let Some((frame, sample)) = odd {
        warnings.push(format!("sample {frame} is {sample:e}, above the limit of {MAX_AMPLITUDE:e}"));
    }
    if frames == 0 {
        bail!("it contains no samples");
    }
    Ok(Sound { duration: frames as f64 / f64::from(rate), rate, channels, hash: hasher.finish(), warnings })
}

/// Reports every clip that is damaged or cannot be decoded.
pub(crate) fn report_bad(rows: &[ClipRow]) -> Done {
    let bad: Vec<&ClipRow> = rows.iter().filter(|row| row.error.is_some()).collect();
    for row in &bad {
        let why = row.error.as_deref().unwrap_or_default();
        match row.duration {
            Some(_) => messages::warning(format_args!("`{}`: {why}", row.name)),
            None => messages::error(format_args!("`{}`: {why}", row.name)),
        }
    }
    if bad.is_empty() { Done::Well } else { Done::InPart }
}
