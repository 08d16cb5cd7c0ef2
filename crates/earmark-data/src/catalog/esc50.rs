//! ESC-50: 2 000 five-second clips, 50 classes, 5 official folds. CC BY-NC. <https://github.com/karolpiczak/ESC-50>
//!
//! Clips cut from one recording share a fold, so a random split leaks: split by the field `fold`.

use std::path::Path;

use earmark_labels::{LabelId, LabelSet};
use serde_json::Value;

use crate::catalog::published::{Layout, RemoteFile, Selection};
use crate::dataset::{About, AudioDataset, Clip};
use crate::error::{Error, ErrorKind, Task};
use crate::example::Fields;

/// The Hub dataset.
pub const REPO: &str = "ashraq/esc50";

/// `esc10` is the part under CC BY: ten classes, 400 clips.
pub(crate) const CONFIGS: &[&str] = &["default", "esc10"];

/// The classes, in the order of `target`.
#[rustfmt::skip]
pub const CLASSES: [&str; 50] = [
    "dog", "rooster", "pig", "cow", "frog", "cat", "hen", "insects", "sheep", "crow",
    "rain", "sea_waves", "crackling_fire", "crickets", "chirping_birds", "water_drops", "wind", "pouring_water", "toilet_flush", "thunderstorm",
    "crying_baby", "sneezing", "clapping", "breathing", "coughing", "footsteps", "laughing", "brushing_teeth", "snoring", "drinking_sipping",
    "door_wood_knock", "mouse_click", "keyboard_typing", "door_wood_creaks", "can_opening", "washing_machine", "vacuum_cleaner", "clock_alarm", "clock_tick", "glass_breaking",
    "helicopter", "chainsaw", "siren", "car_horn", "engine", "train", "church_bells", "airplane", "fireworks", "hand_saw",
];

/// The classes of ESC-10, in the same order.
#[rustfmt::skip]
const ESC10: [&str; 10] = [
    "dog", "rooster", "rain", "sea_waves", "crackling_fire", "crying_baby", "sneezing", "clock_tick", "helicopter", "chainsaw",
];

pub(crate) fn about() -> About {
    About {
        licence: Some("CC-BY-NC-3.0 (the clips of ESC-10: CC-BY-3.0)".into()),
        citation: Some(
            "K. J. Piczak. ESC: Dataset for Environmental Sound Classification. ACM Multimedia, 2015.".into(),
        ),
        home: Some("https://github.com/karolpiczak/ESC-50".into()),
    }
}

pub(crate) fn labels(selection: &Selection) -> LabelSet {
    let names = match selection.config.as_str() {
        "esc10" => LabelSet::from_names(ESC10),
        _ => LabelSet::from_names(CLASSES),
    };
    names.expect("the names differ")
}

pub(crate) fn rows(config: &str) -> usize {
    if config == "esc10" { 400 } else { 2000 }
}

pub(crate) fn layout(config: &str) -> Layout {
    let file = |name: &str| RemoteFile::hub(REPO, "main", format!("data/{name}.parquet"));
    let files = ["train-00000-of-00002-2f1ab7b824ec751f", "train-00001-of-00002-27425e5c1846b494"].map(file);
    let esc10 = |fields: &Fields| fields.get("esc10") == Some(&Value::Bool(true));
    Layout::Shards { files: files.into(), keep: (config == "esc10").then_some(esc10) }
}

/// Whether a folder is the repository of the dataset's makers.
pub(crate) fn is_here(root: &Path) -> bool {
    root.join("meta/esc50.csv").is_file() && root.join("audio").is_dir()
}

/// Lists the repository of the dataset's makers, unpacked: `meta/esc50.csv` and `audio`.
///
/// # Errors
/// A table with other columns, a clip that is not there, or more or fewer than 2 000.
pub fn open(root: impl AsRef<Path>) -> Result<AudioDataset, Error> {
    let root = root.as_ref();
    listed(root).map_err(|kind| Task::Open(root.to_path_buf()).failed(kind))
}

fn listed(root: &Path) -> Result<AudioDataset, ErrorKind> {
    let path = root.join("meta/esc50.csv");
    let bad = |why: String| ErrorKind::BadTable { path: path.clone(), why };
    let text = earmark_fs::read(&path, 16 << 20)?;
    let labels = LabelSet::from_names(CLASSES).expect("the names differ");
    let mut clips = Vec::new();
    let mut table = csv::Reader::from_reader(text.as_slice());
    let headers = table.headers().map_err(|error| bad(error.to_string()))?.clone();
    for row in table.records() {
        let row = row.map_err(|error| bad(error.to_string()))?;
        let line = row.position().map_or(0, csv::Position::line);
        let mut fields = Fields::new();
        for (column, value) in headers.iter().zip(row.iter()) {
            let value = match column {
                "fold" | "target" | "src_file" => {
                    value.parse::<i64>().map(Value::from).unwrap_or_else(|_| value.into())
                }
                "esc10" => Value::Bool(value == "True"),
                _ => value.into(),
            };
            fields.insert(column.to_owned(), value);
        }
        let of = |column: &str| {
            let value = fields.get(column).and_then(Value::as_str);
            value.map(str::to_owned).ok_or_else(|| bad(format!("it has no column `{column}`")))
        };
        let (name, class) = (of("filename")?, of("category")?);
        let label: LabelId =
            labels.id(&class).ok_or_else(|| bad(format!("line {line}: `{class}` is no class of ESC-50")))?;
        if name.contains(['/', '\\']) || name.starts_with('.') {
            return Err(bad(format!("line {line}: `{name}` is no plain file name")));
        }
        let clip = root.join("audio").join(&name);
        if !clip.is_file() {
            return Err(bad(format!("line {line}: `{}` is not there", clip.display())));
        }
        clips.push(Clip::new(name, clip, label).with_fields(fields));
    }
    if clips.len() != rows("default") {
        let why = format!("it lists {} clips where {} were published", clips.len(), rows("default"));
        return Err(ErrorKind::BadTable { path, why });
    }
    let mut dataset = AudioDataset::empty("esc50".into(), root.to_path_buf(), labels, about());
    dataset.clips = clips;
    dataset.classes_from = "the column `category`".to_owned();
    Ok(dataset)
}
