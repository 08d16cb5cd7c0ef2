//! `model-index`: the scores in the front matter of a model card, which the Hub shows beside it.

use earmark_error::Context as _;

use crate::artifacts::hub::result::EvaluationResult;
use crate::artifacts::hub::yaml::Yaml;
use crate::error::{Doing, Error, ErrorKind};

const KEY: &str = "model-index";

/// Adds scores to a model card; those of the same metric on the same part of a dataset are replaced. Every other line stays as it is.
/// `name` is the model's, for a card that names none.
///
/// # Errors
/// When the card has no front matter, or one that is no YAML or not laid out as the Hub's tools do it.
pub fn add_results(card: &str, name: &str, results: &[EvaluationResult]) -> Result<String, Error> {
    added(card, name, results)
        .map_err(ErrorKind::Card)
        .with_context(|| Doing("cannot add the results of an evaluation to the model card".to_owned()))
}

fn added(card: &str, name: &str, results: &[EvaluationResult]) -> Result<String, String> {
    let (front, rest) = split(card)?;
    let before = Yaml::read(front).map_err(|why| format!("its front matter is no YAML: {why}"))?;
    let Yaml::Map(keys) = &before else {
        return Err("its front matter is no list of keys and values".to_owned());
    };
    let mut index = match before.get(KEY) {
        None | Some(Yaml::Null) => Yaml::List(vec![]),
        Some(index) => index.clone(),
    };
    let models = index.list_mut().ok_or("its `model-index` is no list")?;
    if models.is_empty() {
        models.push(Yaml::map([("name", Yaml::text(name)), ("results", Yaml::List(vec![]))]));
    }
    let known = models[0].get_mut("results").and_then(Yaml::list_mut);
    let known = known.ok_or("its `model-index` has no list `results`")?;
    results.iter().for_each(|result| add(known, result.entry()));

    let mut text = String::from("---\n");
    text.push_str(&without_index(front));
    text.push_str(&Yaml::Map(vec![(KEY.to_owned(), index.clone())]).lines(0));
    // Lines were taken out by where they stand: what a parser finds in the others must be what it found before.
    let mut want: Vec<_> = keys.iter().filter(|(key, _)| key != KEY).cloned().collect();
    want.push((KEY.to_owned(), index));
    if Yaml::read(&text["---\n".len()..]) != Ok(Yaml::Map(want)) {
        return Err(
            "its `model-index` is not laid out in lines of its own: write it as huggingface_hub does, or take it out".to_owned()
        );
    }
    Ok(text + rest)
}

/// The front matter, and everything from the line that ends it.
fn split(card: &str) -> Result<(&str, &str), String> {
    let none = "it has no front matter between two lines `---`";
    let body = card.strip_prefix('\u{feff}').unwrap_or(card);
    let body = body.strip_prefix("---\r\n").or_else(|| body.strip_prefix("---\n")).ok_or(none)?;
    let mut at = 0;
    for line in body.split_inclusive('\n') {
        if line.trim_end() == "---" {
            return Ok((&body[..at], &body[at..]));
        }
        at += line.len();
    }
    Err(none.to_owned())
}

/// The lines of front matter that are not of `model-index`.
fn without_index(front: &str) -> String {
    let mut inside = false;
    let kept = front.split_inclusive('\n').filter(|line| {
        if line.starts_with("model-index:") {
            inside = true;
        } else if inside && !line.trim().is_empty() && !line.starts_with([' ', '-', '\t']) {
            inside = false;
        }
        !inside
    });
    let mut kept: String = kept.collect();
    if !kept.is_empty() && !kept.ends_with('\n') {
        kept.push('\n');
    }
    kept
}

/// Adds a result, to the one that is of the same clips where there is one.
fn add(known: &mut Vec<Yaml>, result: Yaml) {
    // As `EvalResult.unique_identifier` of huggingface_hub.
    let is_of = |result: &Yaml| {
        let of = |part: &str, key: &str| result.get(part).and_then(|it| it.get(key)).cloned();
        let dataset = ["type", "config", "split", "revision"].map(|key| of("dataset", key));
        (of("task", "type"), dataset)
    };
    let same = known.iter_mut().find(|it| is_of(it) == is_of(&result));
    let old = same.and_then(|it| it.get_mut("metrics")).and_then(Yaml::list_mut);
    let new = result.get("metrics").cloned();
    match (old, new) {
        (Some(old), Some(Yaml::List(new))) => {
            for metric in new {
                let is_same =
                    |it: &&mut Yaml| ["type", "name"].iter().all(|key| it.get(key) == metric.get(key));
                match old.iter_mut().find(is_same) {
                    Some(it) => *it = metric,
                    None => old.push(metric),
                }
            }
        }
        _ => known.push(result),
    }
}

#[cfg(test)]
mod tests {
    use earmark_eval::ConfusionMatrix;

    use super::*;
    use crate::artifacts::card::CardDataset;
    use crate::evaluate::report::EvaluationReport;

    fn result(split: &str, right: usize) -> EvaluationResult {
        let labels = vec!["a".to_owned(), "b".to_owned()];
        let confusion = ConfusionMatrix::from_pairs(
            2,
            (0..4).map(|clip| (clip % 2, usize::from(clip >= right) ^ (clip % 2))),
        );
        EvaluationResult {
            dataset: CardDataset {
                name: "GTZAN".to_owned(),
                id: "marsyas/gtzan".to_owned(),
                config: Some("all".to_owned()),
                split: Some(split.to_owned()),
            },
            dataset_commit: None,
            report: EvaluationReport::new("gtzan", split, "m", labels, confusion, 0.5),
            source: None,
        }
    }

    fn accuracies(card: &str) -> Vec<f64> {
        card.lines()
            .zip(card.lines().skip(1))
            .filter(|(line, _)| line.trim() == "type: accuracy")
            .map(|(_, value)| value.trim().strip_prefix("value: ").unwrap().parse().unwrap())
            .collect()
    }

    #[test]
    fn a_card_without_results_gets_them_and_keeps_every_line() {
        let card = "---\n# a comment\nlicense: mit\ntags: [x, 'y']\n---\n\n# Model\n---\nmore\n";
        let added = add_results(card, "no", &[result("test", 4)]).unwrap();
        let (front, rest) = added.split_once("model-index:\n").unwrap();
        assert_eq!(front, "---\n# a comment\nlicense: mit\ntags: [x, 'y']\n");
        assert!(
            rest.starts_with("- name: \"no\"\n  results:\n  - task:\n      name: Audio Classification\n"),
            "{rest}"
        );
        assert!(rest.ends_with("\n---\n\n# Model\n---\nmore\n"), "{rest}");
        assert_eq!(accuracies(&added), [1.0]);
    }

    #[test]
    fn results_on_the_same_split_are_replaced_and_others_kept() {
        let card = "---\nlicense: mit\n---\n";
        let one = add_results(card, "m", &[result("test", 4), result("train", 3)]).unwrap();
        assert_eq!(accuracies(&one), [1.0, 0.75]);
        let two = add_results(&one, "m", &[result("test", 2)]).unwrap();
        assert_eq!(accuracies(&two), [0.5, 0.75]);
        assert_eq!(add_results(&two, "m", &[result("test", 2)]).unwrap(), two);
        // What somebody else measured stays, between other keys too.
        let other = "    - type: wer\n      value: 0.1\n      name: WER\n";
        let mixed = two
            .replacen("    metrics:\n", &format!("    metrics:\n{other}"), 1)
            .replace("\n---\n", "\nlast: 1\n---\n");
        let three = add_results(&mixed, "m", &[result("test", 1)]).unwrap();
        assert!(three.contains(other) && three.contains("license: mit\nlast: 1\nmodel-index:"), "{three}");
        assert_eq!(accuracies(&three), [0.25, 0.75]);
    }

    #[test]
    fn a_card_that_cannot_be_added_to_is_refused() {
        for (card, why) in [
            ("# Model\n", "no front matter"),
            ("---\nlicense: mit\n", "no front matter"),
            ("---\na: [\n---\n", "no YAML"),
            ("---\n- a\n---\n", "no list of keys"),
            ("---\nmodel-index: 3\n---\n", "no list"),
            ("---\nmodel-index:\n- name: m\n---\n", "no list `results`"),
            ("---\n{license: mit, model-index: []}\n---\n", "lines of its own"),
            ("---\n\"model-index\": []\n---\n", "lines of its own"),
        ] {
            let error = add_results(card, "m", &[result("test", 4)]).unwrap_err();
            assert!(error.kind.to_string().contains(why), "{card}: {}", error.kind);
        }
    }

    #[test]
    fn lines_end_as_they_did() {
        let added = add_results("---\r\nlicense: mit\r\n---\r\ntext\r\n", "m", &[result("test", 4)]).unwrap();
        assert!(added.contains("license: mit\r\n") && added.ends_with("\n---\r\ntext\r\n"), "{added:?}");
    }
}
