//! `report.html`: a whole run on one page that needs nothing but itself: no script, no font, no network.

use std::fmt::Write;

use crate::artifacts::figure::{confusion_svg, curves_svg, escape};
use crate::evaluate::metrics::EvaluationReport;
use crate::evaluate::records::{EpochRecord, StepRecord};

/// What the page tells.
#[derive(Debug, Clone, PartialEq)]
pub struct RunReport {
    /// The page's heading, such as the name of the model.
    pub title: String,
    /// The resolved recipe: name and value, in the order to show them.
    pub recipe: Vec<(String, String)>,
    /// Every step line of `metrics.jsonl`.
    pub steps: Vec<StepRecord>,
    /// Every epoch line of `metrics.jsonl`.
    pub epochs: Vec<EpochRecord>,
    /// The mean training loss of each of those epochs; NaN where it is not known.
    pub train_losses: Vec<f64>,
    /// Optimizer steps after which the best checkpoint was taken.
    pub best_step: u64,
    /// The best checkpoint's scores.
    pub evaluation: EvaluationReport,
}

/// Renders the page. Every name and value is escaped, so the labels may hold anything.
pub fn report_html(run: &RunReport) -> String {
    let title = escape(&run.title);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    );
    summary(&mut page, run);
    page.push_str("<h2>Curves</h2>\n<figure>");
    page.push_str(&curves_svg(&run.steps, &run.epochs, Some(run.best_step)));
    page.push_str("</figure>\n<h2>Epochs</h2>\n");
    let rows = run.epochs.iter().enumerate().map(|(row, epoch)| {
        let class = if epoch.step == run.best_step { " class=\"best\"" } else { "" };
        let training = run.train_losses.get(row).copied().filter(|loss| !loss.is_nan());
        let training = training.map_or_else(String::new, decimals);
        let (loss, accuracy) = (decimals(epoch.eval_loss), decimals(epoch.eval_accuracy));
        let cells = [format!("{:.2}", epoch.epoch), epoch.step.to_string(), training, loss, accuracy];
        (class, cells)
    });
    table(&mut page, ["Epoch", "Step", "Training loss", "Validation loss", "Accuracy"], rows);
    page.push_str(
        "<p class=\"note\">The training loss is the mean over the steps of the epoch. The marked row is the checkpoint that was \
         kept: the most accurate, the earliest of equals.</p>\n",
    );

    page.push_str("<h2>Confusion matrix</h2>\n<figure>");
    page.push_str(&confusion_svg(&run.evaluation.labels, &run.evaluation.confusion));
    page.push_str("</figure>\n<h2>Classes</h2>\n");
    let rows = run.evaluation.per_class.iter().map(|class| {
        let [precision, recall, f1] = [class.precision, class.recall, class.f1].map(decimals);
        ("", [escape(&class.label), precision, recall, f1, class.support.to_string()])
    });
    table(&mut page, ["Class", "Precision", "Recall", "F1", "Clips"], rows);

    page.push_str("<h2>Recipe</h2>\n");
    let rows = run.recipe.iter().map(|(name, value)| ("", [escape(name), escape(value)]));
    table(&mut page, ["Setting", "Value"], rows);
    page.push_str("</body>\n</html>\n");
    page
}

fn summary(page: &mut String, run: &RunReport) {
    let report = &run.evaluation;
    let [low, high] = report.accuracy_interval.map(|bound| 100.0 * bound);
    let _ = write!(page, "<p class=\"score\"><strong>{:.1} %</strong> accuracy ", 100.0 * report.accuracy);
    let _ = write!(page, "(95 % interval {low:.1} to {high:.1} %) · macro F1 {:.3} ", report.macro_f1);
    let _ = writeln!(page, "· loss {}</p>", decimals(report.loss));
    let (dataset, split) = (escape(&report.dataset), escape(&report.split));
    let _ = writeln!(
        page,
        "<p>{} clips of {dataset}, split {split}, after step {}.</p>",
        report.n, run.best_step
    );
}

/// Rows are a class attribute, or nothing, and cells that are escaped already.
fn table<'a, const N: usize>(
    page: &mut String,
    head: [&str; N],
    rows: impl Iterator<Item = (&'a str, [String; N])>,
) {
    page.push_str("<div class=\"scroll\"><table>\n<thead><tr>");
    for name in head {
        let _ = write!(page, "<th scope=\"col\">{name}</th>");
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for (class, cells) in rows {
        let _ = write!(page, "<tr{class}>");
        for cell in cells {
            let _ = write!(page, "<td>{cell}</td>");
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody></table></div>\n");
}

fn decimals(value: f64) -> String {
    format!("{value:.4}")
}

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1f2328; --page: #ffffff; --line: #d1d9e0; --best: #ddf4ff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --page: #0d1117; --line: #3d444d; --best: #12304d; }
}
body { max-width: 52rem; margin: 2rem auto; padding: 0 1rem; color: var(--ink); background: var(--page);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { overflow-wrap: anywhere; }
h2 { margin-top: 2.5rem; font-size: 1.2rem; }
.score strong { font-size: 1.6rem; }
.note { font-size: 0.85rem; opacity: 0.75; }
.scroll, figure { margin: 0; overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 0.3rem 0.7rem; border-bottom: 1px solid var(--line); text-align: left;
  overflow-wrap: anywhere; }
tr.best { background: var(--best); }
svg { color: var(--ink); }
svg .paper { display: none; }
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::metrics::ConfusionMatrix;

    fn run(label: &str) -> RunReport {
        let epoch = |step, eval_accuracy| EpochRecord {
            step,
            epoch: step as f64 / 6.0,
            eval_loss: 1.25,
            eval_accuracy,
        };
        RunReport {
            title: label.into(),
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
        for loader in ["http", "src=", "href=", "<script", "@import", "url("] {
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
    fn scores_and_recipe_are_told() {
        let page = report_html(&run("blues"));
        assert!(page.contains("<strong>50.0 %</strong>"));
        assert!(
            page.contains("<tr><td>blues</td><td>0.5000</td><td>1.0000</td><td>0.6667</td><td>1</td></tr>")
        );
        assert!(page.contains("<tr><td>learning_rate</td><td>5e-5</td></tr>"));
    }
}
