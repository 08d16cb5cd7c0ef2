//! A sound becomes one clip at the model's rate: decoded and resampled block by block, of which only the part that was asked for is
//! kept.

use std::io::Cursor;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use earmark_audio::{Decoder, SampleRate, Waveform};
use earmark_error::chain;
use earmark_features::StreamResampler;
use earmark_pipeline::AudioOptions;

use crate::error::Refusal;
use crate::inference::batcher::Client;

/// A clip, and the length of the whole sound in seconds.
#[derive(Debug)]
pub(crate) struct Clip {
    pub(crate) waveform: Waveform,
    pub(crate) duration: f64,
}

/// The decoder of a sound in memory.
pub(crate) fn decoder(sound: Bytes, audio: &AudioOptions) -> Result<Decoder, earmark_audio::Error> {
    Decoder::from_reader(Cursor::new(sound), &audio.decode)
}

/// Decodes a sound whose errors call it `name`; of `span`, in seconds, or the whole. More than `longest` is refused, and whoever has
/// left is decoded no further for.
pub(crate) fn clip(
    (name, sound): (&str, Bytes),
    span: Option<(f64, f64)>,
    (audio, rate): (&AudioOptions, SampleRate),
    longest: Duration,
    client: &Client,
) -> Result<Clip, Refusal> {
    let undecodable = |error: earmark_audio::Error| {
        Refusal::unusable(format_args!("cannot decode `{name}`: {}", chain(&error)))
    };
    let unresampled = |error: earmark_features::Error| {
        Refusal::unusable(format_args!("cannot resample `{name}`: {}", chain(&error)))
    };
    let mut decoder = decoder(sound, audio).map_err(undecodable)?;
    let from = decoder.rate();
    let mut resampler = StreamResampler::new(from, rate, audio.resampler).map_err(unresampled)?;
    let mut part = Part::new(span, longest, rate);
    let (mut frames, mut block) = (0u64, Vec::new());
    while let Some(samples) = decoder.next_block().map_err(undecodable)? {
        if client.has_left() {
            return Err(Refusal::unread());
        }
        frames += samples.len() as u64;
        resampler.push(samples, &mut block).map_err(unresampled)?;
        part.take(&mut block)?;
    }
    resampler.finish(&mut block);
    part.take(&mut block)?;
    if span.is_some() && part.seen < part.range.start {
        return Err(Refusal::bad_request("the region begins behind the end of the sound"));
    }
    let waveform = Waveform::new(part.kept, rate).map_err(|error| match span {
        Some(_) => Refusal::bad_request("the region holds no sample"),
        None => Refusal::unusable(format_args!("cannot decode `{name}`: {error}")),
    })?;
    Ok(Clip { waveform, duration: frames as f64 / f64::from(from.hz()) })
}

/// The samples of a part, out of those that go by.
struct Part {
    range: Range<usize>,
    kept: Vec<f32>,
    seen: usize,
    longest: Duration,
    most: usize,
}

impl Part {
    fn new(span: Option<(f64, f64)>, longest: Duration, rate: SampleRate) -> Part {
        let at = |seconds: f64| (seconds * f64::from(rate.hz())).round() as usize;
        let range = span.map_or(0..usize::MAX, |(start, end)| at(start)..at(end));
        Part { range, kept: Vec::new(), seen: 0, longest, most: at(longest.as_secs_f64()) }
    }

    /// Empties `block`, which is what follows on what was seen before.
    fn take(&mut self, block: &mut Vec<f32>) -> Result<(), Refusal> {
        let inside = |at: usize| at.saturating_sub(self.seen).min(block.len());
        self.kept.extend_from_slice(&block[inside(self.range.start)..inside(self.range.end)]);
        self.seen += block.len();
        block.clear();
        match self.kept.len() <= self.most {
            true => Ok(()),
            false => Err(Refusal::unusable(format_args!(
                "longer than {} s, which is the most that is classified at once: ask for windows, or for a part",
                self.longest.as_secs_f64()
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_what_slicing_the_whole_gives_whatever_the_blocks() {
        let whole: Vec<f32> = (0..100).map(|x| x as f32).collect();
        let rate = SampleRate::new(10).unwrap();
        for (span, size) in [(0.0, 10.0), (0.0, 0.1), (2.5, 7.5), (9.9, 30.0), (10.0, 11.0), (20.0, 30.0)]
            .into_iter()
            .flat_map(|span| [1, 3, 50, 1000].map(|size| (span, size)))
        {
            let mut part = Part::new(Some(span), Duration::from_secs(60), rate);
            whole.chunks(size).for_each(|block| part.take(&mut block.to_vec()).unwrap());
            let sliced = whole.get(part.range.start..part.range.end.min(100)).unwrap_or_default();
            assert_eq!((part.kept.as_slice(), part.seen), (sliced, 100), "{span:?}, {size}");
        }
        let mut part = Part::new(None, Duration::from_secs(9), rate);
        let mut whole = whole;
        assert!(part.take(&mut whole).is_err());
    }
}
