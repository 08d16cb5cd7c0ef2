//! Cuts the clips of a recording while it is decoded once from its beginning, in bounded memory.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use earmark_audio::{DecodeOptions, Decoder, SampleRate, WavFormat, WavWriter};

use crate::args::audio;
use crate::clips::plan::PlannedClip;
use crate::output::causes::brief;
use crate::output::clock::clock;

/// Clips that are written at once. Where more overlap, the recording is decoded again for the others.
const MOST_OPEN: usize = 32;

/// How much earlier than the sounds found in it a recording may end, in seconds: they were found at another rate.
const ROUNDING: f64 = 0.1;

/// Cuts clips below a folder.
pub(crate) struct Cutter<'a> {
    pub(crate) folder: &'a Path,
    /// Whether clips that are there are kept.
    pub(crate) is_resumed: bool,
    pub(crate) format: WavFormat,
    pub(crate) stop: &'a AtomicBool,
    pub(crate) bar: &'a indicatif::ProgressBar,
}

/// Where a clip ends in its recording, in seconds, or why there is none; `None` for one that was not reached before the stop.
pub(crate) type Outcome = Option<Result<f64, String>>;

/// A clip as samples.
#[derive(Clone, Copy)]
struct Part {
    /// Its place among the clips of the recording.
    clip: usize,
    /// Its first sample, and the one behind its last.
    first: u64,
    last: u64,
}

impl Part {
    /// Where the clip ends, in seconds, if its recording gives it samples up to `last`.
    fn end(self, last: u64, planned: &PlannedClip, rate: SampleRate) -> f64 {
        if last == self.last { planned.end } else { last as f64 / f64::from(rate.hz()) }
    }
}

impl Cutter<'_> {
    /// Cuts the clips of a recording, and says what became of each.
    ///
    /// # Errors
    /// When a clip cannot be written: then no other can.
    pub(crate) fn cut(&self, recording: &Path, name: &str, clips: &[&PlannedClip]) -> Result<Vec<Outcome>> {
        let mut outcomes: Vec<Outcome> = vec![None; clips.len()];
        let mut left: Vec<usize> = Vec::new();
        for (clip, outcome) in outcomes.iter_mut().enumerate() {
            let written = self.is_resumed.then(|| length(&self.folder.join(&clips[clip].file))).flatten();
            match written {
                Some((frames, rate)) => {
                    let part = part(clip, clips[clip], rate);
                    *outcome = Some(Ok(part.end(part.first + frames, clips[clip], rate)));
                }
                None => left.push(clip),
            }
        }
        self.bar.inc((clips.len() - left.len()) as u64);
        left.sort_by(|&a, &b| clips[a].start.total_cmp(&clips[b].start));
        while !left.is_empty() && !self.stop.load(Ordering::Relaxed) {
            let (now, later) = at_once(&left, clips);
            self.pass(recording, name, clips, &now, &mut outcomes)?;
            left = later;
        }
        Ok(outcomes)
    }

    /// Decodes the recording as far as these clips need it, and cuts them.
    fn pass(
        &self,
        recording: &Path,
        name: &str,
        clips: &[&PlannedClip],
        now: &[usize],
        outcomes: &mut [Outcome],
    ) -> Result<()> {
        // One block at a time is in memory, however long the recording.
        let options = DecodeOptions { max_duration: Duration::MAX, ..DecodeOptions::default() };
        let mut decoder = match Decoder::open(recording, &options) {
            Ok(decoder) => decoder,
            Err(error) => {
                self.fail(now.iter().copied(), outcomes, &brief(&error.kind));
                return Ok(());
            }
        };
        let (rate, channels) = (decoder.rate(), decoder.channels());
        let mut waiting = now.iter().map(|&clip| part(clip, clips[clip], rate)).peekable();
        let mut open: Vec<(Part, WavWriter)> = Vec::new();
        let mut position = 0;
        while waiting.peek().is_some() || !open.is_empty() {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            let block = match decoder.next_planes() {
                Ok(Some(block)) => block,
                Ok(None) => break,
                Err(error) => {
                    let unfinished =
                        open.iter().map(|(part, _)| part.clip).chain(waiting.map(|part| part.clip));
                    self.fail(unfinished, outcomes, &brief(&error.kind));
                    return Ok(());
                }
            };
            let end = position + block[0].len() as u64;
            let mut still_open = Vec::new();
            for (part, mut wav) in open {
                wav.write(&within(block, position, &part))?;
                match part.last <= end {
                    true => self.finish(part, wav, clips[part.clip].end, outcomes)?,
                    false => still_open.push((part, wav)),
                }
            }
            while let Some(part) = waiting.next_if(|part| part.first < end) {
                let mut wav = self.create(clips[part.clip], channels, rate)?;
                wav.write(&within(block, position, &part))?;
                match part.last <= end {
                    true => self.finish(part, wav, clips[part.clip].end, outcomes)?,
                    false => still_open.push((part, wav)),
                }
            }
            open = still_open;
            position = end;
        }
        audio::warn(name, &decoder.warnings());
        let played = position as f64 / f64::from(rate.hz());
        let too_short = |clip: usize| {
            let PlannedClip { start, sound_end, .. } = clips[clip];
            format!(
                "it ends at {}, before the sound from {} to {} does: is it the recording that was classified?",
                clock(played),
                clock(*start),
                clock(*sound_end)
            )
        };
        for (part, wav) in open {
            match clips[part.clip].sound_end <= played + ROUNDING {
                true => self.finish(part, wav, part.end(position, clips[part.clip], rate), outcomes)?,
                false => self.fail([part.clip], outcomes, &too_short(part.clip)),
            }
        }
        for part in waiting {
            self.fail([part.clip], outcomes, &too_short(part.clip));
        }
        Ok(())
    }

    fn create(&self, clip: &PlannedClip, channels: usize, rate: SampleRate) -> Result<WavWriter> {
        let path = self.folder.join(&clip.file);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot make the folder `{}`", folder.display()))?;
        }
        Ok(WavWriter::create(path, channels, rate, self.format)?)
    }

    fn finish(&self, part: Part, wav: WavWriter, end: f64, outcomes: &mut [Outcome]) -> Result<()> {
        wav.finish()?;
        outcomes[part.clip] = Some(Ok(end));
        self.bar.inc(1);
        Ok(())
    }

    fn fail(&self, clips: impl IntoIterator<Item = usize>, outcomes: &mut [Outcome], why: &str) {
        for clip in clips {
            outcomes[clip] = Some(Err(why.to_owned()));
            self.bar.inc(1);
        }
    }
}

/// Of clips in the order of their starts, those that can be written in one pass, and the others.
fn at_once(order: &[usize], clips: &[&PlannedClip]) -> (Vec<usize>, Vec<usize>) {
    let mut ends = BinaryHeap::new();
    order.iter().partition(|&&clip| {
        // As microseconds: integers have an order.
        let [start, end] = [clips[clip].start, clips[clip].end].map(|at| (at * 1e6) as u64);
        while ends.peek().is_some_and(|Reverse(end)| *end <= start) {
            ends.pop();
        }
        let has_room = ends.len() < MOST_OPEN;
        if has_room {
            ends.push(Reverse(end));
        }
        has_room
    })
}

fn part(clip: usize, planned: &PlannedClip, rate: SampleRate) -> Part {
    let [first, last] = [planned.start, planned.end].map(|at| (at * f64::from(rate.hz())).round() as u64);
    Part { clip, first, last: last.max(first + 1) }
}

/// What a part has of a block whose first sample is number `position` of the recording.
fn within<'a>(block: &'a [Vec<f32>], position: u64, part: &Part) -> Vec<&'a [f32]> {
    let frames = block[0].len() as u64;
    let [from, to] = [part.first, part.last].map(|at| at.saturating_sub(position).min(frames) as usize);
    block.iter().map(|plane| &plane[from..to]).collect()
}

/// How many samples a channel a clip has that is there and whole, and at which rate.
fn length(clip: &Path) -> Option<(u64, SampleRate)> {
    if !clip.is_file() {
        return None;
    }
    let options = DecodeOptions { max_duration: Duration::MAX, ..DecodeOptions::default() };
    let mut decoder = Decoder::open(clip, &options).ok()?;
    let mut frames = 0;
    while let Some(block) = decoder.next_planes().ok()? {
        frames += block[0].len() as u64;
    }
    Some((frames, decoder.rate()))
}
