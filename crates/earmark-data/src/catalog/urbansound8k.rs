//! UrbanSound8K: 8 732 sounds of a city, of up to four seconds, in ten classes and ten official folds. CC BY-NC.
//!
//! Clips cut from one recording share a fold, so a random split leaks: split by the field `fold`, and report the mean over the
//! ten folds, as the makers ask for. The recording is the field `fsID`.
//!
//! Nothing of it has been downloaded to write this file. Classes, their order (`classID`), folds and columns are those that the
//! makers document (<https://urbansounddataset.weebly.com/urbansound8k.html>); the number of rows, the columns of the Parquet files
//! and the licence are those of the card of [`REPO`] at commit 8aa9177. The files are the Hub's own conversion, sixteen of them as
//! in the dataset's folder `data`, whose names have a hash in them: so it is the one dataset here that is not read at a commit, for of
//! the conversion none is known.

use crate::catalog::spec::{ClassColumn, Config, Selection, Spec, SplitSpec};
use crate::example::Fields;
use crate::read::layout::Layout;
use crate::read::remote::RemoteFile;

/// The Hub dataset.
const REPO: &str = "danavery/urbansound8K";

/// The classes, in the order of `classID`.
#[rustfmt::skip]
const CLASSES: [&str; 10] = [
    "air_conditioner", "car_horn", "children_playing", "dog_bark", "drilling", "engine_idling", "gun_shot", "jackhammer", "siren",
    "street_music",
];

/// UrbanSound8K, with its folds as a field.
pub(crate) static URBANSOUND8K: Spec = Spec {
    id: "urbansound8k",
    repo: REPO,
    licence: Some("CC-BY-NC-4.0"),
    citation: "J. Salamon, C. Jacoby and J. P. Bello. A Dataset and Taxonomy for Urban Sound Research. ACM Multimedia, 2014.",
    home: "https://urbansounddataset.weebly.com/urbansound8k.html",
    configs: &[Config {
        name: "default",
        splits: &[SplitSpec::new("train", 8732)],
        label_columns: &[ClassColumn { name: "class", classes: &CLASSES }],
    }],
    group_fields: &["fold", "fsID"],
    layout,
    fields_of_file,
    checkout: None,
};

fn layout(_: &Selection) -> Layout {
    let file =
        |shard| RemoteFile::hub(REPO, "refs/convert/parquet", format!("default/train/{shard:04}.parquet"));
    Layout::Shards { files: (0..16).map(file).collect(), keep: None }
}

/// `100032-3-0-0`: recording, class, occurrence and slice.
fn fields_of_file(stem: &str) -> Fields {
    let recording = stem.split('-').next().and_then(|number| number.parse::<u64>().ok());
    let recording = recording.filter(|_| stem.split('-').count() == 4);
    recording.map(|number| ("fsID".to_owned(), number.into())).into_iter().collect()
}
