//! Random scores and what scikit-learn 1.9.1 and scipy 1.17.1 compute of them. Regenerate: `cargo xtask goldens metrics`.

use std::path::Path;

use earmark_eval::{
    Averages, ClassMeans, McNemar, McNemarTest, MultiLabel, Platt, Prf, Reliability, ScoreMatrix,
    SingleLabel, Temperature, wilson_interval,
};
use earmark_testkit::note_difference;
use serde::Deserialize;

/// What the README promises; with `EARMARK_WORST` set to a file each difference is written there.
const TOLERANCE: f64 = 1e-12;

#[derive(Deserialize)]
struct Cases {
    single: Vec<Single>,
    multi: Vec<Multi>,
    wilson: Vec<(u64, u64, f64, f64)>,
    mcnemar: Vec<(u64, u64, bool, f64)>,
    temperature: Vec<TemperatureCase>,
    platt: Vec<PlattCase>,
}

#[derive(Deserialize)]
struct Single {
    classes: usize,
    total: u32,
    counts: Vec<u32>,
    truth: Vec<usize>,
    accuracy: f64,
    confusion: Vec<u64>,
    per_class: PerClass,
    averages: WantedAverages,
    balanced: f64,
    top: Vec<f64>,
    log_loss: f64,
    ranking: Ranking,
    curve: Curve,
    class_curve: Curve,
}

#[derive(Deserialize)]
struct Multi {
    classes: usize,
    total: u32,
    counts: Vec<u32>,
    truth: Vec<u8>,
    thresholds: Vec<u32>,
    exact: f64,
    log_loss: f64,
    ranking: Ranking,
    micro_auc: Option<f64>,
    micro_ap: Option<f64>,
    averages: Option<WantedAverages>,
    per_class: Option<PerClass>,
}

/// Precision, recall, F1 and clips, each by class.
type PerClass = (Vec<f64>, Vec<f64>, Vec<f64>, Vec<u64>);

#[derive(Deserialize)]
struct WantedAverages {
    #[serde(rename = "macro")]
    macro_average: [f64; 3],
    weighted: [f64; 3],
    micro: [f64; 3],
}

#[derive(Deserialize)]
struct Ranking {
    auc: ClassMeans,
    ap: ClassMeans,
}

#[derive(Deserialize)]
struct Curve {
    bins: usize,
    accuracy: Vec<f64>,
    confidence: Vec<f64>,
    clips: Vec<u64>,
    ece: f64,
}

#[derive(Deserialize)]
struct TemperatureCase {
    classes: usize,
    logits: Vec<f64>,
    truth: Vec<usize>,
    temperature: f64,
}

#[derive(Deserialize)]
struct PlattCase {
    logits: Vec<f64>,
    truth: Vec<u8>,
    fit: [f64; 2],
}

fn cases() -> Cases {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/metrics/cases.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[track_caller]
fn close(what: &str, got: f64, want: f64) {
    note_difference(what, (got - want).abs());
    assert!((got - want).abs() <= TOLERANCE, "{what}: {got} is not {want}");
}

#[track_caller]
fn all_close(what: &str, got: &[f64], want: &[f64]) {
    assert_eq!(got.len(), want.len(), "{what}: {got:?} is not {want:?}");
    got.iter().zip(want).for_each(|(&got, &want)| close(what, got, want));
}

#[track_caller]
fn maybe_close(what: &str, got: Option<f64>, want: Option<f64>) {
    match (got, want) {
        (Some(got), Some(want)) => close(what, got, want),
        _ => assert_eq!(got, want, "{what}"),
    }
}

fn matrix(classes: usize, total: u32, counts: &[u32]) -> ScoreMatrix {
    let values = counts.iter().map(|&count| f64::from(count) / f64::from(total)).collect();
    ScoreMatrix::new(classes, values).unwrap()
}

fn check_averages(case: &str, got: &Averages, want: &WantedAverages) {
    let flat = |prf: &Prf| [prf.precision, prf.recall, prf.f1];
    all_close(&format!("{case}: macro"), &flat(&got.macro_average), &want.macro_average);
    all_close(&format!("{case}: weighted"), &flat(&got.weighted), &want.weighted);
    all_close(&format!("{case}: micro"), &flat(&got.micro), &want.micro);
}

fn check_means(case: &str, got: &ClassMeans, want: &ClassMeans) {
    assert_eq!((got.per_class.len(), got.undefined), (want.per_class.len(), want.undefined), "{case}");
    for (&got, &want) in got.per_class.iter().zip(&want.per_class) {
        maybe_close(case, got, want);
    }
    maybe_close(&format!("{case}: macro"), got.macro_average, want.macro_average);
    maybe_close(&format!("{case}: weighted"), got.weighted, want.weighted);
}

fn check_curve(case: &str, got: &Reliability, want: &Curve) {
    let (accuracy, confidence): (Vec<f64>, Vec<f64>) =
        got.bins.iter().map(|bin| (bin.accuracy, bin.confidence)).unzip();
    assert_eq!(got.bins.iter().map(|bin| bin.clips).collect::<Vec<_>>(), want.clips, "{case}");
    all_close(case, &accuracy, &want.accuracy);
    all_close(case, &confidence, &want.confidence);
    close(case, got.ece(), want.ece);
}

#[test]
fn scores_of_clips_with_one_label_are_those_of_scikit_learn() {
    let cases = cases().single;
    assert_eq!(cases.len(), 120);
    for (number, case) in cases.iter().enumerate() {
        let name = |what: &str| format!("case {number}: {what}");
        let clips =
            SingleLabel::new(matrix(case.classes, case.total, &case.counts), case.truth.clone()).unwrap();
        let confusion = clips.confusion();
        assert_eq!(confusion.rows().concat(), case.confusion, "case {number}");
        close(&name("accuracy"), confusion.accuracy(), case.accuracy);
        for class in 0..case.classes {
            let got = confusion.class_report(class, "");
            let (p, r, f, support) = &case.per_class;
            let want = [p[class], r[class], f[class]];
            all_close(&name("class"), &[got.precision, got.recall, got.f1], &want);
            assert_eq!(got.support, support[class]);
        }
        let averages = confusion.averages();
        check_averages(&name("averages"), &averages, &case.averages);
        close(&name("balanced accuracy"), averages.balanced_accuracy, case.balanced);
        for (k, &want) in (1..).zip(&case.top) {
            close(&name("top k"), clips.top_k_accuracy(k), want);
        }
        close(&name("log loss"), clips.log_loss().unwrap(), case.log_loss);
        check_means(&name("ROC-AUC"), &clips.roc_auc(), &case.ranking.auc);
        check_means(&name("average precision"), &clips.average_precision(), &case.ranking.ap);
        check_curve(&name("reliability"), &clips.reliability(case.curve.bins).unwrap(), &case.curve);
        let of_last = clips.class_reliability(case.class_curve.bins).unwrap().pop().unwrap();
        check_curve(&name("reliability of a class"), &of_last, &case.class_curve);
    }
}

#[test]
fn scores_of_clips_with_any_number_of_labels_are_those_of_scikit_learn() {
    let cases = cases().multi;
    assert_eq!(cases.len(), 80);
    for (number, case) in cases.iter().enumerate() {
        let name = |what: &str| format!("case {number}: {what}");
        let truth = case.truth.iter().map(|&label| label == 1).collect();
        let clips = MultiLabel::new(matrix(case.classes, case.total, &case.counts), truth).unwrap();
        let thresholds: Vec<f64> =
            case.thresholds.iter().map(|&count| f64::from(count) / f64::from(case.total)).collect();
        close(&name("exact match"), clips.exact_match(&thresholds).unwrap(), case.exact);
        close(&name("log loss"), clips.log_loss().unwrap(), case.log_loss);
        check_means(&name("ROC-AUC"), &clips.roc_auc(), &case.ranking.auc);
        check_means(&name("average precision"), &clips.average_precision(), &case.ranking.ap);
        maybe_close(&name("micro ROC-AUC"), clips.micro_roc_auc(), case.micro_auc);
        maybe_close(&name("micro average precision"), clips.micro_average_precision(), case.micro_ap);
        let counts = clips.counts(&thresholds).unwrap();
        if let Some(want) = &case.averages {
            check_averages(&name("averages"), &Averages::of(&counts), want);
        }
        if let Some((p, r, f, support)) = &case.per_class {
            for (class, counts) in counts.iter().enumerate() {
                let got = counts.report("");
                all_close(
                    &name("class"),
                    &[got.precision, got.recall, got.f1],
                    &[p[class], r[class], f[class]],
                );
                assert_eq!(got.support, support[class]);
            }
        }
    }
}

#[test]
fn wilson_intervals_are_those_of_scipy() {
    for (correct, total, low, high) in cases().wilson {
        all_close(&format!("{correct} of {total}"), &wilson_interval(correct, total), &[low, high]);
    }
}

#[test]
fn mcnemars_test_is_that_of_scipy() {
    for (first, second, exact, p_value) in cases().mcnemar {
        let got = McNemar::new(first, second);
        assert_eq!(got.test == McNemarTest::Exact, exact, "{first} and {second}");
        close(&format!("{first} and {second}"), got.p_value, p_value);
    }
}

#[test]
fn temperatures_and_platts_fits_are_at_the_zero_that_scipy_finds() {
    // The loss is flat at its minimum.
    let near = |what: &str, got: f64, want: f64| {
        note_difference(what, (got - want).abs());
        assert!((got - want).abs() <= 1e-9 * want.abs().max(1.0), "{what}: {got} is not {want}");
    };
    for case in cases().temperature {
        let logits = ScoreMatrix::new(case.classes, case.logits).unwrap();
        let got = Temperature::fit(&logits, &case.truth).unwrap();
        assert!(!got.at_bound);
        near("temperature", got.temperature, case.temperature);
    }
    for case in cases().platt {
        let truth: Vec<bool> = case.truth.iter().map(|&label| label == 1).collect();
        let got = Platt::fit(&case.logits, &truth).unwrap().unwrap();
        near("slope", got.slope, case.fit[0]);
        near("intercept", got.intercept, case.fit[1]);
    }
}
