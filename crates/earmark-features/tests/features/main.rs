//! The crate's numbers against those of transformers and torchaudio.
#![allow(clippy::unwrap_used, reason = "what a helper cannot open fails its test")]

mod config;
mod golden;
mod limits;
mod reference;
mod resampling;

use earmark_audio::{SampleRate, Waveform};

fn clip(samples: Vec<f32>, hz: u32) -> Waveform {
    Waveform::new(samples, rate(hz)).unwrap()
}

fn rate(hz: u32) -> SampleRate {
    SampleRate::new(hz).unwrap()
}
