//! The largest batch that memory has room for.

use std::iter;
use std::sync::atomic::{AtomicBool, Ordering};

use earmark_error::{Attempt as _, Context as _};
use earmark_models::supports_gradient_checkpointing as is_cpu;

use crate::artifacts::checkpoint::{Restored, State};
use crate::clips::Clips;
use crate::clips::prepare::Preparation;
use crate::clips::targets::Targets;
use crate::error::{Doing, Error, ErrorKind};
use crate::recipe::Check;
use crate::run::event::{Callback, Event};
use crate::run::job::Job;
use crate::run::start::{begin, lora};
use crate::step::loss::Loss;
use crate::step::resident;
use crate::step::trained::Trained;
use crate::step::trainer::Trainer;

/// Of what is free, the share that a step may take: others take some of it meanwhile.
const SHARE: f64 = 0.8;

/// The largest power of two of clips that a step fits into memory with, as [`find_batch_size`] found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundBatchSize {
    /// Clips per batch.
    pub clips: usize,
    /// The most memory that a step with them took, and that it may take, in bytes; `None` where a device only says when it is full.
    pub peak_and_limit: Option<[u64; 2]>,
}

/// Takes steps with 1, 2, 4 … times the longest clip, until the next would not fit, or there are no more clips. Nothing of
/// them is kept. On the CPU `memory_limit`, in bytes, says what this process may take; where it is `None`, four fifths of what it
/// could.
///
/// # Errors
/// As [`train`](crate::train()) before its first step; and where a single clip does not fit, or the system does not tell how much memory a
/// step takes.
pub fn find_batch_size(
    job: &Job,
    memory_limit: Option<u64>,
    on_event: &Callback<'_>,
    stop: &AtomicBool,
) -> Result<FoundBatchSize, Error> {
    let Job { recipe, dataset, device, .. } = job;
    recipe.validate()?;
    let doing = || Doing("cannot find a batch size".to_owned());
    let refused = |why: String| doing().failed(ErrorKind::Value { key: "batch_size", why });
    if recipe.check == Check::Lazily {
        let why =
            "is to be found, which takes the longest clip, but `check` is lazily: take all, or give a number";
        return Err(refused(why.to_owned()));
    }
    let measures = is_cpu(device);
    let limit = match memory_limit {
        _ if !measures => None,
        Some(limit) => Some(limit),
        None => resident::available().map(|free| (free as f64 * SHARE) as u64),
    };
    if measures && (limit.is_none() || resident::reset_peak().is_err()) {
        let why = "is to be found, but this system does not tell how much memory a step takes: give a number";
        return Err(refused(why.to_owned()));
    }
    let labels = dataset.labels.names().to_vec();
    let Restored { optimizer, model, .. } = begin(job, &job.start, &labels, &|_| {})?;
    let lora = lora(job, &model.network, 0)?;
    let (preparation, total) = (Preparation::new(&model, recipe), dataset.clips.len());
    let mut checking = |done| on_event(&Event::Checking { done, total });
    let most_kept = recipe.most_kept();
    let (clips, _) = Clips::open_keeping(
        most_kept,
        dataset,
        preparation,
        job.cache.clone(),
        recipe.skip_bad,
        &mut checking,
        stop,
    )?;
    let Some(longest) = (0..clips.clips().len()).max_by_key(|&row| clips.length(row)) else {
        return Err(refused("is to be found, but there is no clip".to_owned()));
    };
    // Which weights the classes have changes nothing of what a step takes.
    let (rows, of_class) = (clips.clips().len(), vec![1; labels.len()]);
    let loss = Loss::new(recipe, &labels, rows, &of_class, &device.clone().autodiff());
    let loss = loss.with_context(doing)?;
    let trained = Trained { network: model.network, lora };
    let mut trainer = Trainer::new(recipe, 1, loss, device, trained, None, optimizer);
    let mut state = State::default();
    // What a step with so many clips takes.
    let mut step = |count: usize| -> Result<Option<u64>, Error> {
        if stop.load(Ordering::Relaxed) {
            return Err(doing().failed(ErrorKind::Interrupted));
        }
        let _ = resident::reset_peak();
        let batch = clips.batch(&vec![longest; count]);
        trainer.step(&mut state, &Targets::of(clips.clips(), &vec![longest; count]), iter::once(batch))?;
        Ok(match measures {
            true => resident::peak(),
            // A device that was full has computed the batch in pieces.
            false => state.most_clips.map(|_| u64::MAX),
        })
    };
    let base = resident::resident().filter(|_| measures);
    let mut found: Option<FoundBatchSize> = None;
    // By how much a step with twice as many clips would take more.
    let mut growth = 0;
    let mut count = 1;
    while count <= rows {
        let before = found.and_then(|found| found.peak_and_limit).map(|[peak, _]| peak);
        if before.zip(limit).is_some_and(|(peak, limit)| peak.saturating_add(growth) > limit) {
            break;
        }
        let peak = step(count)?;
        let is_full = match limit {
            Some(limit) => peak.is_none_or(|peak| peak > limit),
            None => peak.is_some(),
        };
        if is_full {
            break;
        }
        growth = match (peak, before, base) {
            (Some(peak), Some(before), _) => 2 * peak.saturating_sub(before),
            (Some(peak), None, Some(base)) => peak.saturating_sub(base),
            _ => 0,
        };
        let peak_and_limit = peak.zip(limit).map(|(peak, limit)| [peak, limit]);
        found = Some(FoundBatchSize { clips: count, peak_and_limit });
        count *= 2;
    }
    let gib = |bytes: u64| bytes as f64 / (1_u64 << 30) as f64;
    found.ok_or_else(|| match limit {
        Some(limit) => refused(format!(
            "cannot even be 1: a step with the longest clip takes more than the {:.1} GiB that it may",
            gib(limit)
        )),
        None => doing().failed(ErrorKind::OutOfMemory),
    })
}
