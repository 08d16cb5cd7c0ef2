//! One test a container and codec. The README's table names them.

use earmark_audio::{DecodeOptions, decode_file_channels};
use earmark_testkit::{Golden, assert_close};

use crate::fixture;

/// `make.py` stores every so many frames of a lossy file.
const STRIDE: usize = 11;

/// Decodes a file to planes, one after another, as the golden has them.
#[track_caller]
fn decoded(name: &str, stride: usize) -> (usize, Vec<f32>) {
    let clip = decode_file_channels(fixture(name), &DecodeOptions::default()).expect(name);
    assert_eq!(clip.warnings, [], "{name} is sound");
    let planes = clip.planes.iter();
    (clip.planes[0].len(), planes.flat_map(|plane| plane.iter().step_by(stride).copied()).collect())
}

#[track_caller]
fn is_exact(name: &str) {
    let golden = Golden::open(fixture("decoded.safetensors"));
    let (frames, samples) = decoded(name, 1);
    assert_eq!(frames, golden.shape(name)[1], "{name}: frames");
    assert_close(name, &samples, &golden.f32s(name), 0.0);
}

#[track_caller]
fn is_within(name: &str, tolerance: f32) {
    let golden = Golden::open(fixture("decoded.safetensors"));
    let (frames, samples) = decoded(name, STRIDE);
    assert_eq!(frames as f32, golden.f32s(&format!("{name}.frames"))[0], "{name}: frames");
    assert_close(name, &samples, &golden.f32s(name), tolerance);
}

macro_rules! lossless {
    ($($claim:ident: $file:literal,)*) => { $(#[test] fn $claim() { is_exact($file); })* };
}

/// The tolerance is the next round number above the worst difference measured, which stands behind it.
macro_rules! lossy {
    ($($claim:ident: $file:literal, $tolerance:literal,)*) => {
        $(#[test] fn $claim() { is_within($file, $tolerance); })*
    };
}

lossless! {
    wav_u8: "u8.wav",
    wav_s16: "s16.wav",
    wav_s24: "s24.wav",
    wav_s32: "s32.wav",
    wav_f32: "f32.wav",
    wav_f64: "f64.wav",
    wav_mu_law: "ulaw.wav",
    wav_a_law: "alaw.wav",
    wav_ima_adpcm: "ima.wav",
    wav_ms_adpcm: "ms.wav",
    wav_ms_adpcm_from_a_pipe: "piped_ms.wav",
    wav_extensible: "extensible_s24.wav",
    wav_surround: "surround_s16.wav",
    wav_from_a_pipe: "piped_s16.wav",
    wav_rf64: "rf64_s16.wav",
    wav_bw64: "bw64_s16.wav",
    au_s8: "s8.au",
    au_s16: "s16.au",
    au_s24: "s24.au",
    au_s32: "s32.au",
    au_f32: "f32.au",
    au_f64: "f64.au",
    au_mu_law: "ulaw.au",
    au_a_law: "alaw.au",
    au_from_a_pipe: "piped_s16.au",
    aiff_s8: "s8.aiff",
    aiff_s16: "s16.aiff",
    aiff_s24: "s24.aiff",
    aiff_s32: "s32.aiff",
    aifc_f32: "f32.aifc",
    aifc_f64: "f64.aifc",
    aifc_mu_law: "ulaw.aifc",
    aifc_a_law: "alaw.aifc",
    aifc_little_endian: "sowt_s16.aifc",
    caf_s16: "s16.caf",
    caf_f32: "f32.caf",
    flac_s16: "s16.flac",
    flac_s24: "s24.flac",
    flac_from_a_pipe: "piped.flac",
    flac_in_ogg: "flac.ogg",
    flac_in_mp4: "flac.mp4",
    flac_in_matroska: "flac.mka",
    alac_in_m4a: "alac.m4a",
}

lossy! {
    mp3_without_its_encoder_delay: "lame.mp3", 1e-6, // 7.8e-7
    mp3_of_mpeg_2: "mono_22k.mp3", 2e-6, // 1.1e-6
    mp3_without_a_tag: "untagged.mp3", 1e-6, // 8.4e-7
    mp3_of_variable_rate_without_a_tag: "untagged_vbr.mp3", 1e-6, // 7.8e-7
    mp3_in_matroska: "lame.mka", 1e-6, // 6.0e-7
    mp2: "layer2.mp2", 4e-5, // 3.0e-5: ffmpeg's decoder for layer 2 rounds to 16 bits
    vorbis_in_ogg: "vorbis.ogg", 1e-6, // 1.8e-7
    vorbis_in_webm: "vorbis.webm", 1e-6, // 1.8e-7
    opus_in_ogg: "opus.ogg", 2e-5, // 1.53e-5
    opus_speech: "opus_speech.ogg", 1e-6, // 0: SILK is bit-exact
    opus_surround: "opus_surround.ogg", 2e-5, // 1.54e-5
    opus_in_webm: "opus.webm", 2e-5, // 1.53e-5
    opus_in_webm_of_unknown_size: "opus_live.webm", 2e-5, // 1.53e-5
    opus_in_mp4: "opus.mp4", 2e-5, // 1.53e-5
    aac_without_its_priming: "aac.m4a", 1e-5, // 3.5e-6
    aac_in_fragments: "aac_fragmented.mp4", 1e-5, // 4.4e-6
    aac_in_fragments_without_its_priming: "aac_delayed.mp4", 1e-5, // 4.0e-6
    aac_in_matroska: "aac.mka", 1e-5, // 2.6e-6
    aac_in_adts: "adts.aac", 1e-5, // 2.9e-6
}
