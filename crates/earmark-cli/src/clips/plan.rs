//! The clips of a job: which stretch of which recording each holds, and where it is written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use earmark_audio::WavFormat;
use serde::Serialize;

use crate::clips::names::{Names, folders, safe, seconds};
use crate::clips::sounds::{Recording, Sound, Sounds};
use crate::input::path::{FileStamp, Input};

/// The table of the clips, beside their folders.
pub(crate) const MANIFEST: &str = "clips.csv";
/// The plan of the job, by which the same command knows its clips again.
pub(crate) const PLAN: &str = ".clips.plan";

/// How clips are cut.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Seconds that are added on either side.
    pub(crate) pad: f64,
    /// Seconds that a clip has at least, as far as its recording goes.
    pub(crate) min_length: f64,
    pub(crate) format: WavFormat,
}

/// All clips of a job. Two jobs whose plans are the same in JSON write the same files, if their recordings are the same.
#[derive(Debug, Serialize)]
pub(crate) struct Plan {
    format: &'static str,
    pub(crate) recordings: Vec<PlannedRecording>,
    /// By label, then from the highest score to the lowest.
    pub(crate) clips: Vec<PlannedClip>,
}

/// A recording that clips are cut from.
#[derive(Debug, Serialize)]
pub(crate) struct PlannedRecording {
    /// As the tables spell it.
    pub(crate) path: String,
    #[serde(skip)]
    pub(crate) file: PathBuf,
    /// The file as text.
    located: String,
    /// The file as it is now.
    #[serde(skip)]
    pub(crate) stamp: Option<FileStamp>,
    /// Places of its clips among those of the plan.
    #[serde(skip)]
    pub(crate) clips: Vec<usize>,
}

/// A clip that is to be cut.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct PlannedClip {
    /// `LABEL/NAME.wav`, below the folder of the job.
    pub(crate) file: String,
    /// Place of its recording among those of the plan.
    pub(crate) recording: usize,
    /// Where it is cut, in seconds from the recording's beginning.
    pub(crate) start: f64,
    pub(crate) end: f64,
    /// Where the sound in it ends, without padding.
    pub(crate) sound_end: f64,
    pub(crate) label: String,
    pub(crate) score: Option<f32>,
}

impl Plan {
    /// The plan for the chosen ones of some sounds; `locate` gives a recording's file.
    pub(crate) fn new(
        sounds: &Sounds,
        mut chosen: Vec<Sound>,
        shape: Shape,
        locate: impl Fn(&str) -> PathBuf,
    ) -> Plan {
        let folders = folders(&sounds.labels, &[MANIFEST, PLAN]);
        chosen.sort_by_key(|sound| &sounds.labels[sound.label]);
        let mut names = Names::default();
        let (mut recordings, mut places) = (Vec::new(), BTreeMap::new());
        let mut clips = Vec::new();
        for sound in chosen {
            let recording = &sounds.recordings[sound.recording];
            let place = *places.entry(sound.recording).or_insert_with(|| {
                let file = locate(&recording.path);
                let (path, located) = (recording.path.clone(), earmark_fs::text(&file));
                let stamp = Input::File(file.clone()).stamp();
                recordings.push(PlannedRecording { path, file, located, stamp, clips: Vec::new() });
                recordings.len() - 1
            });
            recordings[place].clips.push(clips.len());
            let name = format!("{}/{}", folders[sound.label], name(recording, &sound));
            let [start, end] = span(recording, &sound, shape);
            clips.push(PlannedClip {
                file: names.take(&name, ".wav"),
                recording: place,
                start,
                end,
                sound_end: sound.end,
                label: sounds.labels[sound.label].clone(),
                score: sound.score,
            });
        }
        let format = match shape.format {
            WavFormat::Float32 => "float32",
            _ => "pcm16",
        };
        Plan { format, recordings, clips }
    }
}

/// `0.934_night_12.0-15.0`
fn name(recording: &Recording, sound: &Sound) -> String {
    let stem = Path::new(&recording.path).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let score = sound.score.map(|score| format!("{score:.3}_")).unwrap_or_default();
    format!("{score}{}_{}-{}", safe(stem), seconds(sound.start), seconds(sound.end))
}

/// Where the clip of a sound is cut: with padding, then grown on both sides to the least length, within the recording.
fn span(recording: &Recording, sound: &Sound, shape: Shape) -> [f64; 2] {
    let (start, end) = (sound.start - shape.pad, sound.end + shape.pad);
    let missing = (shape.min_length - (end - start)).max(0.0) / 2.0;
    let (start, end) = ((start - missing).max(0.0), end + missing);
    // Never less than the sound itself: that is checked against the recording.
    let last = recording.duration.unwrap_or(f64::INFINITY).max(sound.end);
    [start, end.min(last)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound(start: f64, end: f64) -> Sound {
        Sound { recording: 0, label: 0, start, end, score: Some(0.9337) }
    }

    fn recording(path: &str, duration: Option<f64>) -> Recording {
        Recording { path: path.to_owned(), duration }
    }

    #[test]
    fn a_clip_is_padded_and_grown_within_its_recording() {
        let span = |start, end, pad, min_length| {
            let shape = Shape { pad, min_length, format: WavFormat::Pcm16 };
            span(&recording("a.wav", Some(60.0)), &sound(start, end), shape)
        };
        assert_eq!(span(10.0, 13.0, 0.0, 0.0), [10.0, 13.0]);
        assert_eq!(span(10.0, 13.0, 1.0, 0.0), [9.0, 14.0]);
        assert_eq!(span(10.0, 13.0, 1.0, 8.0), [7.5, 15.5]);
        assert_eq!(span(10.0, 13.0, 0.0, 2.0), [10.0, 13.0]);
        assert_eq!(span(0.5, 3.5, 1.0, 0.0), [0.0, 4.5]);
        assert_eq!(span(57.0, 60.0, 1.0, 10.0), [53.5, 60.0]);
        let unknown = Shape { pad: 1.0, min_length: 0.0, format: WavFormat::Pcm16 };
        assert_eq!(super::span(&recording("a.wav", None), &sound(57.0, 60.0), unknown), [56.0, 61.0]);
    }

    #[test]
    fn a_clip_is_called_by_its_score_recording_and_time() {
        for (path, want) in [
            ("site/night.1.flac", "0.934_night.1_12.0-15.25"),
            ("night", "0.934_night_12.0-15.25"),
            ("..", "0.934___12.0-15.25"),
        ] {
            assert_eq!(name(&recording(path, None), &sound(12.0, 15.25)), want);
        }
    }
}
