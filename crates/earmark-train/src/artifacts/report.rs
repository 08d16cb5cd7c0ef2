//! `report.html`: a whole run on one page that needs nothing but itself: no script, no font, no network.

use maud::{Markup, html};

use crate::artifacts::figures::confusion::confusion_svg;
use crate::artifacts::figures::curves::curves_svg;
use crate::artifacts::page::{cell, decimals, figure, page, table};
use crate::evaluate::mistakes::Mistake;
use crate::evaluate::records::{EpochRecord, StepRecord};
use crate::evaluate::report::EvaluationReport;

/// The content of the page.
#[derive(Debug, Clone, PartialEq)]
pub struct RunReport {
    /// The page's heading, such as the name of the run.
    pub title: String,
    /// What tells the run from others, such as its date and command: name and value, in the order to show them.
    pub facts: Vec<(String, String)>,
    /// The resolved recipe: name and value, in the order to show them.
    pub recipe: Vec<(String, String)>,
    /// Every step line of `metrics.jsonl`.
    pub steps: Vec<StepRecord>,
    /// Every epoch line of `metrics.jsonl`.
    pub epochs: Vec<EpochRecord>,
    /// The train loss of each of those epochs, the mean over its steps; NaN where it is not known.
    pub train_losses: Vec<f64>,
    /// Optimizer steps after which the best checkpoint was taken.
    pub best_step: u64,
    /// The best checkpoint's scores.
    pub evaluation: EvaluationReport,
    /// The held-out clips that it classifies wrongly, in the order to show them.
    pub mistakes: Vec<Mistake>,
}

/// Renders the page. Names and values may hold anything: maud escapes them.
pub fn report_html(run: &RunReport) -> String {
    let epochs = run.epochs.iter().enumerate().map(|(row, epoch)| {
        let train_loss = run.train_losses.get(row).copied().filter(|loss| !loss.is_nan());
        let train_loss = train_loss.map_or_else(String::new, decimals);
        let (loss, score) = (decimals(epoch.eval_loss), decimals(epoch.score()));
        let cells = [format!("{:.2}", epoch.epoch), epoch.step.to_string(), train_loss, loss, score];
        (epoch.step == run.best_step, cells.map(cell))
    });
    let classes = run.evaluation.per_class.iter().map(|class| {
        let [precision, recall, f1] = class.cells(decimals);
        (false, [class.label.clone(), precision, recall, f1, class.support.to_string()].map(cell))
    });
    let recipe = run.recipe.iter().map(|(name, value)| (false, [name, value].map(cell)));
    let score = if run.evaluation.is_multi_label() { "mAP" } else { "Accuracy" };
    let body = html! {
        h1 { (run.title) }
        (summary(run))
        dl { @for (name, value) in &run.facts { dt { (name) } dd { (value) } } }
        h2 { "Curves" }
        (figure("Curves", &curves_svg(&run.steps, &run.epochs, Some(run.best_step))))
        h2 { "Epochs" }
        (table("Epochs", ["Epoch", "Step", "Train loss", "Eval loss", score], epochs))
        p.note {
            "The train loss is the mean over the steps of the epoch; eval loss and "
            @if run.evaluation.is_multi_label() { "mAP" } @else { "accuracy" }
            " are those of the held-out clips. The model is that of the marked epoch" (ties(run)) "."
        }
        @if !run.evaluation.is_multi_label() {
            h2 { "Confusion matrix" }
            (figure("Confusion matrix", &confusion_svg(&run.evaluation.labels, &run.evaluation.confusion)))
        }
        h2 { "Classes" }
        (table("Classes", ["Class", "Precision", "Recall", "F1", "Clips"], classes))
        (mistakes(run))
        h2 { "Recipe" }
        (table("Recipe", ["Setting", "Value"], recipe))
        p.note { "The same settings are in recipe.toml, from which a run can be repeated." }
    };
    page(&run.title, &body)
}

fn summary(run: &RunReport) -> Markup {
    let report = &run.evaluation;
    let [low, high] = report.accuracy_interval.map(|bound| 100.0 * bound);
    let what =
        if report.is_multi_label() { "of the clips with exactly their classes found" } else { "accuracy" };
    let map = report.mean_average_precision().filter(|_| report.is_multi_label());
    html! {
        p.score {
            strong { (format!("{:.1} %", 100.0 * report.accuracy)) }
            (format!(
                " {what} (95 % interval {low:.1} to {high:.1} %) · macro F1 {:.3} · eval loss {:.4}",
                report.macro_f1, report.loss
            ))
            @if let Some(map) = map { (format!(" · mAP {map:.3}")) }
        }
        p {
            "On " (report.n) " held-out clips of " (report.dataset) ", after step " (run.best_step) "."
            @if let Some(scope) = report.macro_f1_scope() { " Macro F1 is over " (scope) "." }
        }
    }
}

/// That other epochs are as accurate as the best, where some are.
fn ties(run: &RunReport) -> String {
    let best = run.epochs.iter().find(|epoch| epoch.step == run.best_step).map(EpochRecord::score);
    let equal = run.epochs.iter().filter(|epoch| Some(epoch.score()) == best).count();
    let score = if run.evaluation.is_multi_label() { "mAP" } else { "accuracy" };
    if equal < 2 { String::new() } else { format!(", the earliest of {equal} with this {score}") }
}

/// The clips that were classified wrongly.
fn mistakes(run: &RunReport) -> Markup {
    let (all, held_out) = (run.mistakes.len(), run.evaluation.n);
    let shown = run.mistakes.iter().take(MISTAKES_SHOWN).map(|it| {
        let cells = [&it.clip, &it.actual, &it.predicted].map(String::clone);
        let [clip, actual, predicted] = cells;
        (false, [clip, actual, predicted, decimals(it.score.into())].map(cell))
    });
    html! {
        h2 { "Wrongly classified clips" }
        @if all == 0 {
            p { "None." }
        } @else {
            p {
                (all) " of " (held_out) " held-out clips, the highest score first"
                @if all > MISTAKES_SHOWN { "; the first " (MISTAKES_SHOWN) } "."
            }
            (table("Wrongly classified clips", ["Clip", "Actual", "Predicted", "Score"], shown))
        }
    }
}

const MISTAKES_SHOWN: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;
    use earmark_eval::ConfusionMatrix;

    fn run(label: &str) -> RunReport {
        let epoch = |step, eval_accuracy| EpochRecord {
            step,
            epoch: step as f64 / 6.0,
            eval_loss: 1.25,
            eval_accuracy,
            multi_label: None,
        };
        RunReport {
            title: label.into(),
            facts: vec![("Command".into(), format!("earmark train --data {label}"))],
            recipe: vec![("learning_rate".into(), "5e-5".into()), (label.into(), label.into())],
            steps: vec![StepRecord { step: 5, epoch: 0.83, loss: 1.5, lr: 5e-5, grad_norm: 1.0 }],
            epochs: vec![epoch(4, 0.25), epoch(6, 0.5), epoch(12, 0.5)],
            train_losses: vec![f64::NAN, 1.75, 1.5],
            best_step: 6,
            evaluation: EvaluationReport::new(
                label,
                label,
                label,
                vec![label.into(), "rock".into()],
                ConfusionMatrix::from_pairs(2, [(0, 0), (1, 0)]),
                1.25,
            ),
            mistakes: (0..60)
                .map(|clip| Mistake {
                    clip: format!("rock/{clip}.wav"),
                    actual: "rock".into(),
                    predicted: label.into(),
                    score: 0.75,
                })
                .collect(),
        }
    }

    #[test]
    fn no_name_can_become_markup() {
        let page = report_html(&run("<img src=x onerror=\"alert(1)\">"));
        assert!(!page.contains("<img"));
        assert!(page.contains("<h1>&lt;img src=x onerror=&quot;alert(1)&quot;&gt;</h1>"));
    }

    #[test]
    fn the_page_loads_nothing() {
        let page = report_html(&run("blues")).replace("http://www.w3.org/2000/svg", "");
        for loader in ["http:", "https:", "src=", "href=", "<script", "@import", "url("] {
            assert!(!page.contains(loader), "{loader}");
        }
    }

    #[test]
    fn each_epoch_has_a_row_and_only_the_kept_one_is_marked() {
        let page = report_html(&run("blues"));
        assert!(page.contains("<tr><td>0.67</td><td>4</td><td></td><td>1.2500</td><td>0.2500</td></tr>"));
        assert!(page.contains("<tr class=\"best\"><td>1.00</td><td>6</td><td>1.7500</td>"));
        assert_eq!(page.matches("class=\"best\"").count(), 1);
    }

    #[test]
    fn the_marked_epoch_is_called_the_earliest_only_among_equals() {
        let mut run = run("blues");
        assert!(report_html(&run).contains("of the marked epoch, the earliest of 2 with this accuracy."));
        run.epochs[2].eval_accuracy = 0.25;
        assert!(report_html(&run).contains("of the marked epoch."));
    }

    #[test]
    fn the_page_shows_what_tells_a_run_from_others_and_the_first_wrong_clips() {
        let page = report_html(&run("blues"));
        assert!(page.contains("<dt>Command</dt><dd>earmark train --data blues</dd>"), "{page}");
        assert!(page.contains("60 of 2 held-out clips, the highest score first; the first 50."), "{page}");
        let row = "<tr><td>rock/0.wav</td><td>rock</td><td>blues</td><td>0.7500</td></tr>";
        assert!(page.contains(row) && page.contains("rock/49.wav") && !page.contains("rock/50.wav"));
        let none = RunReport { mistakes: vec![], ..run("blues") };
        assert!(report_html(&none).contains("<h2>Wrongly classified clips</h2><p>None.</p>"));
    }

    #[test]
    fn scores_and_recipe_are_on_the_page() {
        let page = report_html(&run("blues"));
        assert!(page.contains("<strong>50.0 %</strong>"));
        assert!(
            page.contains("<tr><td>blues</td><td>0.5000</td><td>1.0000</td><td>0.6667</td><td>1</td></tr>")
        );
        assert!(page.contains("<tr><td>learning_rate</td><td>5e-5</td></tr>"));
    }
}
