//! `.eval_results/*.yaml`: the scores of a model as the leaderboards of datasets on the Hub collect them.

use crate::artifacts::hub::result::{EvaluationResult, SOURCE};
use crate::artifacts::hub::yaml::Yaml;

/// The file of a result, by <https://huggingface.co/docs/hub/eval-results>; `None` where the dataset is not on the Hub. `date` is that of the
/// evaluation, such as `2026-11-28`.
///
/// The task is the configuration of the dataset. The Hub shows the result where the dataset is a benchmark with a task of that name.
pub fn eval_results_yaml(result: &EvaluationResult, date: Option<&str>) -> Option<String> {
    let EvaluationResult { dataset, dataset_commit, report, source } = result;
    if !dataset.id.contains('/') {
        return None;
    }
    let task = dataset.config.as_deref().unwrap_or("default");
    let mut of = vec![("id".to_owned(), Yaml::text(&dataset.id)), ("task_id".to_owned(), Yaml::text(task))];
    of.extend(dataset_commit.as_ref().map(|commit| ("revision".to_owned(), Yaml::text(commit))));
    let mut entry =
        vec![("dataset".to_owned(), Yaml::Map(of)), ("value".to_owned(), Yaml::Float(report.accuracy))];
    entry.extend(date.map(|date| ("date".to_owned(), Yaml::text(date))));
    if let Some(url) = source {
        entry
            .push(("source".to_owned(), Yaml::map([("url", Yaml::text(url)), ("name", Yaml::text(SOURCE))])));
    }
    let [low, high] = report.accuracy_interval;
    let mut notes = format!(
        "accuracy on {} clips, split {}, 95 % interval {low:.3} to {high:.3} ({})",
        report.n, report.split, report.interval_method
    );
    if let Some(protocol) = &report.protocol {
        notes += &format!(", protocol {}", protocol.name);
    }
    entry.push(("notes".to_owned(), Yaml::text(notes)));
    Some(Yaml::List(vec![Yaml::Map(entry)]).lines(0))
}

#[cfg(test)]
mod tests {
    use earmark_eval::ConfusionMatrix;

    use super::*;
    use crate::artifacts::card::CardDataset;
    use crate::evaluate::report::EvaluationReport;

    #[test]
    fn a_result_is_as_the_hub_asks_for_it() {
        let confusion = ConfusionMatrix::from_pairs(2, [(0, 0), (1, 0)]);
        let labels = vec!["a".to_owned(), "b".to_owned()];
        let dataset = CardDataset {
            name: "GTZAN".to_owned(),
            id: "marsyas/gtzan".to_owned(),
            config: Some("all".to_owned()),
            split: Some("train".to_owned()),
        };
        let report = EvaluationReport::new("gtzan", "test", "m", labels, confusion, 0.5);
        let source = Some("https://huggingface.co/me/m/blob/main/evaluation/gtzan-test.json".to_owned());
        let result = EvaluationResult { dataset, dataset_commit: Some("0a".repeat(20)), report, source };
        let want = format!(
            "\
- dataset:
    id: marsyas/gtzan
    task_id: all
    revision: \"{}\"
  value: 0.5
  date: \"2026-11-28\"
  source:
    url: \"https://huggingface.co/me/m/blob/main/evaluation/gtzan-test.json\"
    name: earmark eval
  notes: \"accuracy on 2 clips, split test, 95 % interval 0.095 to 0.905 (wilson)\"
",
            "0a".repeat(20)
        );
        assert_eq!(eval_results_yaml(&result, Some("2026-11-28")).unwrap(), want);
        let folder = CardDataset { id: "audiofolder".to_owned(), config: None, ..result.dataset.clone() };
        assert_eq!(eval_results_yaml(&EvaluationResult { dataset: folder, ..result }, None), None);
    }
}
