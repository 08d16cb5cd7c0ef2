//! The least score of each label: of one that is left out, more than any.

use std::borrow::Cow;
use std::collections::HashSet;
use std::path::Path;

use anyhow::{Context as _, Result};
use earmark_labels::{LabelSet, Prediction, Scores, TopK, top_k};

use crate::args::label_filter::{LabelFilterArgs, labels_of, read_text};
use crate::exit::usage;
use crate::journal::Settings;
use crate::output::training::list;
use crate::scoring::scorer::check_threshold;

/// Which labels results may have, and from which score on.
pub(crate) struct LabelFilter<'a> {
    labels: &'a LabelSet,
    /// By class; `None` where every label is kept.
    least: Option<Vec<f32>>,
    /// What of this changes the results, each by its flag.
    pub(crate) settings: Settings,
}

impl<'a> LabelFilter<'a> {
    /// Refuses labels that the model does not have, and thresholds that no score can reach or that every score reaches.
    pub(crate) fn new(
        args: &LabelFilterArgs,
        labels: &'a LabelSet,
        scores: Scores,
    ) -> Result<LabelFilter<'a>> {
        check_threshold("--threshold", args.threshold, scores)?;
        let mut filter = LabelFilter { labels, least: None, settings: Vec::new() };
        filter.note("--threshold", args.threshold.map(|it| it.to_string()));
        if let Some(threshold) = args.threshold {
            filter.least().fill(threshold);
        }
        let own = args.thresholds.as_deref().map(|path| thresholds(path, labels, scores)).transpose()?;
        for (label, threshold) in own.iter().flatten() {
            filter.set(label, *threshold);
        }
        let text = |(label, threshold): &(String, f32)| format!("{label} {threshold}");
        let of_labels: Option<Vec<String>> = own.as_ref().map(|own| own.iter().map(text).collect());
        filter.note("--thresholds", of_labels.as_deref().map(summary));
        let mut lists = [None, None];
        let flags = [("--only-labels", &args.only_labels), ("--except-labels", &args.except_labels)];
        for (list, (flag, values)) in lists.iter_mut().zip(flags) {
            if !values.is_empty() {
                *list = Some(listed(flag, values, labels)?);
            }
        }
        let [only, except] = lists;
        if let Some(only) = &only {
            let only: HashSet<&str> = only.iter().map(String::as_str).collect();
            labels
                .names()
                .iter()
                .filter(|name| !only.contains(name.as_str()))
                .for_each(|name| filter.leave_out(name));
        }
        except.iter().flatten().for_each(|name| filter.leave_out(name));
        if let (Some(path), Some(own), None) = (&args.thresholds, &own, args.threshold) {
            filter.refuse_gaps(path, own)?;
        }
        if filter.least.as_ref().is_some_and(|least| least.iter().all(|it| *it == f32::INFINITY)) {
            let flag = if except.is_some() { "--except-labels" } else { "--thresholds" };
            return Err(usage(format_args!("{flag} leaves no label")));
        }
        filter.note("--only-labels", only.as_deref().map(summary));
        filter.note("--except-labels", except.as_deref().map(summary));
        Ok(filter)
    }

    /// The best labels that are kept.
    pub(crate) fn best(&self, scores: &[f32], k: TopK) -> Vec<Prediction> {
        let kept = match &self.least {
            None => Cow::Borrowed(scores),
            Some(least) => {
                let kept =
                    |(score, least): (&f32, &f32)| if score >= least { *score } else { f32::NEG_INFINITY };
                scores.iter().zip(least).map(kept).collect()
            }
        };
        let mut best = top_k(&kept, self.labels, k);
        // Scores are finite.
        best.retain(|prediction| prediction.score > f32::NEG_INFINITY);
        best
    }

    /// Refuses thresholds of some labels only: the others would be given at any score.
    fn refuse_gaps(&self, path: &Path, thresholds: &[(String, f32)]) -> Result<()> {
        let has_own: HashSet<&str> = thresholds.iter().map(|(label, _)| label.as_str()).collect();
        let is_left_out = |class: usize| self.least.as_ref().is_some_and(|it| it[class] == f32::INFINITY);
        let labels = self.labels.names().iter().enumerate();
        let missing: Vec<&String> = labels
            .filter(|(class, label)| !has_own.contains(label.as_str()) && !is_left_out(*class))
            .map(|(_, label)| label)
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(usage(format_args!(
            "`{}` has no threshold for {}: add them, or pass --threshold for all that are not in it",
            path.display(),
            list(&missing)
        )))
    }

    fn least(&mut self) -> &mut Vec<f32> {
        self.least.get_or_insert_with(|| vec![f32::NEG_INFINITY; self.labels.len()])
    }

    fn leave_out(&mut self, label: &str) {
        self.set(label, f32::INFINITY);
    }

    /// Sets the least score of every class of this name: some models have a name twice.
    fn set(&mut self, label: &str, score: f32) {
        let labels = self.labels;
        for (name, least) in labels.names().iter().zip(self.least()) {
            if name == label {
                *least = score;
            }
        }
    }

    fn note(&mut self, flag: &str, value: Option<String>) {
        self.settings.push((flag.to_owned(), value.unwrap_or_else(|| "not given".to_owned())));
    }
}

/// The labels of `--only-labels` or `--except-labels`: of a value that is a label, that one; of a file, its lines; or else what
/// stands between commas.
fn listed(flag: &str, values: &[String], labels: &LabelSet) -> Result<Vec<String>> {
    let mut listed = Vec::new();
    for value in values {
        if labels.id(value).is_some() {
            listed.push(value.clone());
            continue;
        }
        let place = if Path::new(value).is_file() { format!("{flag} {value}") } else { flag.to_owned() };
        for label in labels_of(flag, value)? {
            known(&place, &label, labels)?;
            listed.push(label);
        }
    }
    if listed.is_empty() {
        return Err(usage(format_args!("{flag} lists no label")));
    }
    Ok(listed)
}

/// The rows of a csv file with the columns `label` and `threshold`.
fn thresholds(path: &Path, labels: &LabelSet, scores: Scores) -> Result<Vec<(String, f32)>> {
    let name = path.display();
    let text = read_text(path)?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = reader.headers().with_context(|| format!("cannot read `{name}`"))?;
    let column = |wanted: &str| {
        header.iter().position(|it| it == wanted).ok_or_else(|| {
            let there: Vec<&str> = header.iter().collect();
            usage(format_args!("`{name}` has no column `{wanted}`; its columns are {}", there.join(", ")))
        })
    };
    let (label, threshold) = (column("label")?, column("threshold")?);
    let mut found: Vec<(String, f32)> = Vec::new();
    let mut seen = HashSet::new();
    for record in reader.records() {
        let record = record.with_context(|| format!("cannot read `{name}`"))?;
        let line = record.position().map_or(0, csv::Position::line);
        let place = format!("`{name}`, line {line}");
        let (label, threshold) =
            (record.get(label).unwrap_or_default(), record.get(threshold).unwrap_or_default());
        known(&place, label, labels)?;
        let number = threshold.parse::<f32>();
        let Ok(number) = number else {
            return Err(usage(format_args!(
                "{place}: the threshold `{threshold}` of `{label}` is not a number"
            )));
        };
        // `inf`: never given, as a fit says of labels that reach no precision.
        if number != f32::INFINITY {
            check_threshold(&format!("{place}: the threshold of `{label}`"), Some(number), scores)?;
        }
        if !seen.insert(label.to_owned()) {
            return Err(usage(format_args!("{place}: `{label}` has a threshold already")));
        }
        found.push((label.to_owned(), number));
    }
    Ok(found)
}

/// Refuses a label that the model does not have.
fn known(place: &str, label: &str, labels: &LabelSet) -> Result<()> {
    if labels.id(label).is_some() {
        return Ok(());
    }
    let near = near(label, labels);
    let near = match near.as_slice() {
        [] => format!("`earmark inspect MODEL --labels` lists all {}", labels.len()),
        near => {
            format!("similar: {}", near.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", "))
        }
    };
    Err(usage(format_args!("{place}: the model has no label `{label}`; {near}")))
}

/// Up to three names that are like this one.
fn near<'a>(label: &str, labels: &'a LabelSet) -> Vec<&'a str> {
    /// As clap suggests flags.
    const LIKE: f64 = 0.7;
    let wanted = label.to_lowercase();
    let likeness = |name: &str| {
        let name = name.to_lowercase();
        let part = name.contains(&wanted) || wanted.contains(&name);
        f64::from(u8::from(name == wanted)) + f64::from(u8::from(part)) + strsim::jaro(&wanted, &name)
    };
    let mut near: Vec<(f64, &str)> =
        labels.names().iter().map(|name| (likeness(name), name.as_str())).collect();
    near.retain(|(likeness, _)| *likeness > LIKE);
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    near.into_iter().take(3).map(|(_, name)| name).collect()
}

/// A list as a setting of a journal: whole where it is short, or else with a checksum.
fn summary(list: &[String]) -> String {
    let whole = list.join(", ");
    match list.len() {
        0..=5 => whole,
        more => format!("{more} labels with checksum {:08x}", crc32c::crc32c(whole.as_bytes())),
    }
}
