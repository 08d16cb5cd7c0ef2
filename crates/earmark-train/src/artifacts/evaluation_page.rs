//! `report.html` of an evaluation: its scores on one page, and the worst mistakes to listen to.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use earmark_eval::{ClassMeans, IntervalMethod, wilson_interval};
use maud::{Markup, PreEscaped, html};

use crate::artifacts::figures::bar::bar_svg;
use crate::artifacts::figures::confidences::confidences_svg;
use crate::artifacts::figures::confusion::confusion_svg;
use crate::artifacts::figures::reliability::reliability_svg;
use crate::artifacts::page::{cell, decimals, figure, page, table};
use crate::evaluate::mistakes::Mistake;
use crate::evaluate::report::{EvaluationReport, PartScores};

/// The content of the page of an evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluationPage {
    /// The scores.
    pub report: EvaluationReport,
    /// The command that made them; empty where a program did.
    pub command: String,
    /// What tells the evaluation from others, such as commits and versions: name and value, in the order to show them.
    pub facts: Vec<(String, String)>,
    /// How many clips could not be used.
    pub left_out: usize,
    /// The clips that are wrong with the highest scores, in the order to show them.
    pub mistakes: Vec<HeardMistake>,
}

/// A clip that was classified wrongly, and its sound.
#[derive(Debug, Clone, PartialEq)]
pub struct HeardMistake {
    /// The clip.
    pub mistake: Mistake,
    /// Its sound.
    pub sound: MistakeSound,
}

/// The sound of a clip that was classified wrongly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MistakeSound {
    /// A WAV.
    Wav {
        /// Its bytes.
        bytes: Vec<u8>,
        /// Whether the clip goes on behind its end.
        is_cut: bool,
    },
    /// Why there is none.
    Missing(String),
}

/// Renders the page. Names and values may hold anything: maud escapes them. The same content gives the same page.
pub fn evaluation_html(evaluation: &EvaluationPage) -> String {
    let report = &evaluation.report;
    let title = format!("{} on {}", report.model, report.dataset);
    let body = html! {
        h1 { (title) }
        (headline(evaluation))
        (protocol(report))
        h2 { "Confusion matrix" }
        (figure("Confusion matrix", &confusion_svg(&report.labels, &report.confusion)))
        (confusions(report))
        (calibration(report))
        (classes(report))
        @if let Some(parts) = &report.parts { (self::parts(parts)) }
        (mistakes(evaluation))
        h2 { "How it was made" }
        @if !evaluation.command.is_empty() { pre { code { (evaluation.command) } } }
        dl { @for (name, value) in &evaluation.facts { dt { (name) } dd { (value) } } }
        p.note { "report.json has these numbers, predictions.parquet the scores of every clip." }
    };
    page(&title, &body)
}

fn headline(evaluation: &EvaluationPage) -> Markup {
    let report = &evaluation.report;
    let interval = percent_interval(report.accuracy_interval);
    let rounded = |value: f64| format!("{value:.3}");
    let of_classes =
        |means: &Option<ClassMeans>| means.as_ref().and_then(|means| means.macro_average).map(rounded);
    let mut numbers =
        vec![("Accuracy".to_owned(), percent(report.accuracy), Some(format!("95 % interval {interval}")))];
    for (&k, &share) in &report.top_k {
        numbers.push((format!("Top-{k} accuracy"), percent(share), None));
    }
    numbers.push(("Macro F1".to_owned(), rounded(report.macro_f1), report.macro_f1_scope()));
    if report.averages.is_some() {
        numbers.push((
            "Weighted F1".to_owned(),
            rounded(report.weighted_f1),
            Some("classes by their clips".to_owned()),
        ));
    }
    let optional = [
        ("Log loss", report.log_loss.map(rounded), "nats"),
        ("Calibration error", report.ece.map(rounded), "expected, of the predictions"),
        ("Class calibration error", report.class_ece.map(rounded), "mean over the classes"),
        ("ROC-AUC", of_classes(&report.roc_auc), "mean over the classes"),
        ("Average precision", of_classes(&report.average_precision), "mean over the classes"),
    ];
    for (name, value, note) in optional {
        numbers.extend(value.map(|value| (name.to_owned(), value, Some(note.to_owned()))));
    }
    numbers.push(("Clips".to_owned(), report.n.to_string(), left_out(evaluation.left_out)));
    html! {
        p { "Split " strong { (report.split) } ", " (report.labels.len()) " classes." }
        dl.numbers {
            @for (name, value, note) in numbers {
                div {
                    dt { (name) }
                    dd { (value) @if let Some(note) = note { div.note { (note) } } }
                }
            }
        }
        p.note { (how_the_interval_was_made(report)) }
    }
}

fn left_out(clips: usize) -> Option<String> {
    match clips {
        0 => None,
        1 => Some("1 more could not be used".to_owned()),
        _ => Some(format!("{clips} more could not be used")),
    }
}

fn how_the_interval_was_made(report: &EvaluationReport) -> String {
    let method = match report.interval_method {
        IntervalMethod::Wilson => "The interval of the accuracy is Wilson's",
        IntervalMethod::ClusterBootstrap => "The interval of the accuracy is that of the cluster bootstrap",
    };
    match report.interval_reason.as_str() {
        "" => format!("{method}."),
        reason => format!("{method}: {reason}."),
    }
}

/// Which clips were scored, in the words of the protocol.
fn protocol(report: &EvaluationReport) -> Markup {
    let Some(protocol) = &report.protocol else { return html! {} };
    html! {
        h2 { "Protocol " (protocol.name) }
        p { (protocol.description) }
        @if !protocol.remarks.is_empty() { ul { @for remark in &protocol.remarks { li { (remark) } } } }
    }
}

/// The classes that are taken for one another most often.
fn confusions(report: &EvaluationReport) -> Markup {
    const SHOWN: usize = 10;
    let rows = report.confusion.rows().iter().enumerate();
    let mut pairs: Vec<(usize, usize, u64)> = rows
        .flat_map(|(actual, row)| {
            row.iter().enumerate().map(move |(predicted, &count)| (actual, predicted, count))
        })
        .filter(|&(actual, predicted, count)| actual != predicted && count > 0)
        .collect();
    pairs.sort_by_key(|&(.., count)| std::cmp::Reverse(count));
    let rows = pairs.iter().take(SHOWN).map(|&(actual, predicted, count)| {
        let support = report.confusion.class_counts(actual).support;
        let [actual, predicted] = [actual, predicted].map(|class| cell(&report.labels[class]));
        (false, [actual, predicted, cell(format!("{count} of {support}"))])
    });
    html! {
        @if !pairs.is_empty() {
            h2 { "Most frequent confusions" }
            (table("Most frequent confusions", ["Actual", "Predicted", "Clips of the actual class"], rows))
        }
    }
}

/// Whether scores can be taken for probabilities.
fn calibration(report: &EvaluationReport) -> Markup {
    if report.reliability.is_none() && report.confidences.is_none() {
        return html! {};
    }
    html! {
        h2 { "Confidence" }
        div.pair {
            @if let Some(reliability) = &report.reliability {
                div {
                    h3 { "Reliability" }
                    (figure("Reliability diagram", &reliability_svg(reliability)))
                    p.note {
                        "A dot is a bin of clips of about the same confidence, which is the score of the label that was \
                         predicted. On the dashed line confidence is accuracy; below it the model is too confident. The lines \
                         through the dots are 95 % Wilson intervals."
                    }
                }
            }
            @if let Some(confidences) = &report.confidences {
                div {
                    h3 { "Clips by confidence" }
                    (figure("Clips by confidence", &confidences_svg(confidences)))
                    p.note { "The two have scales of their own." }
                }
            }
        }
    }
}

/// Every class, the weakest first.
fn classes(report: &EvaluationReport) -> Markup {
    let mut classes: Vec<usize> = (0..report.per_class.len().min(report.confusion.classes())).collect();
    // Those without clips have no F1: they are last.
    classes.sort_by(|&a, &b| {
        let key = |class: usize| (report.per_class[class].support == 0, report.per_class[class].f1);
        let (a, b) = (key(a), key(b));
        a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
    });
    let rows = classes.into_iter().map(|class| {
        let (of_class, counts) = (&report.per_class[class], report.confusion.class_counts(class));
        let interval = wilson_interval(counts.correct, counts.support);
        let [precision, recall, f1] = of_class.cells(|value| format!("{value:.3}"));
        let has_clips = of_class.support > 0;
        let bar = if has_clips { bar_svg(of_class.recall, interval) } else { String::new() };
        let [low, high] = interval;
        let interval = if has_clips { format!("{low:.3} to {high:.3}") } else { "–".to_owned() };
        let bar = html! { (PreEscaped(bar)) };
        let support = of_class.support.to_string();
        let [recall, interval, precision, f1, support] = [recall, interval, precision, f1, support].map(cell);
        (false, [cell(&of_class.label), bar, recall, interval, precision, f1, support])
    });
    html! {
        h2 { "Classes" }
        (table("Classes", ["Class", "Recall from 0 to 1", "Recall", "95 % interval", "Precision", "F1", "Clips"], rows))
        p.note { "The lowest F1 first. The intervals are Wilson's, for clips that are independent." }
    }
}

/// The scores of each fold or language.
fn parts(parts: &PartScores) -> Markup {
    let rows = parts.parts.iter().map(|part| {
        let bar = html! { (PreEscaped(bar_svg(part.accuracy, part.accuracy_interval))) };
        let (accuracy, interval) =
            (cell(percent(part.accuracy)), cell(percent_interval(part.accuracy_interval)));
        let (f1, clips) = (cell(format!("{:.3}", part.macro_f1)), cell(part.n.to_string()));
        (false, [cell(&part.name), bar, accuracy, interval, f1, clips])
    });
    let (mean, spread) = (100.0 * parts.mean_accuracy, 100.0 * parts.accuracy_spread);
    html! {
        h2 { "Parts" }
        (table("Parts", ["Part", "Accuracy from 0 to 100 %", "Accuracy", "95 % interval", "Macro F1", "Clips"], rows))
        p.note {
            (format!(
                "The mean over the parts, each counted the same, is {mean:.1} %, with a standard deviation of {spread:.1} points."
            ))
        }
    }
}

/// The clips that are wrong with the highest scores.
fn mistakes(evaluation: &EvaluationPage) -> Markup {
    let (report, shown) = (&evaluation.report, &evaluation.mistakes);
    let wrong = report.n.saturating_sub(report.confusion.correct());
    html! {
        h2 { "Wrongly classified clips" }
        @if wrong == 0 {
            p { "None." }
        } @else {
            p {
                (wrong) " of " (report.n) ", the highest score first"
                @if wrong > shown.len() as u64 { "; the first " (shown.len()) } "."
            }
            ol.clips role="list" { @for it in shown { li { (mistake(it)) } } }
        }
    }
}

fn mistake(heard: &HeardMistake) -> Markup {
    let Mistake { clip, actual, predicted, score } = &heard.mistake;
    html! {
        h3 { (clip) }
        p { "is " strong { (actual) } ", was taken for " strong { (predicted) } " with " (decimals(f64::from(*score))) }
        @match &heard.sound {
            MistakeSound::Wav { bytes, is_cut } => {
                audio controls preload="metadata" aria-label=(format!("Sound of {clip}"))
                    src=(format!("data:audio/wav;base64,{}", STANDARD.encode(bytes))) {}
                @if *is_cut { p.note { "The beginning of the clip." } }
            }
            MistakeSound::Missing(why) => { p.note { "No sound: " (why) } }
        }
    }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn percent_interval(interval: [f64; 2]) -> String {
    let [low, high] = interval.map(|bound| 100.0 * bound);
    format!("{low:.1} to {high:.1} %")
}

#[cfg(test)]
mod tests {
    use earmark_eval::{ConfusionMatrix, Reliability};

    use super::*;
    use crate::evaluate::report::{Confidences, PartScore, ProtocolRecord};

    /// Of which every name and value that may come from outside is `text`.
    fn evaluation(text: &str) -> EvaluationPage {
        let confusion = ConfusionMatrix::from_pairs(3, [(0, 0), (0, 1), (1, 1), (1, 1), (1, 0), (1, 0)]);
        let labels = vec![text.to_owned(), "rain".to_owned(), "wind".to_owned()];
        let mut report = EvaluationReport::new(text, text, text, labels, confusion, 0.5);
        let confidence = [0.5, 0.6, 0.7, 0.8, 0.9, 1.0];
        report.reliability =
            Some(Reliability::new(&confidence, &[true, false, true, true, false, false], 3).unwrap());
        report.ece = report.reliability.as_ref().map(Reliability::ece);
        report.confidences = Some(Confidences { right: vec![0, 3], wrong: vec![1, 2] });
        report.log_loss = Some(0.5);
        report.top_k = [(2, 1.0)].into();
        report.interval_reason = text.to_owned();
        report.protocol = Some(ProtocolRecord {
            name: text.to_owned(),
            description: text.to_owned(),
            remarks: vec![text.to_owned()],
        });
        let part = PartScore {
            name: text.to_owned(),
            n: 6,
            accuracy: 0.5,
            accuracy_interval: [0.2, 0.8],
            macro_f1: 0.5,
        };
        report.parts = Some(PartScores { parts: vec![part], mean_accuracy: 0.5, accuracy_spread: 0.0 });
        let mistake = |clip: &str, sound| HeardMistake {
            mistake: Mistake {
                clip: clip.to_owned(),
                actual: text.to_owned(),
                predicted: "rain".to_owned(),
                score: 0.75,
            },
            sound,
        };
        EvaluationPage {
            report,
            command: text.to_owned(),
            facts: vec![(text.to_owned(), text.to_owned())],
            left_out: 2,
            mistakes: vec![
                mistake(text, MistakeSound::Wav { bytes: vec![0, 1, 255], is_cut: true }),
                mistake("gone.wav", MistakeSound::Missing(text.to_owned())),
            ],
        }
    }

    #[test]
    fn no_name_can_become_markup() {
        for hostile in
            ["<img src=x onerror=\"alert(1)\">", "</style><script>alert(1)</script>", "\" onplay=\"alert(1)"]
        {
            let page = evaluation_html(&evaluation(hostile));
            assert!(
                !page.contains("<img") && !page.contains("<script") && !page.contains("\" onplay"),
                "{page}"
            );
            assert_eq!(page.matches("</style>").count(), 1);
        }
    }

    #[test]
    fn the_page_loads_nothing_but_the_sounds_within_it() {
        let page = evaluation_html(&evaluation("bell")).replace("http://www.w3.org/2000/svg", "");
        let page = page.replace("src=\"data:audio/wav;base64,AAH/\"", "");
        for loader in ["http:", "https:", "src=", "href=", "<script", "@import", "url(", " style="] {
            assert!(!page.contains(loader), "{loader}");
        }
    }

    #[test]
    fn what_was_measured_is_on_the_page_and_what_was_not_is_not() {
        let full = evaluation_html(&evaluation("bell"));
        for text in [
            "<title>bell on bell</title>",
            "<dt>Accuracy</dt><dd>50.0 %<div class=\"note\">95 % interval",
            "<dt>Top-2 accuracy</dt><dd>100.0 %</dd>",
            "<dt>Macro F1</dt>",
            "2 of 3 classes",
            "<dt>Log loss</dt><dd>0.500",
            "<dt>Calibration error</dt>",
            "2 more could not be used",
            "The interval of the accuracy is Wilson&#39;s: bell.",
            "<h2>Protocol bell</h2>",
            "<td>rain</td><td>bell</td><td>2 of 4</td>",
            "3 of 6, the highest score first; the first 2.",
            "with 0.7500",
            "aria-label=\"Sound of bell\"",
            "The beginning of the clip.",
            "No sound: bell",
            "is 50.0 %, with a standard deviation of 0.0 points",
        ] {
            assert!(
                full.contains(text) || full.contains(&text.replace("&#39;", "'")),
                "no `{text}` in {full}"
            );
        }
        // The weakest class first, those without clips last.
        let place = |label: &str| full.find(&format!("<td>{label}</td><td><svg")).unwrap();
        assert!(place("bell") < place("rain"));
        assert!(full.contains("<td>wind</td><td></td><td>–</td><td>–</td>"));

        let confusion = ConfusionMatrix::from_pairs(2, [(0, 0), (1, 1)]);
        let labels = vec!["a".to_owned(), "b".to_owned()];
        let report = EvaluationReport::new("d", "s", "m", labels, confusion, 0.0);
        let (command, facts) = (String::new(), vec![]);
        let bare = evaluation_html(&EvaluationPage { report, command, facts, left_out: 0, mistakes: vec![] });
        for text in
            ["Protocol", "Confidence", "Parts", "Log loss", "Calibration", "<pre>", "could not be used"]
        {
            assert!(!bare.contains(text), "`{text}` in {bare}");
        }
        assert!(bare.contains("<h2>Wrongly classified clips</h2><p>None.</p>"));
    }
}
