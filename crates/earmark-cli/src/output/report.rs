//! Training and its evaluation as people read them.

use std::time::Duration;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use earmark_train::{EpochDone, EvaluationReport, Mistake, PartScores, Plan};

use crate::output::clock::duration;
use crate::output::columns;
use crate::output::escape::escape;

pub(crate) fn epoch_header(plan: &Plan) -> String {
    let score = if plan.multi_label { "mAP" } else { "accuracy" };
    format!("epoch  train loss  eval loss  {score:>8}       clips/s    time")
}

pub(crate) fn epoch_row(epoch: &EpochDone, elapsed: Duration) -> String {
    let mark = if epoch.best { "best" } else { "" };
    let (loss, score) = (epoch.record.eval_loss, epoch.record.score());
    format!(
        "{:>5}  {:>10.4}  {loss:>9.4}  {score:>8.4}  {mark:<4} {:>8.1}  {:>6}",
        epoch.epoch,
        epoch.train_loss,
        epoch.clips_per_second,
        duration(elapsed)
    )
}

/// `accuracy 0.8300 (95 % interval 0.745 to 0.891), macro F1 0.8250, eval loss 0.6120`.
///
/// Of clips that may have any number of classes: `mAP 0.8300, macro F1 0.7250, micro F1 0.7500, exact match 0.6000 (…)`.
pub(crate) fn score(report: &EvaluationReport) -> String {
    let [low, high] = report.accuracy_interval;
    if report.is_multi_label() {
        let map = report.mean_average_precision().map_or_else(|| "–".to_owned(), |map| format!("{map:.4}"));
        let micro = report.averages.as_ref().map_or(0.0, |averages| averages.micro.f1);
        return format!(
            "mAP {map}, macro F1 {:.4}, micro F1 {micro:.4}, exact match {:.4} (95 % interval {low:.3} to {high:.3}), eval loss {:.4}",
            report.macro_f1, report.accuracy, report.loss
        );
    }
    let scope = report.macro_f1_scope().map_or_else(String::new, |scope| format!(" ({scope})"));
    format!(
        "accuracy {:.4} (95 % interval {low:.3} to {high:.3}), macro F1 {:.4}{scope}, eval loss {:.4}",
        report.accuracy, report.macro_f1, report.loss
    )
}

/// `weighted F1 0.8250, top-5 0.9800, log loss 0.6120, ECE 0.0310, ROC-AUC 0.9700, mAP 0.8800`, as far as the scores tell.
pub(crate) fn more_scores(report: &EvaluationReport) -> String {
    let mut scores = vec![format!("weighted F1 {:.4}", report.weighted_f1)];
    let mut add = |name: &str, score: Option<f64>| {
        scores.extend(score.map(|score| format!("{name} {score:.4}")));
    };
    for (k, share) in report.top_k.range(5..=5).chain(report.top_k.range(..5).next_back()).take(1) {
        add(&format!("top-{k}"), Some(*share));
    }
    add("log loss", report.log_loss);
    add("ECE", report.ece);
    add("ROC-AUC", report.roc_auc.as_ref().and_then(|it| it.macro_average));
    add("mAP", report.average_precision.as_ref().and_then(|it| it.macro_average));
    scores.join(", ")
}

/// A table of the folds or languages, and the mean of their accuracies.
pub(crate) fn parts(scores: &PartScores) -> String {
    let rows = scores.parts.iter().map(|part| {
        let [low, high] = part.accuracy_interval;
        [
            part.name.clone(),
            format!("{:.4}", part.accuracy),
            format!("{low:.3} to {high:.3}"),
            format!("{:.4}", part.macro_f1),
            part.n.to_string(),
        ]
    });
    let table = columns::numeric(["part", "accuracy", "95 % interval", "macro F1", "clips"], rows);
    format!(
        "{table}\nmean of {} accuracies {:.4}, standard deviation {:.4}\n",
        scores.parts.len(),
        scores.mean_accuracy,
        scores.accuracy_spread
    )
}

/// The first of `count` clips that were classified wrongly; `None` where there are none.
pub(crate) fn mistakes(count: usize, first: &[Mistake]) -> Option<String> {
    let rows = first
        .iter()
        .map(|it| [it.clip.clone(), it.actual.clone(), it.predicted.clone(), format!("{:.4}", it.score)]);
    let shown = if count > first.len() { format!("; the first {}", first.len()) } else { String::new() };
    let table = columns::left(["clip", "actual", "predicted", "score"], rows);
    let heading = format!("{count} wrongly classified, the highest score first{shown}:");
    (count > 0).then(|| format!("{heading}\n{table}\n"))
}

pub(crate) fn per_class(report: &EvaluationReport) -> String {
    let rows = report.per_class.iter().map(|class| {
        let [precision, recall, f1] = class.cells(|ratio| format!("{ratio:.3}"));
        [class.label.clone(), precision, recall, f1, class.support.to_string()]
    });
    columns::numeric(["class", "precision", "recall", "F1", "clips"], rows) + "\n"
}

/// Actual classes down, predicted ones across by their numbers. With more classes than fit a terminal it names the figure.
pub(crate) fn confusion(report: &EvaluationReport) -> String {
    const READABLE: usize = 20;
    if report.labels.len() > READABLE {
        return format!(
            "(the confusion matrix of {} classes is in confusion_matrix.svg)\n",
            report.labels.len()
        );
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    let numbers = (0..report.labels.len()).map(|id| id.to_string());
    table.set_header(std::iter::once("actual \\ predicted".to_owned()).chain(numbers));
    for ((id, label), row) in report.labels.iter().enumerate().zip(report.confusion.rows()) {
        let counts = row.iter().map(|&n| if n == 0 { "·".to_owned() } else { n.to_string() });
        table.add_row(std::iter::once(format!("{id} {}", escape(label))).chain(counts));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt() + "\n"
}
