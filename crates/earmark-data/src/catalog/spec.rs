//! What is known of a published dataset before any of it is fetched.

use std::path::Path;

use earmark_labels::LabelSet;

use crate::dataset::{AudioDataset, DatasetInfo};
use crate::error::ErrorKind;
use crate::example::Fields;
use crate::read::layout::Layout;

/// A published dataset: its name, licence, configurations, splits and classes, and the location of its files.
///
/// [`CATALOG`](crate::CATALOG) lists all of them.
#[derive(Debug)]
pub struct Spec {
    /// Its name here: `minds14`.
    pub id: &'static str,
    /// The dataset on the Hub: `PolyAI/minds14`.
    pub repo: &'static str,
    /// The licence of the recordings, where it was published.
    pub licence: Option<&'static str>,
    /// The publication to cite.
    pub citation: &'static str,
    /// Its home page.
    pub home: &'static str,
    /// Its configurations, the default first.
    pub configs: &'static [Config],
    /// The fields that group clips, such as `fold` or `speaker_id`. A split that separates clips of a group overstates accuracy.
    pub group_fields: &'static [&'static str],
    /// Where the files of a selection lie, and what is in them.
    pub(crate) layout: fn(&Selection) -> Layout,
    /// The fields that a clip's file name says, without folders and extension, such as the speaker.
    pub(crate) fields_of_file: fn(&str) -> Fields,
    /// How the makers' own repository is read, where it is laid out in a way of its own.
    pub(crate) checkout: Option<Checkout>,
}

/// A configuration of a dataset: `en-AU` of MINDS-14.
#[derive(Debug, PartialEq, Eq)]
pub struct Config {
    /// Its name.
    pub name: &'static str,
    /// Its splits, the one for training first.
    pub splits: &'static [SplitSpec],
    /// The columns that can be the class, the default first.
    pub label_columns: &'static [ClassColumn],
}

/// A split of a configuration.
#[derive(Debug, PartialEq, Eq)]
pub struct SplitSpec {
    /// Its name: `train`, `validation` or `test`.
    pub name: &'static str,
    /// The number of clips that were published, if known.
    pub clips: Option<usize>,
}

/// A column whose values can be the classes.
#[derive(Debug, PartialEq, Eq)]
pub struct ClassColumn {
    /// The column.
    pub name: &'static str,
    /// Its classes, in id order.
    pub classes: &'static [&'static str],
}

/// The makers' repository as a folder on this machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Checkout {
    /// Whether a folder is that repository.
    pub(crate) is_at: fn(&Path) -> bool,
    /// Lists it.
    pub(crate) open: fn(&Path) -> Result<AudioDataset, ErrorKind>,
}

/// A published dataset with a configuration, a split and a label column: what `minds14:en-AU` selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selection {
    /// The dataset.
    pub dataset: &'static Spec,
    /// Its configuration.
    pub config: &'static Config,
    /// Its split.
    pub split: &'static SplitSpec,
    /// The column with the class.
    pub label_column: &'static ClassColumn,
}

/// Two datasets are the same when they have the same name.
impl PartialEq for Spec {
    fn eq(&self, other: &Spec) -> bool {
        self.id == other.id
    }
}

impl Eq for Spec {}

impl Spec {
    pub(crate) fn info(&self) -> DatasetInfo {
        DatasetInfo {
            licence: self.licence.map(str::to_owned),
            citation: Some(self.citation.to_owned()),
            home: Some(self.home.to_owned()),
        }
    }
}

impl SplitSpec {
    pub(crate) const fn new(name: &'static str, clips: usize) -> SplitSpec {
        SplitSpec { name, clips: Some(clips) }
    }
}

impl Selection {
    /// `minds14:en-AU`.
    pub fn name(&self) -> String {
        format!("{}:{}", self.dataset.id, self.config.name)
    }

    /// Its classes.
    pub fn labels(&self) -> LabelSet {
        LabelSet::from_names(self.label_column.classes.iter().copied())
            .expect("the classes of a dataset differ")
    }
}

/// Of a dataset whose file names say nothing.
pub(crate) fn no_fields(_: &str) -> Fields {
    Fields::new()
}

/// Lists of names, one after the other, as one list of `N`.
pub(crate) const fn join<const N: usize>(lists: &[&[&'static str]]) -> [&'static str; N] {
    let (mut joined, mut filled, mut list) = ([""; N], 0, 0);
    while list < lists.len() {
        let mut at = 0;
        while at < lists[list].len() {
            joined[filled] = lists[list][at];
            filled += 1;
            at += 1;
        }
        list += 1;
    }
    assert!(filled == N, "the lists have as many names as their union is declared to have");
    joined
}
