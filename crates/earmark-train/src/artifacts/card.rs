//! The model card, `README.md`: what the Hub shows of a model and indexes from its front matter.
//!
//! Order of keys, headings and tables are those of `TrainingSummary` (transformers 5.23.0 `modelcard.py`), so tools
//! that read its cards read ours. It differs on purpose in two numbers: the reference reports the last epoch's
//! evaluation beside the best checkpoint's weights, and we report the checkpoint that is in the folder. The reference's training
//! loss is that of the last line of the log before the evaluation; ours is the mean over the epoch's steps, as everywhere else.

use std::fmt::Write;

use crate::evaluate::records::EpochRecord;
use crate::evaluate::report::EvaluationReport;

/// The content of a card.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelCard {
    /// The model's name, such as `distilhubert-finetuned-gtzan`.
    pub name: String,
    /// Where it will be found on the Hub, `owner/name`; without it the examples speak of the folder the card is in.
    pub repo: Option<String>,
    /// Language codes of the recordings.
    pub languages: Vec<String>,
    /// A licence identifier of the Hub, such as `apache-2.0`.
    pub license: Option<String>,
    /// The Hub id of the model that was fine-tuned; `None` when it was trained from scratch.
    pub base_model: Option<String>,
    /// The commit of its repository.
    pub base_commit: Option<String>,
    /// What it was trained and scored on.
    pub dataset: CardDataset,
    /// The commit of the dataset's repository.
    pub dataset_commit: Option<String>,
    /// Hyper-parameters: name and value in the order to show them.
    pub hyperparameters: Vec<(String, String)>,
    /// Sentences that the table of epochs needs beside it.
    pub notes: Vec<String>,
    /// Every epoch line of `metrics.jsonl`.
    pub epochs: Vec<EpochRecord>,
    /// The train loss of each of those epochs, the mean over its steps; NaN where it is not known.
    pub train_losses: Vec<f64>,
    /// The scores of the weights this card lies beside.
    pub evaluation: EvaluationReport,
    /// Software the run used: name and version.
    pub frameworks: Vec<(String, String)>,
}

/// A dataset as the Hub indexes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardDataset {
    /// The name to show, such as `GTZAN`.
    pub name: String,
    /// The Hub id, such as `marsyas/gtzan`; `audiofolder` for a folder of one's own.
    pub id: String,
    /// The configuration, such as `all`.
    pub config: Option<String>,
    /// The split the evaluation clips were taken from.
    pub split: Option<String>,
}

impl ModelCard {
    /// The card as Markdown, front matter included.
    ///
    /// Any name is safe in it: values are quoted in the front matter and escaped in the text.
    pub fn to_markdown(&self) -> String {
        let mut card = String::from("---\n");
        self.front_matter(&mut card);
        card.push_str(
            "---\n\n<!-- This model card was generated from the record of the training run. Proofread and complete it,\n\
             then remove this comment. -->\n",
        );
        let _ = writeln!(card, "\n# {}\n", inline(&self.name));
        self.results(&mut card);
        self.usage(&mut card);
        self.descriptions(&mut card);
        self.procedure(&mut card);
        card
    }

    fn front_matter(&self, card: &mut String) {
        card.push_str("library_name: transformers\n");
        list(card, "language", &self.languages);
        if let Some(license) = &self.license {
            let _ = writeln!(card, "license: {}", scalar(license));
        }
        if let Some(base) = self.base_id() {
            let _ = writeln!(card, "base_model: {}", scalar(base));
        }
        card.push_str("tags:\n- generated_from_trainer\n");
        let CardDataset { name, id, config, split } = &self.dataset;
        list(card, "datasets", std::slice::from_ref(id));
        let map = self.evaluation.mean_average_precision().filter(|_| self.evaluation.is_multi_label());
        card.push_str(if map.is_some() {
            "metrics:\n- mean_average_precision\n"
        } else {
            "metrics:\n- accuracy\n"
        });
        let _ = writeln!(card, "model-index:\n- name: {}\n  results:", scalar(&self.name));
        card.push_str("  - task:\n      name: Audio Classification\n      type: audio-classification\n");
        let _ = writeln!(card, "    dataset:\n      name: {}\n      type: {}", scalar(name), scalar(id));
        let commit = &self.dataset_commit;
        for (key, value) in [("config", config), ("split", split), ("revision", commit), ("args", config)] {
            if let Some(value) = value {
                let _ = writeln!(card, "      {key}: {}", scalar(value));
            }
        }
        let (name, kind, value) = match map {
            Some(map) => ("mAP", "mean_average_precision", map),
            None => ("Accuracy", "accuracy", self.evaluation.accuracy),
        };
        let _ = writeln!(
            card,
            "    metrics:\n    - name: {name}\n      type: {kind}\n      value: {}",
            float(value)
        );
    }

    fn results(&self, card: &mut String) {
        match (&self.base_model, self.base_id()) {
            (None, _) => card.push_str("This model was trained from scratch"),
            (_, Some(id)) => {
                let _ =
                    write!(card, "This model is a fine-tuned version of [{id}](https://huggingface.co/{id})");
                if let Some(commit) = &self.base_commit {
                    let _ = write!(card, " at commit {}", inline(commit));
                }
            }
            (Some(name), None) => {
                let _ = write!(card, "This model is a fine-tuned version of {}", inline(name));
            }
        }
        let report = &self.evaluation;
        let [low, high] = report.accuracy_interval;
        let _ = writeln!(card, " on the {} dataset.", inline(&self.dataset.name));
        card.push_str("It achieves the following results on the held-out clips:\n");
        let _ = writeln!(card, "- Eval loss: {}", rounded(report.loss));
        if let Some(map) = report.mean_average_precision().filter(|_| report.is_multi_label()) {
            let _ = writeln!(card, "- mAP: {}", rounded(map));
        }
        let accuracy = if report.is_multi_label() { "Exact match" } else { "Accuracy" };
        let _ = writeln!(card, "- {accuracy}: {}", rounded(report.accuracy));
        let _ = writeln!(card, "- {accuracy}, 95 % interval: {low:.3} to {high:.3} ({} clips)", report.n);
        let scope = report.macro_f1_scope().map_or_else(String::new, |scope| format!(" ({scope})"));
        let _ = writeln!(card, "- Macro F1: {}{scope}", rounded(report.macro_f1));
        if let Some(averages) = report.averages.as_ref().filter(|_| report.is_multi_label()) {
            let _ = writeln!(card, "- Micro F1: {}", rounded(averages.micro.f1));
            card.push_str(
                "\nA clip may have any number of the classes: it is said to be of one whose score is at least 0.5. Exact match is the \
                 share of clips whose classes were all found, and no others.\n",
            );
        }
    }

    fn usage(&self, card: &mut String) {
        let model = self.repo.as_deref().filter(|repo| is_hub_id(repo)).unwrap_or(".");
        let _ = write!(
            card,
            "\n## How to use\n\n\
             With [earmark](https://github.com/earmark-audio/earmark), no Python needed:\n\n\
             ```sh\nearmark classify clip.wav --model {model}\n```\n\n\
             From Rust:\n\n\
             ```rust,no_run\nuse earmark::prelude::*;\n\n\
             let classifier = AudioClassifier::from_pretrained(\"{model}\")?;\n\
             for Prediction {{ label, score, .. }} in classifier.classify(\"clip.wav\")? {{\n    \
             println!(\"{{score:.4}} {{label}}\");\n}}\n```\n\n\
             With transformers:\n\n\
             ```python\nfrom transformers import pipeline\n\n\
             classify = pipeline(\"audio-classification\", model=\"{model}\")\n\
             print(classify(\"clip.wav\"))\n```\n"
        );
    }

    fn descriptions(&self, card: &mut String) {
        let labels: Vec<String> = self.evaluation.labels.iter().map(|label| inline(label)).collect();
        let _ =
            writeln!(card, "\n## Model description\n\nClasses ({}): {}.", labels.len(), labels.join(", "));
        card.push_str("\n## Intended uses & limitations\n\nMore information needed\n");
        card.push_str("\n## Training and evaluation data\n\nMore information needed\n");
    }

    fn procedure(&self, card: &mut String) {
        card.push_str("\n## Training procedure\n\n### Training hyperparameters\n\n");
        card.push_str("The following hyperparameters were used during training:\n");
        for (name, value) in &self.hyperparameters {
            let _ = writeln!(card, "- {}: {}", inline(name), inline(value));
        }
        card.push_str("\n### Training results\n\n");
        for note in &self.notes {
            let _ = writeln!(card, "{}\n", inline(note));
        }
        let rows = self.epochs.iter().enumerate().map(|(row, epoch)| {
            let train_loss = self.train_losses.get(row).copied().filter(|loss| !loss.is_nan());
            let train_loss = train_loss.map_or_else(|| "–".into(), rounded);
            let [done, loss, score] = [epoch.epoch, epoch.eval_loss, epoch.score()].map(rounded);
            [train_loss, done, epoch.step.to_string(), loss, score]
        });
        let score = if self.evaluation.is_multi_label() { "mAP" } else { "Accuracy" };
        table(card, ["Train loss", "Epoch", "Step", "Eval loss", score], &rows.collect::<Vec<_>>());
        card.push_str("\n### Results per class\n\n");
        let rows = self.evaluation.per_class.iter().map(|class| {
            let [precision, recall, f1] = class.cells(rounded);
            [inline(&class.label), precision, recall, f1, class.support.to_string()]
        });
        table(card, ["Class", "Precision", "Recall", "F1", "Clips"], &rows.collect::<Vec<_>>());
        self.confusion(card);
        card.push_str("\n### Framework versions\n\n");
        for (name, version) in &self.frameworks {
            let _ = writeln!(card, "- {} {}", inline(name), inline(version));
        }
    }

    /// The confusion matrix, unless there are too many classes to read it.
    fn confusion(&self, card: &mut String) {
        const WIDEST: usize = 30;
        let labels: Vec<String> = self.evaluation.labels.iter().map(|label| inline(label)).collect();
        if labels.is_empty() || labels.len() > WIDEST || self.evaluation.is_multi_label() {
            return;
        }
        card.push_str(
            "\n### Confusion matrix\n\nA row for each actual class, a column for each predicted one.\n\n",
        );
        let _ = writeln!(card, "|  | {} |", labels.join(" | "));
        let _ = writeln!(card, "|:--|{}", "--:|".repeat(labels.len()));
        for (label, row) in labels.iter().zip(self.evaluation.confusion.rows()) {
            let counts: Vec<String> = row.iter().map(ToString::to_string).collect();
            let _ = writeln!(card, "| {label} | {} |", counts.join(" | "));
        }
    }

    /// The base model, if it is on the Hub: a local folder is no `base_model`.
    fn base_id(&self) -> Option<&str> {
        self.base_model.as_deref().filter(|name| is_hub_id(name))
    }
}

/// `name` or `owner/name`, of the characters the Hub allows: safe in a URL, a shell command and a Python string.
fn is_hub_id(name: &str) -> bool {
    let part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    match name.split_once('/') {
        Some((owner, name)) => part(owner) && part(name),
        None => part(name),
    }
}

fn list(card: &mut String, key: &str, values: &[String]) {
    if values.is_empty() {
        return;
    }
    let _ = writeln!(card, "{key}:");
    for value in values {
        let _ = writeln!(card, "- {}", scalar(value));
    }
}

/// A YAML string: as it stands where no parser could take it for anything else, else between double quotes.
pub(crate) fn scalar(value: &str) -> String {
    // What YAML 1.1, which PyYAML speaks, reads as a boolean or null.
    const WORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let plain = value.starts_with(|c: char| c.is_ascii_alphabetic())
        && value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ' '))
        && !value.ends_with(' ')
        && !WORDS.contains(&value.to_ascii_lowercase().as_str());
    if plain {
        return value.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in value.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            // Controls, the line breaks beyond ASCII and the byte-order mark, which YAML folds, drops or refuses.
            c if c.is_control()
                || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') =>
            {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A YAML float: YAML 1.1 takes a number without a point for an integer or, as `1e-5`, for a string.
pub(crate) fn float(value: f64) -> String {
    let digits = value.to_string();
    if digits.contains('.') { digits } else { digits + ".0" }
}

/// Text on one line of Markdown that stays text, also in a table.
fn inline(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut before = ' ';
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' | '`' | '*' | '[' | ']' | '<' | '>' | '|' | '&' | '#' | '~' => escaped.extend(['\\', c]),
            // Within a word an underscore is one; at its edge it would start emphasis.
            '_' if before.is_alphanumeric() && rest.peek().is_some_and(|c| c.is_alphanumeric()) => {
                escaped.push(c);
            }
            '_' => escaped.push_str("\\_"),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
        before = c;
    }
    escaped
}

/// Four decimals at most, one at least, as `_maybe_round` over Python's `str`.
fn rounded(value: f64) -> String {
    let shortest = format!("{value:?}");
    match shortest.split_once('.') {
        Some((_, decimals)) if decimals.len() > 4 => format!("{value:.4}"),
        _ => shortest,
    }
}

/// A Markdown table, padded so that it also reads as plain text.
fn table<const N: usize>(card: &mut String, head: [&str; N], rows: &[[String; N]]) {
    let mut widths = head.map(|name| name.chars().count());
    for row in rows {
        for (width, value) in widths.iter_mut().zip(row) {
            *width = (*width).max(value.chars().count());
        }
    }
    let line = |card: &mut String, values: [&str; N]| {
        for (value, width) in values.into_iter().zip(widths) {
            let _ = write!(card, "| {value:width$} ");
        }
        card.push_str("|\n");
    };
    line(card, head);
    for width in widths {
        let _ = write!(card, "|:{:-<width$}:", "");
    }
    card.push_str("|\n");
    for row in rows {
        line(card, row.each_ref().map(String::as_str));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use earmark_eval::ConfusionMatrix;

    fn card() -> ModelCard {
        let labels = vec!["blues".to_owned(), "hip_hop".to_owned()];
        let confusion = ConfusionMatrix::from_pairs(2, [(0, 0), (0, 0), (1, 1), (1, 1)]);
        let epoch = |step, eval_loss, eval_accuracy| EpochRecord {
            step,
            epoch: step as f64 / 6.0,
            eval_loss,
            eval_accuracy,
            multi_label: None,
        };
        ModelCard {
            name: "distilhubert-finetuned-gtzan".into(),
            repo: Some("me/distilhubert-finetuned-gtzan".into()),
            languages: vec![],
            license: None,
            base_model: Some("ntu-spml/distilhubert".into()),
            base_commit: None,
            dataset_commit: None,
            dataset: CardDataset {
                name: "GTZAN".into(),
                id: "marsyas/gtzan".into(),
                config: Some("all".into()),
                split: Some("train".into()),
            },
            hyperparameters: vec![("learning_rate".into(), "5e-05".into())],
            epochs: vec![epoch(6, 1.370064616203308, 0.5), epoch(12, 0.75, 1.0)],
            notes: vec![],
            train_losses: vec![1.385421085357666, 0.34801],
            evaluation: EvaluationReport::new("gtzan", "test", "m", labels, confusion, 0.75),
            frameworks: vec![("earmark".into(), "0.1.0".into()), ("Burn".into(), "0.22.1".into())],
        }
    }

    fn front_matter(card: &ModelCard) -> String {
        card.to_markdown().strip_prefix("---\n").unwrap().split_once("---\n").unwrap().0.to_owned()
    }

    #[test]
    fn front_matter_is_what_the_reference_writes() {
        // `TrainingSummary(...).create_metadata()` of transformers 5.23.0 through `yaml.dump(sort_keys=False)`.
        let want = "\
library_name: transformers
language:
- en
license: apache-2.0
base_model: ntu-spml/distilhubert
tags:
- generated_from_trainer
datasets:
- marsyas/gtzan
metrics:
- accuracy
model-index:
- name: distilhubert-finetuned-gtzan
  results:
  - task:
      name: Audio Classification
      type: audio-classification
    dataset:
      name: GTZAN
      type: marsyas/gtzan
      config: all
      split: train
      args: all
    metrics:
    - name: Accuracy
      type: accuracy
      value: 1.0
";
        let card = ModelCard { languages: vec!["en".into()], license: Some("apache-2.0".into()), ..card() };
        assert_eq!(front_matter(&card), want);
    }

    #[test]
    fn commits_of_model_and_dataset_are_on_the_card() {
        let [base, data] = ["0a", "1b"].map(|digits| digits.repeat(20));
        let (base_commit, dataset_commit) = (Some(base.clone()), Some(data.clone()));
        let card = ModelCard { base_commit, dataset_commit, ..card() };
        // The key of `model-index` that names a dataset's revision.
        assert!(
            front_matter(&card).contains(&format!("      revision: \"{data}\"\n")),
            "{}",
            front_matter(&card)
        );
        let text =
            format!("(https://huggingface.co/ntu-spml/distilhubert) at commit {base} on the GTZAN dataset.");
        assert!(card.to_markdown().contains(&text));
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let dataset =
            CardDataset { name: "clips".into(), id: "audiofolder".into(), config: None, split: None };
        let front = front_matter(&ModelCard { base_model: None, dataset, ..card() });
        for key in ["language", "license", "base_model", "config", "split", "args"] {
            assert!(!front.contains(&format!("{key}:")), "{key}");
        }
    }

    #[test]
    fn training_table_has_the_columns_and_the_format_of_the_reference() {
        let want = "
| Train loss | Epoch | Step | Eval loss | Accuracy |
|:----------:|:-----:|:----:|:---------:|:--------:|
| 1.3854     | 1.0   | 6    | 1.3701    | 0.5      |
| 0.3480     | 2.0   | 12   | 0.75      | 1.0      |

";
        assert!(card().to_markdown().contains(want));
        let unknown = ModelCard { train_losses: vec![f64::NAN, 0.5], ..card() };
        assert!(unknown.to_markdown().contains("| –          | 1.0   |"));
    }

    #[test]
    fn training_table_of_a_real_run_is_the_one_on_its_card_but_for_the_train_loss() {
        let test = "training_table_of_a_real_run_is_the_one_on_its_card_but_for_the_train_loss";
        let Some(dir) = earmark_testkit::reference(test, "train/fast") else {
            return;
        };
        let losses = std::fs::read_to_string(dir.join("losses.json")).unwrap();
        let losses: serde_json::Value = serde_json::from_str(&losses).unwrap();
        let mut epochs = vec![];
        for line in losses["log_history"].as_array().unwrap() {
            let number = |key: &str| line[key].as_f64().unwrap();
            let (step, epoch) = (line["step"].as_u64().unwrap(), number("epoch"));
            if line.get("train_runtime").is_some() {
                break; // Beyond lies the evaluation of the reloaded best checkpoint, which is on no card.
            }
            if line.get("loss").is_none() {
                let (eval_loss, eval_accuracy) = (number("eval_loss"), number("eval_accuracy"));
                epochs.push(EpochRecord { step, epoch, eval_loss, eval_accuracy, multi_label: None });
            }
        }
        assert_eq!(epochs.len(), 10);
        // Epoch, step, eval loss and accuracy of each row.
        let table = |card: &str| {
            let start = card.find("| Train").unwrap();
            let rows = card[start..].lines().skip(2).take_while(|line| line.starts_with('|'));
            let cells = |line: &str| line.split('|').skip(2).map(|cell| cell.trim().to_owned()).collect();
            rows.map(cells).collect::<Vec<Vec<String>>>()
        };
        let want = table(&std::fs::read_to_string(dir.join("model-card.md")).unwrap());
        assert_eq!(want.len(), 10);
        assert_eq!(table(&ModelCard { epochs, train_losses: vec![], ..card() }.to_markdown()), want);
    }

    #[test]
    fn usage_from_the_shell_rust_and_python_names_the_repository() {
        let text = card().to_markdown();
        let id = "me/distilhubert-finetuned-gtzan";
        for line in [
            format!("earmark classify clip.wav --model {id}\n"),
            format!("let classifier = AudioClassifier::from_pretrained(\"{id}\")?;\n"),
            format!("pipeline(\"audio-classification\", model=\"{id}\")\n"),
        ] {
            assert!(text.contains(&line), "{text}");
        }
    }

    #[test]
    fn confusion_is_a_table_of_counts() {
        let want = "|  | blues | hip_hop |\n|:--|--:|--:|\n| blues | 2 | 0 |\n| hip_hop | 0 | 2 |\n";
        assert!(card().to_markdown().contains(want));
    }

    #[test]
    fn results_are_those_of_the_weights_and_not_of_the_last_epoch() {
        let mut card = card();
        card.epochs[1].eval_accuracy = 0.25;
        let text = card.to_markdown();
        assert!(
            text.contains(
                "- Eval loss: 0.75\n- Accuracy: 1.0\n- Accuracy, 95 % interval: 0.510 to 1.000 (4 clips)\n"
            ),
            "{text}"
        );
    }

    #[test]
    fn yaml_takes_any_name_for_the_string_it_is() {
        // Each right side was read back as the left one by PyYAML 6.0.3's `safe_load`.
        for (value, want) in [
            ("distilhubert-v1.0", "distilhubert-v1.0"),
            ("a: \"b\" # c", r#""a: \"b\" # c""#),
            ("no", r#""no""#),
            ("1e5", r#""1e5""#),
            ("", r#""""#),
            ("trailing ", r#""trailing ""#),
            ("- item", r#""- item""#),
            ("back\\slash\nline\u{7}\u{85}\u{2028}", r#""back\\slash\nline\u0007\u0085\u2028""#),
            ("Français", r#""Français""#),
            ("---", r#""---""#),
        ] {
            assert_eq!(scalar(value), want);
        }
        assert_eq!([0.83, 1.0, 0.0, 1e-5].map(float), ["0.83", "1.0", "0.0", "0.00001"]);
    }

    #[test]
    fn no_name_can_become_markup() {
        let hostile = "a|b\n# c <script> [x](y) `z` _w_";
        let mut card = ModelCard { name: hostile.into(), repo: Some("$(reboot)".into()), ..card() };
        card.base_model = Some("/home/me/models/my model".into());
        card.evaluation.per_class[0].label = hostile.into();
        let text = card.to_markdown();
        let safe = r"a\|b \# c \<script\> \[x\](y) \`z\` \_w\_";
        assert!(text.contains(&format!("\n# {safe}\n")), "{text}");
        assert!(text.contains(&format!("\n| {safe} | 1.0 ")), "{text}");
        assert!(text.contains("--model .\n") && !text.contains("reboot"));
        assert!(
            !text.contains("base_model:")
                && text.contains("fine-tuned version of /home/me/models/my model on")
        );
        assert!(text.contains("hip_hop"), "an underscore within a word needs no escape");
    }
}
