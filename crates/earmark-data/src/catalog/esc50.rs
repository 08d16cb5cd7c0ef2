//! ESC-50: 2 000 five-second clips, 50 classes, 5 official folds. CC BY-NC. <https://github.com/karolpiczak/ESC-50>
//!
//! Clips cut from one recording share a fold, so a random split leaks: split by the field `fold`.

use std::path::Path;

use earmark_error::Context as _;
use earmark_labels::{LabelId, LabelSet};
use serde_json::Value;

use crate::catalog::spec::{Checkout, ClassColumn, Config, Selection, Spec, SplitSpec};
use crate::clip::Clip;
use crate::dataset::AudioDataset;
use crate::error::{Error, ErrorKind, Task};
use crate::example::Fields;
use crate::read::layout::Layout;
use crate::read::remote::RemoteFile;

/// The Hub dataset.
pub const REPO: &str = "ashraq/esc50";
/// The commit of [`REPO`] that is read: the one that MTEB scores (embeddings-benchmark/mteb, `ESC50Clustering`).
pub const REVISION: &str = "e3e2a63ffff66b9a9735524551e3818e96af03ee";

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

/// How many clips there are.
const CLIPS: usize = 2000;

/// ESC-50, with its folds as a field. The configuration `esc10` is the part under CC BY.
pub static ESC50: Spec = Spec {
    id: "esc50",
    repo: REPO,
    licence: Some("CC-BY-NC-3.0 (the clips of ESC-10: CC-BY-3.0)"),
    citation: "K. J. Piczak. ESC: Dataset for Environmental Sound Classification. ACM Multimedia, 2015.",
    home: "https://github.com/karolpiczak/ESC-50",
    configs: &[
        Config {
            name: "default",
            splits: &[SplitSpec::new("train", CLIPS)],
            label_columns: &[ClassColumn { name: "category", classes: &CLASSES }],
        },
        Config {
            name: "esc10",
            splits: &[SplitSpec::new("train", 400)],
            label_columns: &[ClassColumn { name: "category", classes: &ESC10 }],
        },
    ],
    group_fields: &["fold", "src_file"],
    layout,
    fields_of_file,
    checkout: Some(Checkout { is_at: is_checkout, open: read_checkout }),
};

fn layout(selection: &Selection) -> Layout {
    let file = |name: &str| RemoteFile::hub(REPO, REVISION, format!("data/{name}.parquet"));
    let files = ["train-00000-of-00002-2f1ab7b824ec751f", "train-00001-of-00002-27425e5c1846b494"].map(file);
    let is_esc10 = |fields: &Fields| fields.get("esc10") == Some(&Value::Bool(true));
    Layout::Shards { files: files.into(), keep: (selection.config.name == "esc10").then_some(is_esc10) }
}

/// `1-100032-A-0`: fold, recording, take and class.
fn fields_of_file(stem: &str) -> Fields {
    let parts: Vec<&str> = stem.split('-').collect();
    let mut fields = Fields::new();
    if let [fold, src_file, take, ..] = parts.as_slice()
        && let (Ok(fold), Ok(src_file)) = (fold.parse::<u64>(), src_file.parse::<u64>())
    {
        fields.insert("fold".into(), fold.into());
        fields.insert("src_file".into(), src_file.into());
        fields.insert("take".into(), (*take).into());
    }
    fields
}

fn is_checkout(root: &Path) -> bool {
    root.join("meta/esc50.csv").is_file() && root.join("audio").is_dir()
}

/// Opens a clone of the original ESC-50 repository, with `meta/esc50.csv` and `audio`.
///
/// # Errors
/// When the table has other columns, a clip is missing, or there are not exactly 2 000 clips.
pub fn open(root: impl AsRef<Path>) -> Result<AudioDataset, Error> {
    let root = root.as_ref();
    read_checkout(root).with_context(|| Task::Open(root.to_path_buf()))
}

fn read_checkout(root: &Path) -> Result<AudioDataset, ErrorKind> {
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
        let label: LabelId = labels
            .id(&class)
            .ok_or_else(|| bad(format!("line {line}: `{class}` is not a class of ESC-50")))?;
        if name.contains(['/', '\\']) || name.starts_with('.') {
            return Err(bad(format!("line {line}: `{name}` is not a plain file name")));
        }
        let clip = root.join("audio").join(&name);
        if !clip.is_file() {
            return Err(bad(format!("line {line}: no such file `{}`", clip.display())));
        }
        clips.push(Clip::new(name, clip, label).with_fields(fields));
    }
    if clips.len() != CLIPS {
        let why = format!("it lists {} clips, but {CLIPS} were published", clips.len());
        return Err(ErrorKind::BadTable { path, why });
    }
    let mut dataset = AudioDataset::empty("esc50".into(), root.to_path_buf(), labels, ESC50.info());
    dataset.clips = clips;
    dataset.classes_from = "the column `category`".to_owned();
    Ok(dataset)
}
