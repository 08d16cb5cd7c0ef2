//! ESC-50: Parquet on the Hub, and the makers' repository.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::files::{Planted, write};
use super::parquet::{Row, parquet};
use super::sound::{Sound, wav};

const RATE: u32 = 44_100;
const FOLDS: usize = 5;
/// Clips of a class in each fold: two takes of four recordings.
const CLIPS: usize = 8;

/// `ashraq/esc50`: 2,000 rows in two shards. `esc10` are the classes that belong to ESC-10.
pub fn esc50(classes: &[&str], esc10: &[&str], sound: Sound<'_>) -> Planted {
    let rows = rows(classes, esc10, sound);
    let shards = ["train-00000-of-00002-2f1ab7b824ec751f", "train-00001-of-00002-27425e5c1846b494"];
    let files = shards.into_iter().zip(rows.chunks(rows.len().div_ceil(2)));
    Planted {
        repo: "datasets/ashraq/esc50",
        revision: "e3e2a63ffff66b9a9735524551e3818e96af03ee",
        files: files.map(|(name, rows)| (format!("data/{name}.parquet"), parquet(rows, &[]))).collect(),
        downloads: Vec::new(),
    }
}

/// A clone of the makers' repository below `root`: `meta/esc50.csv` and `audio/1-100032-A-0.wav`.
pub fn esc50_clone(root: &Path, classes: &[&str], esc10: &[&str], sound: Sound<'_>) {
    let mut table = "filename,fold,target,category,esc10,src_file,take\n".to_owned();
    let mut files = Vec::new();
    for row in rows(classes, esc10, sound) {
        let of = |column: &str| match &row.fields[column] {
            Value::String(text) => text.clone(),
            Value::Bool(true) => "True".to_owned(),
            Value::Bool(false) => "False".to_owned(),
            other => other.to_string(),
        };
        let cells = ["filename", "fold", "target", "category", "esc10", "src_file", "take"].map(of);
        table += &format!("{}\n", cells.join(","));
        files.push((format!("audio/{}", row.path), row.audio));
    }
    files.push(("meta/esc50.csv".to_owned(), table.into_bytes()));
    write(root, &files);
}

/// In the order of their file names, as in the real table.
fn rows(classes: &[&str], esc10: &[&str], sound: Sound<'_>) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for (target, category) in classes.iter().enumerate() {
        for clip in 0..FOLDS * CLIPS {
            let (fold, take) = (clip / CLIPS + 1, ["A", "B"][clip % 2]);
            let src_file = 100_000 + target * FOLDS * CLIPS + clip / 2;
            let path = format!("{fold}-{src_file}-{take}-{target}.wav");
            let fields = json!({
                "filename": path, "fold": fold, "target": target, "category": category,
                "esc10": esc10.contains(category), "src_file": src_file, "take": take,
            });
            let fields: Map<String, Value> = fields.as_object().unwrap().clone();
            rows.push(Row { path, audio: wav(&sound(target, clip, RATE), RATE), fields });
        }
    }
    rows.sort_by(|a, b| a.path.cmp(&b.path));
    rows
}
