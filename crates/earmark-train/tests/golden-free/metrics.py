"""Prints the numbers in the tests of `src/metrics.rs`, as Rust literals.

Made with scikit-learn 1.9.1 and scipy: python tests/golden-free/metrics.py
"""

import random

from scipy.special import log_softmax
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support

CLASSES = range(6)

draw = random.Random(7)
# Class 4 is never predicted; class 5 neither occurs nor is predicted.
actual = [draw.randrange(5) for _ in range(40)]
predicted = [a if draw.random() < 0.6 and a < 4 else draw.randrange(4) for a in actual]

print("ACTUAL", actual)
print("PREDICTED", predicted)
scores = precision_recall_fscore_support(actual, predicted, labels=CLASSES, zero_division=0)
rows = [f"({p!r}, {r!r}, {f!r}, {s})" for p, r, f, s in zip(*(column.tolist() for column in scores))]
print("PER_CLASS", f"[{', '.join(rows)}]")
print("ACCURACY", float(accuracy_score(actual, predicted)))
print("MACRO_F1", float(f1_score(actual, predicted, average="macro", zero_division=0)))
print("CONFUSION", confusion_matrix(actual, predicted, labels=CLASSES).tolist())
intervals = []
for correct, total in [(83, 100), (0, 10), (10, 10), (1, 1), (9807, 11005)]:
    interval = binomtest(correct, total).proportion_ci(0.95, method="wilson")
    intervals.append(f"({correct}, {total}, {float(interval.low)!r}, {float(interval.high)!r})")
print("WILSON", f"[{', '.join(intervals)}]")
print("CROSS_ENTROPY", float(-log_softmax([2.0, -1.0, 0.5])[2]))
