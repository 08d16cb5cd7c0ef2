"""What scikit-learn makes of the predictions that `earmark eval` wrote."""

import numpy as np
from sklearn import metrics

#: The table has single precision.
TOLERANCE = 1e-6
BINS = 15


def expected_calibration_error(confidence: np.ndarray, right: np.ndarray) -> float:
    """With bins of equal mass, as `calibration_curve(strategy="quantile")` makes them."""
    borders = np.percentile(confidence, np.linspace(0, 100, BINS + 1))
    bins = np.searchsorted(borders[1:-1], confidence)
    gaps = [abs(right[bins == b].mean() - confidence[bins == b].mean()) * (bins == b).sum() for b in np.unique(bins)]
    return float(sum(gaps) / len(confidence))


def of_predictions(table: dict, top: list[str]) -> dict[str, float]:
    """The numbers of `report.json` that follow from predictions.parquet, by their keys there; `top` are the keys of `top_k`."""
    labels = table["labels"]
    truth = np.array([labels.index(label) for label in table["label"]])
    predicted = np.array([labels.index(label) for label in table["predicted"]])
    scores = np.asarray(table["scores"], np.float64)
    scores /= scores.sum(axis=1, keepdims=True)
    every, of_one = np.arange(len(labels)), np.eye(len(labels))[truth]
    # A class without clips has no curve, and the means are of the others.
    has_clips = of_one.any(axis=0)
    found = {
        "accuracy": metrics.accuracy_score(truth, predicted),
        "macro_f1": metrics.f1_score(truth, predicted, average="macro", zero_division=0.0),
        "weighted_f1": metrics.f1_score(truth, predicted, average="weighted", zero_division=0.0),
        "log_loss": metrics.log_loss(truth, scores, labels=every),
        "ece": expected_calibration_error(scores.max(axis=1), truth == predicted),
        "roc_auc.macro": metrics.roc_auc_score(of_one[:, has_clips], scores[:, has_clips], average="macro"),
        "average_precision.macro": metrics.average_precision_score(of_one[:, has_clips], scores[:, has_clips]),
    }
    for average in ("macro", "weighted"):
        prf = metrics.precision_recall_fscore_support(truth, predicted, average=average, zero_division=0.0)
        found |= {f"averages.{average}.{key}": value for key, value in zip(("precision", "recall", "f1"), prf)}
    found["averages.balanced_accuracy"] = metrics.recall_score(
        truth, predicted, labels=every[has_clips], average="macro", zero_division=0.0
    )
    for k in top:
        found[f"top_k.{k}"] = metrics.top_k_accuracy_score(truth, scores, k=int(k), labels=every)
    return found


def worst_difference(report: dict, table: dict) -> float:
    """From the report; ends the script where they are not the same."""
    assert "5" in report["top_k"], report["top_k"]
    confusion = metrics.confusion_matrix(table["label"], table["predicted"], labels=table["labels"])
    assert (confusion == np.array(report["confusion"])).all(), "the confusion matrix differs"
    differences = []
    for keys, wanted in of_predictions(table, list(report["top_k"])).items():
        ours = report
        for key in keys.split("."):
            ours = ours[key]
        differences.append(abs(ours - wanted))
        assert differences[-1] <= TOLERANCE, f"{keys} is {ours}, not {wanted}"
    return max(differences)
