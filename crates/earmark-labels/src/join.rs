use std::cmp::Reverse;

use earmark_error::Context as _;

use crate::error::{Error, ErrorKind, Reading};
use crate::label_set::{LabelId, LabelSet};
use crate::unmatched::Unmatched;

/// The labels of a dataset, each with the class of a model that has the same name.
///
/// Two names are the same when they differ only in case and in hyphens, underscores and spaces. The order of the labels does not matter: a
/// model may have the labels of a dataset under other ids.
///
/// ```
/// use earmark_labels::{LabelId, LabelJoin, LabelSet};
///
/// let dataset = LabelSet::from_names(["glass_breaking", "Dog"])?;
/// let model = LabelSet::from_names(["dog", "cat", "glass breaking"])?;
/// let join = LabelJoin::new(&dataset, &model)?;
/// assert_eq!(join.complete()?, [LabelId::new(2), LabelId::new(0)]);
/// # Ok::<(), earmark_labels::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelJoin {
    classes: Vec<Option<LabelId>>,
    unmatched: Vec<Unmatched>,
    unused: Vec<String>,
}

impl LabelJoin {
    /// Joins by name.
    ///
    /// # Errors
    /// [`ErrorKind::Ambiguous`] when a label of the dataset has the name of several classes of the model, and is not spelled exactly as
    /// one of them; [`ErrorKind::Shared`] when several labels of the dataset have the name of one class.
    pub fn new(dataset: &LabelSet, model: &LabelSet) -> Result<Self, Error> {
        Self::with_aliases(dataset, model, &[])
    }

    /// Joins by name, after `aliases`: pairs of a label of the dataset and the label of the model that means the same. Several labels of
    /// the dataset may have one class through them.
    ///
    /// # Errors
    /// Those of [`new`](Self::new); [`ErrorKind::Alias`] when the dataset or the model has no such label.
    pub fn with_aliases(
        dataset: &LabelSet,
        model: &LabelSet,
        aliases: &[(&str, &str)],
    ) -> Result<Self, Error> {
        Self::joined(dataset, model, aliases).context(Reading("this model for this dataset"))
    }

    fn joined(dataset: &LabelSet, model: &LabelSet, aliases: &[(&str, &str)]) -> Result<Self, ErrorKind> {
        let keys: Vec<String> = model.names().iter().map(|name| key(name)).collect();
        let mut classes: Vec<Option<LabelId>> = vec![None; dataset.len()];
        for &(from, to) in aliases {
            let unknown = |label: &str, of: &'static str| ErrorKind::Alias { label: label.to_owned(), of };
            let label = dataset.id(from).ok_or_else(|| unknown(from, "dataset"))?;
            classes[label.index()] = Some(model.id(to).ok_or_else(|| unknown(to, "model"))?);
        }
        let aliased: Vec<bool> = classes.iter().map(Option::is_some).collect();
        // The label of the dataset that has a class by its name.
        let mut taken: Vec<Option<&str>> = vec![None; model.len()];
        for (label, name) in dataset.iter().filter(|(label, _)| !aliased[label.index()]) {
            let Some(class) = class_of(name, model, &keys)? else { continue };
            if let Some(first) = taken[class.index()].replace(name) {
                let labels = [first, name].map(str::to_owned).to_vec();
                return Err(ErrorKind::Shared { class: model[class].to_owned(), labels });
            }
            classes[label.index()] = Some(class);
        }
        let unused: Vec<String> = model
            .iter()
            .filter(|(class, _)| !classes.contains(&Some(*class)))
            .map(|(_, name)| name.to_owned())
            .collect();
        let unmatched = dataset
            .iter()
            .filter(|(label, _)| classes[label.index()].is_none())
            .map(|(_, name)| Unmatched { label: name.to_owned(), nearest: nearest(name, &unused) })
            .collect();
        Ok(Self { classes, unmatched, unused })
    }

    /// The class of each label of the dataset, in its order; `None` for a label that the model does not have.
    pub fn classes(&self) -> &[Option<LabelId>] {
        &self.classes
    }

    /// The labels of the dataset that the model does not have.
    pub fn unmatched(&self) -> &[Unmatched] {
        &self.unmatched
    }

    /// The labels of the model that the dataset does not have.
    pub fn unused(&self) -> &[String] {
        &self.unused
    }

    /// The class of each label of the dataset, in its order.
    ///
    /// # Errors
    /// [`ErrorKind::Unmatched`] lists the labels that the model does not have, each with the nearest, and what the model has instead.
    pub fn complete(&self) -> Result<Vec<LabelId>, Error> {
        let classes: Option<Vec<LabelId>> = self.classes.iter().copied().collect();
        let unmatched =
            || ErrorKind::Unmatched { labels: self.unmatched.clone(), unused: self.unused.clone() };
        classes.ok_or_else(unmatched).context(Reading("this model for this dataset"))
    }
}

fn class_of(name: &str, model: &LabelSet, keys: &[String]) -> Result<Option<LabelId>, ErrorKind> {
    let which =
        |same: &dyn Fn(usize) -> bool| (0..model.len()).filter(|&class| same(class)).collect::<Vec<_>>();
    let mut found = which(&|class| model.names()[class] == name);
    if found.is_empty() {
        let key = key(name);
        found = which(&|class| keys[class] == key);
    }
    match found[..] {
        [] => Ok(None),
        [class] => Ok(Some(LabelId::new(class))),
        _ => Err(ErrorKind::Ambiguous {
            label: name.to_owned(),
            classes: found.iter().map(|&class| model.names()[class].clone()).collect(),
        }),
    }
}

/// A name without what may differ: `Glass-Breaking` and `glass_breaking` as `glass breaking`.
fn key(name: &str) -> String {
    let lower = name.to_lowercase();
    let words =
        lower.split(|c: char| c.is_whitespace() || c == '-' || c == '_').filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

fn nearest(name: &str, candidates: &[String]) -> Vec<String> {
    /// Below this the names have little in common: `dog` and `door knock` have 0.70.
    const SIMILAR: f64 = 0.75;
    let of = key(name);
    // Whole numbers, because they have an order.
    let similarity = |other: &String| (1e6 * strsim::jaro_winkler(&of, &key(other))) as u64;
    let mut ranked: Vec<(u64, &String)> = candidates
        .iter()
        .map(|other| (similarity(other), other))
        .filter(|(similarity, _)| *similarity >= (1e6 * SIMILAR) as u64)
        .collect();
    ranked.sort_by_key(|&(similarity, _)| Reverse(similarity));
    ranked.into_iter().take(3).map(|(_, other)| other.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(names: &[&str]) -> LabelSet {
        LabelSet::with_repeats(names.iter().copied()).unwrap()
    }

    fn classes(dataset: &[&str], model: &[&str]) -> Vec<usize> {
        let join = LabelJoin::new(&labels(dataset), &labels(model)).unwrap();
        join.complete().unwrap().into_iter().map(LabelId::index).collect()
    }

    fn refused(dataset: &[&str], model: &[&str]) -> String {
        let join = LabelJoin::new(&labels(dataset), &labels(model));
        earmark_error::chain(&join.and_then(|join| join.complete()).unwrap_err())
    }

    #[test]
    fn order_case_hyphens_underscores_and_spaces_do_not_matter() {
        assert_eq!(classes(&["no", "yes"], &["yes", "up", "no"]), [2, 0]);
        assert_eq!(classes(&["Hip-Hop", "door_wood_knock"], &["door wood  knock", "hip_hop"]), [1, 0]);
        assert_eq!(classes(&["_unknown_", "_silence_"], &["Silence", "UNKNOWN"]), [1, 0]);
        assert_eq!(classes(&["ÉTÉ"], &["été"]), [0]);
    }

    #[test]
    fn a_name_that_is_spelled_the_same_is_meant() {
        assert_eq!(classes(&["Dog"], &["dog", "Dog"]), [1]);
    }

    #[test]
    fn what_fits_two_labels_is_refused() {
        assert_eq!(
            refused(&["DOG"], &["dog", "Dog"]),
            "cannot use this model for this dataset: label `DOG` of the dataset fits several labels of the model: `dog`, `Dog`"
        );
        assert!(refused(&["a"], &["a", "a"]).contains("`a`, `a`"));
        assert_eq!(
            refused(&["Dog", "dog"], &["dog"]),
            "cannot use this model for this dataset: label `dog` of the model fits several labels of the dataset: `Dog`, `dog`"
        );
    }

    #[test]
    fn labels_without_a_match_are_listed_on_both_sides_with_the_nearest() {
        assert_eq!(
            refused(&["cantonese chinese", "dog", "quuz"], &["cantonese", "dog", "lao"]),
            "cannot use this model for this dataset: the model has no label for `cantonese chinese` (nearest: `cantonese`), \
             `quuz`; labels of the model that the dataset does not have: `cantonese`, `lao`"
        );
        let many: Vec<String> = (0..25).map(|label| format!("label {label}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let message = refused(&many, &["x"]);
        assert!(message.contains("`label 9` and 15 more;"), "{message}");
        assert!(refused(&["a", "b"], &["a"]).ends_with("the model has no label for `b`"));
    }

    #[test]
    fn a_dataset_may_have_fewer_labels_and_a_caller_may_go_on_without_some() {
        let join = LabelJoin::new(&labels(&["dog", "quuz"]), &labels(&["cat", "Dog"])).unwrap();
        assert_eq!(join.classes(), [Some(LabelId::new(1)), None]);
        assert_eq!((join.unmatched()[0].label.as_str(), join.unused()), ("quuz", &["cat".to_owned()][..]));
    }

    #[test]
    fn aliases_join_what_has_other_names() {
        let (dataset, model) = (labels(&["Mandarin", "Cantonese", "Lao"]), labels(&["lao", "chinese"]));
        let aliases = [("Mandarin", "chinese"), ("Cantonese", "chinese")];
        let join = LabelJoin::with_aliases(&dataset, &model, &aliases).unwrap();
        assert_eq!(join.complete().unwrap(), [1, 1, 0].map(LabelId::new));
        let error = LabelJoin::with_aliases(&dataset, &model, &[("Lao", "laotian")]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Alias { label: "laotian".into(), of: "model" });
    }
}
