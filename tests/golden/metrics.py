"""Writes metrics/cases.json: what scikit-learn and scipy compute of random scores, for crates/earmark-eval/tests/eval/golden.rs.

Run with the versions of requirements.txt: python metrics.py
"""

import json
import pathlib
import warnings

import numpy as np
from scipy.optimize import brentq, root
from scipy.special import expit, logsumexp
from scipy.stats import binom, binomtest, chi2
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    confusion_matrix,
    log_loss,
    precision_recall_fscore_support,
    roc_auc_score,
    top_k_accuracy_score,
)

warnings.simplefilter("ignore")  # of classes that are absent, which is the point
draw = np.random.default_rng(19)


def number(value):
    value = float(value)
    return None if np.isnan(value) else value


def numbers(values):
    return [number(value) for value in values]


def scores_of(truth, predicted, **arguments):
    """Precision, recall and F1 of each class or averaged, and the clips of each class."""
    p, r, f, s = precision_recall_fscore_support(truth, predicted, zero_division=0, **arguments)
    return [numbers(np.atleast_1d(values)) for values in (p, r, f)] + ([] if s is None else [[int(clips) for clips in s]])


def averaged(truth, predicted, **arguments):
    return {a: sum(scores_of(truth, predicted, average=a, **arguments), []) for a in ("macro", "weighted", "micro")}


def means(per_class, support):
    """Means over the classes that have a value, and how many have none."""
    per_class, support = np.array(per_class, dtype=float), np.array(support)
    defined = ~np.isnan(per_class)
    if not defined.any():
        return {"macro": None, "weighted": None, "undefined": len(per_class)}
    return {
        "macro": number(per_class[defined].mean()),
        "weighted": number(np.average(per_class[defined], weights=support[defined])),
        "undefined": int((~defined).sum()),
    }


def ranking(truth, scores):
    """`truth` and `scores` with a column a class."""
    support = truth.sum(axis=0)
    classes = range(truth.shape[1])
    auc = [float(roc_auc_score(truth[:, c], scores[:, c])) for c in classes]
    # Without clips scikit-learn gives 0.
    ap = [float(average_precision_score(truth[:, c], scores[:, c])) if support[c] else np.nan for c in classes]
    result = {"auc": means(auc, support), "ap": means(ap, support)}
    for name, metric, values in (("auc", roc_auc_score, auc), ("ap", average_precision_score, ap)):
        if not np.isnan(values).any() and truth.shape[1] > 1:
            for average in ("macro", "weighted"):
                result[name][average] = number(metric(truth, scores, average=average))
        result[name]["per_class"] = numbers(values)
    return result


def curve(truth, confidence, bins):
    accuracy, mean = calibration_curve(truth, confidence, n_bins=bins, strategy="quantile", pos_label=True)
    borders = np.percentile(confidence, np.linspace(0, 1, bins + 1) * 100)
    counts = np.bincount(np.searchsorted(borders[1:-1], confidence), minlength=bins)
    counts = counts[counts > 0]
    ece = float((counts * np.abs(accuracy - mean)).sum() / counts.sum())
    return {"bins": bins, "accuracy": numbers(accuracy), "confidence": numbers(mean), "clips": counts.tolist(), "ece": ece}


def single(case):
    """One label a clip. Probabilities are whole numbers divided by their total: a small one makes ties."""
    classes = int(draw.integers(2, 8))
    clips = int(draw.choice([1, 2, 5, 12, 20, 40, 60]))
    total = int(draw.choice([4, 16, 64, 1000]))
    truth = draw.integers(0, classes, clips)
    if case % 10 == 1:
        truth[:] = draw.integers(0, classes)  # one class
    if case % 10 == 2:
        truth = np.minimum(truth, max(classes - 3, 0))  # absent classes
    weights = draw.dirichlet(np.full(classes, 0.6), clips)
    weights = 0.6 * weights + 0.4 * np.eye(classes)[np.where(draw.random(clips) < 0.6, truth, draw.integers(0, classes, clips))]
    if case % 10 == 3:
        weights[:, -1] = 0  # a class that is never predicted
    if case % 10 == 4:
        weights = np.eye(classes)[truth]  # perfect, probabilities of 0 and 1
    if case % 10 == 5:
        weights = np.eye(classes)[(truth + 1) % classes]  # always wrong
    if case % 10 == 6:
        weights = np.ones((clips, classes))  # all equal, but for rounding to whole numbers
    counts = np.stack([draw.multinomial(total, row / row.sum()) for row in weights])
    scores = counts / total
    predicted = scores.argmax(axis=1)
    labels = list(range(classes))
    # Of equal scores the lower class first: scikit-learn has the higher one first, so its columns are turned round.
    top = [top_k_accuracy_score(classes - 1 - truth, scores[:, ::-1], k=k, labels=labels) for k in range(1, classes)] if classes > 2 else [accuracy_score(truth, predicted)]
    return {
        "classes": classes,
        "total": total,
        "counts": counts.ravel().tolist(),
        "truth": truth.tolist(),
        "accuracy": number(accuracy_score(truth, predicted)),
        "confusion": confusion_matrix(truth, predicted, labels=labels).ravel().tolist(),
        "per_class": scores_of(truth, predicted, labels=labels),
        "averages": averaged(truth, predicted),
        "balanced": number(balanced_accuracy_score(truth, predicted)),
        "top": numbers(top),
        "log_loss": number(log_loss(truth, y_proba=scores, labels=labels)),
        "ranking": ranking(np.eye(classes, dtype=int)[truth], scores),
        "curve": curve(predicted == truth, scores.max(axis=1), int(draw.integers(1, 16))),
        "class_curve": curve(truth == classes - 1, scores[:, -1], int(draw.integers(1, 16))),
    }


def multi(case):
    """Any number of labels a clip."""
    classes = int(draw.integers(1, 7))
    clips = int(draw.choice([1, 3, 10, 25, 40]))
    total = int(draw.choice([5, 20, 1000]))
    truth = draw.random((clips, classes)) < draw.choice([0.05, 0.3, 0.8])
    counts = np.clip(np.round((0.3 * truth + 0.7 * draw.random((clips, classes))) * total), 0, total).astype(int)
    if case % 8 == 1:
        truth[:] = False  # no labels at all
    if case % 8 == 2:
        truth[:, 0] = True  # a label that every clip has
    if case % 8 == 3:
        counts[:] = total // 2  # one score for all
    scores = counts / total
    thresholds = draw.integers(0, total + 1, classes)
    predicted = counts >= thresholds
    occurring = np.flatnonzero((truth | predicted).any(axis=0))
    result = {
        "classes": classes,
        "total": total,
        "counts": counts.ravel().tolist(),
        "truth": truth.ravel().astype(int).tolist(),
        "thresholds": thresholds.tolist(),
        "exact": number(accuracy_score(truth, predicted)) if classes > 1 else number((truth == predicted).mean()),
        "log_loss": number(np.mean([log_loss(truth[:, c], y_proba=scores[:, c], labels=[0, 1]) for c in range(classes)])),
        "ranking": ranking(truth.astype(int), scores),
        "micro_auc": number(roc_auc_score(truth.ravel(), scores.ravel())),
        "micro_ap": number(average_precision_score(truth.ravel(), scores.ravel())) if truth.any() else None,
    }
    if classes > 1 and len(occurring) > 1:
        # Labels that neither occur nor are predicted are no part of our macro average.
        result["averages"] = averaged(truth[:, occurring], predicted[:, occurring])
        result["per_class"] = scores_of(truth, predicted, average=None)
    return result


def wilson():
    cases = [(83, 100), (0, 10), (10, 10), (1, 1), (0, 1), (9807, 11005)]
    cases += [(int(draw.integers(0, n + 1)), int(n)) for n in draw.integers(1, 100_000, 14)]
    return [[k, n, *numbers(binomtest(k, n).proportion_ci(0.95, method="wilson"))] for k, n in cases]


def mcnemar():
    """The definitions of statsmodels' mcnemar: exact below 25 discordant clips, chi-square with the correction from there on."""
    cases = [(0, 0), (0, 1), (12, 12), (0, 24), (24, 0), (13, 12), (25, 0), (50, 50), (1000, 1100), (5000, 4000)]
    cases += [tuple(int(x) for x in draw.integers(0, most, 2)) for most in (5, 10, 13, 13, 30, 60, 200, 2000, 10_000, 10_000)]
    rows = []
    for a, b in cases:
        exact = a + b < 25
        corrected = max(abs(a - b) - 1, 0)
        p = min(1.0, 2 * binom.cdf(min(a, b), a + b, 0.5)) if exact else chi2.sf(corrected**2 / (a + b), 1)
        rows.append([a, b, exact, number(p)])
    return rows


def temperature():
    classes, clips = int(draw.integers(2, 6)), int(draw.integers(30, 80))
    truth = draw.integers(0, classes, clips)
    logits = draw.normal(size=(clips, classes)) + draw.choice([1, 2]) * np.eye(classes)[truth]
    logits = np.round(logits * draw.choice([0.5, 1, 4]), 3)

    def slope(inverse):
        p = np.exp(inverse * logits - logsumexp(inverse * logits, axis=1, keepdims=True))
        return (p * logits).sum() - logits[np.arange(clips), truth].sum()

    inverse = brentq(slope, 1 / 20, 20, xtol=1e-15, rtol=1e-14)
    return {"classes": classes, "logits": logits.ravel().tolist(), "truth": truth.tolist(), "temperature": 1 / inverse}


def platt():
    clips = int(draw.integers(20, 60))
    truth = draw.random(clips) < 0.4
    logits = np.round(draw.normal(size=clips) * 2 + draw.choice([0, 1, 3]) * truth, 3)
    positives, negatives = truth.sum(), (~truth).sum()
    targets = np.where(truth, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def gradient(at):
        error = expit(at[0] * logits + at[1]) - targets
        return [(error * logits).sum(), error.sum()]

    found = root(gradient, [0.5, 0.0], tol=1e-15)
    assert np.abs(gradient(found.x)).max() < 1e-10, found
    return {"logits": logits.tolist(), "truth": truth.astype(int).tolist(), "fit": numbers(found.x)}


cases = {
    "single": [single(case) for case in range(120)],
    "multi": [multi(case) for case in range(80)],
    "wilson": wilson(),
    "mcnemar": mcnemar(),
    "temperature": [temperature() for _ in range(8)],
    "platt": [platt() for _ in range(8)],
}
out = pathlib.Path(__file__).parent / "metrics" / "cases.json"
out.write_text(json.dumps(cases, separators=(",", ":")) + "\n")
