"""Makes the files in this folder, one small sound in every format, and decoded.safetensors: what other programs hear
in them. Run once, with ffmpeg and libsndfile; the tests only read the result.

    pip install numpy safetensors soundfile==0.14.0 imageio-ffmpeg    # libsndfile 1.2.2, ffmpeg 9.0.2
    python make.py

Keys of decoded.safetensors: `<file>` holds [channels, frames] as float32. Lossless files are whole and as libsndfile
(ffmpeg where it has no reader) decodes them. Lossy files are as ffmpeg decodes them, every 11th frame, with the number
of frames in `<file>.frames`.
"""
import os
import subprocess

import imageio_ffmpeg
import numpy as np
import soundfile as sf
from safetensors.numpy import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
FFMPEG = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "error", "-y"]
BITEXACT = ["-map_metadata", "-1", "-fflags", "+bitexact", "-flags:a", "+bitexact"]
STRIDE = 11


def sound(seconds, rate, channels):
    """A gliding chord with a click and a little noise: the left and the right channel are told apart at once."""
    noise = np.random.RandomState(7)
    t = np.arange(round(seconds * rate)) / rate
    planes = []
    for channel in range(channels):
        base = 220.0 * (channel + 1)
        x = 0.4 * np.sin(2 * np.pi * (base * t + 300 * t * t)) + 0.2 * np.sin(2 * np.pi * 2.5 * base * t)
        x += 0.02 * noise.randn(len(t)) + 0.01
        x[len(t) // 3] += 0.3
        planes.append(x)
    return np.clip(np.stack(planes, 1), -0.99, 0.99)


def path(name):
    return os.path.join(HERE, name)


def ffmpeg(name, samples, rate, *args, piped=False):
    """Encodes through a 32-bit float WAV; `piped` output cannot be sought in, as a browser's or a socket's."""
    source = path("source.tmp.wav")
    sf.write(source, samples, rate, subtype="FLOAT")
    target = "pipe:1" if piped else path(name)
    done = subprocess.run([*FFMPEG, "-i", source, *args, *BITEXACT, target], check=True, stdout=subprocess.PIPE)
    os.remove(source)
    if piped:
        with open(path(name), "wb") as f:
            f.write(done.stdout)


def heard_by_ffmpeg(name, channels):
    # Its own Opus decoder is 0.001 off the reference one; libopus is the reference.
    opus = ["-c:a", "libopus"] if name.startswith("opus") else []
    raw = subprocess.run([*FFMPEG, *opus, "-i", path(name), "-f", "f32le", "pipe:1"], check=True, stdout=subprocess.PIPE)
    return np.frombuffer(raw.stdout, "<f4").reshape(-1, channels).T.copy()


def heard_by_sndfile(name):
    return sf.read(path(name), dtype="float32", always_2d=True)[0].T.copy()


def with_clusters_of_unknown_size(name):
    """As Chrome's MediaRecorder writes them: it cannot go back to fill the size in."""
    data = open(path(name), "rb").read()
    head, *clusters = data.split(b"\x1f\x43\xb6\x75")
    for cluster in clusters:
        width = 9 - cluster[0].bit_length()  # An EBML size is as long as the zeros it starts with, and one.
        head += b"\x1f\x43\xb6\x75" + b"\x01" + b"\xff" * 7 + cluster[width:]
    assert len(clusters) > 1
    with open(path(name), "wb") as f:
        f.write(head)


expected = {}


def lossless(name, heard):
    expected[name] = heard


def lossy(name, channels):
    # ffmpeg does not trim the end of an Ogg Vorbis file as its last page asks.
    heard = heard_by_sndfile(name) if name == "vorbis.ogg" else heard_by_ffmpeg(name, channels)
    if name == "opus.mp4":  # Nor the end of Opus in MP4, where the track header says how long it is.
        heard = heard[:, :12000]
    expected[name] = heard[:, ::STRIDE].copy()
    expected[name + ".frames"] = np.array([heard.shape[1]], np.int64)


stereo = sound(0.03, 16000, 2)[:397]  # An odd number of frames.
mono = sound(0.03, 16000, 1)[:397]
for name, file_format, subtype in [
    ("u8.wav", "WAV", "PCM_U8"), ("s16.wav", "WAV", "PCM_16"), ("s24.wav", "WAV", "PCM_24"),
    ("s32.wav", "WAV", "PCM_32"), ("f32.wav", "WAV", "FLOAT"), ("f64.wav", "WAV", "DOUBLE"),
    ("ulaw.wav", "WAV", "ULAW"), ("alaw.wav", "WAV", "ALAW"), ("extensible_s24.wav", "WAVEX", "PCM_24"),
    ("rf64_s16.wav", "RF64", "PCM_16"),
    ("s8.au", "AU", "PCM_S8"), ("s16.au", "AU", "PCM_16"), ("s24.au", "AU", "PCM_24"), ("s32.au", "AU", "PCM_32"),
    ("f32.au", "AU", "FLOAT"), ("f64.au", "AU", "DOUBLE"), ("ulaw.au", "AU", "ULAW"), ("alaw.au", "AU", "ALAW"),
    ("s8.aiff", "AIFF", "PCM_S8"), ("s16.aiff", "AIFF", "PCM_16"), ("s24.aiff", "AIFF", "PCM_24"),
    ("s32.aiff", "AIFF", "PCM_32"), ("f32.aifc", "AIFF", "FLOAT"), ("f64.aifc", "AIFF", "DOUBLE"),
    ("ulaw.aifc", "AIFF", "ULAW"), ("alaw.aifc", "AIFF", "ALAW"),
    ("s16.caf", "CAF", "PCM_16"), ("f32.caf", "CAF", "FLOAT"),
    ("s16.flac", "FLAC", "PCM_16"), ("s24.flac", "FLAC", "PCM_24"),
]:
    sf.write(path(name), stereo, 16000, format=file_format, subtype=subtype)
    lossless(name, heard_by_sndfile(name))

# Too large a header for libsndfile to write by itself: BW64 is RF64 by another name.
rf64 = open(path("rf64_s16.wav"), "rb").read()
with open(path("bw64_s16.wav"), "wb") as f:
    f.write(rf64.replace(b"RF64", b"BW64", 1))
lossless("bw64_s16.wav", heard_by_sndfile("rf64_s16.wav"))

for name, samples, args, piped in [
    ("piped_s16.wav", stereo, ["-c:a", "pcm_s16le", "-f", "wav"], True),
    ("piped_s16.au", mono, ["-c:a", "pcm_s16be", "-f", "au"], True),
    ("sowt_s16.aifc", stereo, ["-c:a", "pcm_s16le", "-f", "aiff"], False),
    ("ima.wav", mono, ["-c:a", "adpcm_ima_wav"], False),
    ("ms.wav", stereo, ["-c:a", "adpcm_ms"], False),
    ("piped_ms.wav", stereo, ["-c:a", "adpcm_ms", "-f", "wav"], True),
    ("alac.m4a", stereo, ["-c:a", "alac"], False),
    ("flac.ogg", stereo, ["-c:a", "flac", "-sample_fmt", "s16"], False),
    ("flac.mp4", stereo, ["-c:a", "flac", "-sample_fmt", "s16", "-strict", "experimental"], False),
    ("flac.mka", stereo, ["-c:a", "flac", "-sample_fmt", "s16", "-f", "matroska"], False),
    ("piped.flac", stereo, ["-c:a", "flac", "-sample_fmt", "s16", "-f", "flac"], True),
    ("surround_s16.wav", sound(0.02, 16000, 6), ["-c:a", "pcm_s16le", "-channel_layout", "5.1"], False),
]:
    ffmpeg(name, samples, 16000, *args, piped=piped)
    lossless(name, heard_by_ffmpeg(name, samples.shape[1]))

for name, rate, channels, args, piped in [
    ("lame.mp3", 44100, 2, ["-c:a", "libmp3lame", "-b:a", "96k"], False),
    ("mono_22k.mp3", 22050, 1, ["-c:a", "libmp3lame", "-q:a", "5"], False),
    ("untagged.mp3", 44100, 1, ["-c:a", "libmp3lame", "-b:a", "64k", "-write_xing", "0", "-id3v2_version", "0"], False),
    ("untagged_vbr.mp3", 44100, 1, ["-c:a", "libmp3lame", "-q:a", "5", "-write_xing", "0"], False),
    ("layer2.mp2", 44100, 1, ["-c:a", "mp2", "-b:a", "64k"], False),
    ("vorbis.ogg", 44100, 2, ["-c:a", "libvorbis", "-q:a", "2"], False),
    ("vorbis.webm", 44100, 1, ["-c:a", "libvorbis", "-q:a", "2"], False),
    ("opus.ogg", 48000, 2, ["-c:a", "libopus", "-b:a", "64k"], False),
    ("opus_speech.ogg", 48000, 1, ["-c:a", "libopus", "-b:a", "12k", "-application", "voip"], False),
    ("opus_surround.ogg", 48000, 6, ["-c:a", "libopus", "-b:a", "192k", "-mapping_family", "1"], False),
    ("opus.webm", 48000, 1, ["-c:a", "libopus", "-b:a", "32k"], False),
    ("opus_live.webm", 48000, 1, ["-c:a", "libopus", "-b:a", "32k", "-f", "webm", "-live", "1",
                                   "-cluster_time_limit", "100"], True),
    ("opus.mp4", 48000, 1, ["-c:a", "libopus", "-b:a", "32k"], False),
    ("aac.m4a", 44100, 2, ["-c:a", "aac", "-b:a", "64k"], False),
    ("aac_fragmented.mp4", 48000, 1, ["-c:a", "aac", "-b:a", "48k", "-f", "mp4", "-movflags",
                                      "frag_keyframe+empty_moov+default_base_moof", "-frag_duration", "100000"], True),
    ("aac_delayed.mp4", 48000, 1, ["-c:a", "aac", "-b:a", "48k", "-f", "mp4", "-movflags",
                                   "frag_keyframe+delay_moov+default_base_moof"], True),
    ("lame.mka", 44100, 1, ["-c:a", "libmp3lame", "-b:a", "64k", "-f", "matroska"], False),
    ("aac.mka", 44100, 1, ["-c:a", "aac", "-b:a", "48k", "-f", "matroska"], False),
    ("adts.aac", 44100, 1, ["-c:a", "aac", "-b:a", "48k"], False),
]:
    samples = sound(0.25, rate, channels)
    if "vbr" in name:  # So quiet at first that the bit rate there says nothing about what follows.
        samples = np.concatenate([samples * 1e-4, samples])
    ffmpeg(name, samples, rate, *args, piped=piped)
    if name == "opus_live.webm":
        with_clusters_of_unknown_size(name)
    lossy(name, channels)

# For the tests of damage and of bombs, which compare a file with itself.
ffmpeg("long.flac", sound(1.2, 8000, 1)[:, :] * 0.02, 8000, "-c:a", "flac", "-sample_fmt", "s16")
ffmpeg("paged.ogg", sound(0.25, 44100, 1), 44100, "-c:a", "libvorbis", "-q:a", "2", "-page_duration", "50000")
ffmpeg("paged.opus", sound(0.25, 48000, 1), 48000, "-c:a", "libopus", "-b:a", "32k", "-page_duration", "50000",
       "-f", "ogg")
sf.write(path("silence.flac"), np.zeros(8000 * 60), 8000, subtype="PCM_16")
save_file(expected, path("decoded.safetensors"))
