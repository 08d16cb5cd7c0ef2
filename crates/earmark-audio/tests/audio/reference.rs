//! The larger reference files, where a checkout has them: twelve clips as libsndfile and ffmpeg decode them.

use std::collections::BTreeMap;

use earmark_audio::{DecodeOptions, Downmix, decode_file, decode_file_channels};
use earmark_testkit::{Golden, assert_close, reference, reference_dir};
use serde::Deserialize;

#[derive(Deserialize)]
struct Clip {
    file: String,
    subtype: String,
    sampling_rate: u32,
    channels: usize,
    frames: usize,
    libsndfile_mono_mean: Statistics,
}

#[derive(Deserialize)]
struct Statistics {
    n: usize,
    sum: f64,
    sumsq: f64,
    max: f32,
    min: f32,
}

impl Clip {
    /// The worst differences measured are 2.4e-7 for Vorbis and 3.6e-7 for MP3.
    fn tolerance(&self) -> f32 {
        if matches!(&*self.subtype, "VORBIS" | "MPEG_LAYER_III") { 1e-6 } else { 0.0 }
    }

    fn lossy(&self) -> bool {
        self.tolerance() > 0.0
    }
}

fn clips(test: &str) -> Option<(BTreeMap<String, Clip>, Golden)> {
    let json = std::fs::read_to_string(reference(test, "cases/audio/audio.json")?).expect("audio.json");
    let golden = Golden::open(reference(test, "cases/audio/decoded.safetensors")?);
    Some((serde_json::from_str(&json).expect("audio.json"), golden))
}

fn path(clip: &Clip) -> std::path::PathBuf {
    reference_dir().expect("clips were found in it").join("cases").join(&clip.file)
}

#[test]
fn channels_are_as_libsndfile_decodes_them() {
    let Some((clips, golden)) = clips("channels_are_as_libsndfile_decodes_them") else {
        return;
    };
    for (id, clip) in &clips {
        let decoded = decode_file_channels(path(clip), &DecodeOptions::default()).unwrap();
        assert_eq!(decoded.rate.hz(), clip.sampling_rate, "{id}");
        assert_eq!((decoded.planes.len(), decoded.planes[0].len()), (clip.channels, clip.frames), "{id}");
        assert_eq!(decoded.warnings, [], "{id}");
        let interleaved = |from: usize, to: usize| -> Vec<f32> {
            (from..to).flat_map(|frame| decoded.planes.iter().map(move |plane| plane[frame])).collect()
        };
        let shown = golden.shape(&format!("{id}.sndfile.head"))[0];
        let ends = [("head", 0, shown), ("tail", clip.frames - shown, clip.frames)];
        for (end, from, to) in ends {
            let want = golden.f32s(&format!("{id}.sndfile.{end}"));
            assert_close(&format!("{id} {end}"), &interleaved(from, to), &want, clip.tolerance());
        }
    }
}

#[test]
fn mono_is_the_mean_as_librosa_takes_it() {
    let Some((clips, golden)) = clips("mono_is_the_mean_as_librosa_takes_it") else {
        return;
    };
    for (id, clip) in &clips {
        let mono = decode_file(path(clip), &DecodeOptions::default()).unwrap().waveform.into_samples();
        let head = golden.f32s(&format!("{id}.mono.head"));
        assert_close(id, &mono[..head.len()], &head, clip.tolerance());
        if golden.has(&format!("{id}.mono")) {
            assert_close(id, &mono, &golden.f32s(&format!("{id}.mono")), clip.tolerance());
        }
        // The statistics see what lies between the ends that are stored.
        let want = &clip.libsndfile_mono_mean;
        let allowed = if clip.lossy() { 1e-6 * want.n as f64 } else { 1e-9 * want.n as f64 };
        let sum: f64 = mono.iter().map(|x| f64::from(*x)).sum();
        let sumsq: f64 = mono.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
        assert_eq!(mono.len(), want.n, "{id}");
        assert!((sum - want.sum).abs() <= allowed, "{id}: sum {sum}, expected {}", want.sum);
        assert!((sumsq - want.sumsq).abs() <= allowed, "{id}: squares {sumsq}, expected {}", want.sumsq);
        let extremes =
            [mono.iter().copied().fold(f32::MIN, f32::max), mono.iter().copied().fold(f32::MAX, f32::min)];
        assert_close(&format!("{id} extremes"), &extremes, &[want.max, want.min], clip.tolerance());
    }
}

#[test]
fn the_sqrt2_downmix_is_what_the_reference_pipeline_hears_in_a_file() {
    let test = "the_sqrt2_downmix_is_what_the_reference_pipeline_hears_in_a_file";
    let Some((clips, golden)) = clips(test) else {
        return;
    };
    let options = DecodeOptions { downmix: Downmix::Sqrt2, ..DecodeOptions::default() };
    for (id, clip) in &clips {
        let mono = decode_file(path(clip), &options).unwrap().waveform.into_samples();
        let head = golden.f32s(&format!("{id}.ffmpeg_mono.head"));
        // Stereo is exact but for ffmpeg's order of adding: 3.0e-8 measured.
        let tolerance = clip.tolerance().max(if clip.channels > 1 { 6e-8 } else { 0.0 });
        assert_close(id, &mono[..head.len()], &head, tolerance);
    }
}
