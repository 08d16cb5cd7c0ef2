use crate::artifacts::card::CardDataset;
use crate::artifacts::hub::yaml::Yaml;
use crate::evaluate::report::EvaluationReport;

/// The scores of a model on a part of a dataset, to be published with the model.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluationResult {
    /// The dataset; its split is that which the clips are of.
    pub dataset: CardDataset,
    /// The commit of the dataset's repository.
    pub dataset_commit: Option<String>,
    /// The scores.
    pub report: EvaluationReport,
    /// Where the report can be read: a web address.
    pub source: Option<String>,
}

/// What the Hub calls it.
pub(crate) const TASK: &str = "audio-classification";
/// What the results say of who measured them.
pub(crate) const SOURCE: &str = "earmark eval";

impl EvaluationResult {
    /// An entry of `results` in a `model-index`.
    pub(crate) fn entry(&self) -> Yaml {
        let CardDataset { name, id, config, split } = &self.dataset;
        let mut dataset = vec![("name", Yaml::text(name)), ("type", Yaml::text(id))];
        for (key, value) in [("config", config), ("split", split), ("revision", &self.dataset_commit)] {
            dataset.extend(value.as_ref().map(|value| (key, Yaml::text(value))));
        }
        let dataset = dataset.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let metrics = self.metrics().into_iter().map(|(name, kind, value)| {
            Yaml::map([("name", Yaml::text(name)), ("type", Yaml::text(kind)), ("value", Yaml::Float(value))])
        });
        let task = Yaml::map([("name", Yaml::text("Audio Classification")), ("type", Yaml::text(TASK))]);
        let mut entry = vec![
            ("task".to_owned(), task),
            ("dataset".to_owned(), Yaml::Map(dataset)),
            ("metrics".to_owned(), Yaml::List(metrics.collect())),
        ];
        if let Some(url) = &self.source {
            let source = Yaml::map([("name", Yaml::text(SOURCE)), ("url", Yaml::text(url))]);
            entry.push(("source".to_owned(), source));
        }
        Yaml::Map(entry)
    }

    /// Name, the Hub's name of the metric, and value.
    fn metrics(&self) -> Vec<(String, &'static str, f64)> {
        let report = &self.report;
        // Two protocols on one split are two numbers.
        let by = report.protocol.as_ref().map_or_else(String::new, |it| format!(" ({})", it.name));
        let mut metrics =
            vec![("Accuracy", "accuracy", report.accuracy), ("Macro F1", "f1", report.macro_f1)];
        if report.averages.is_some() {
            metrics.push(("Weighted F1", "f1", report.weighted_f1));
        }
        metrics.into_iter().map(|(name, kind, value)| (format!("{name}{by}"), kind, value)).collect()
    }
}
