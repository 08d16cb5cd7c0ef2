#!/usr/bin/env python3
"""Makes `probe.safetensors`: what scikit-learn 1.9.1 fits to small embeddings of drawn classes.

Each case has `rows` and `labels` to fit on, `others` to predict, and for each C the decision function and the predictions
of `make_pipeline(StandardScaler(), LogisticRegression(C=C))` on the others. The decision function is of a fit to the last digit;
the predictions are those of scikit-learn's own tolerance.
"""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

STRENGTHS = {"weak": 100.0, "usual": 1.0, "strong": 0.01}
# Rows to fit on and others, width, classes.
CASES = {"three": (90, 300, 24, 3), "two": (60, 300, 16, 2), "ten": (120, 300, 40, 10)}


def draw(rng, count, width, classes, centres):
    """Embeddings as encoders make them: channels far from 0 and of other sizes, one that never varies."""
    labels = np.arange(count) % classes
    rows = centres[labels] + rng.standard_normal((count, width)) * 1.5
    rows = rows * np.geomspace(0.01, 10, width) + np.linspace(-20, 20, width)
    rows[:, 3] = 0.1
    return rows.astype(np.float32), labels


def main() -> None:
    rng = np.random.default_rng(20260107)
    tensors = {}
    for name, (count, others, width, classes) in CASES.items():
        centres = rng.standard_normal((classes, width))
        x, y = draw(rng, count, width, classes, centres)
        unseen, truth = draw(rng, others, width, classes, centres)
        tensors |= {f"{name}.rows": x, f"{name}.labels": y, f"{name}.others": unseen, f"{name}.truth": truth}
        for strength, c in STRENGTHS.items():
            exact = make_pipeline(StandardScaler(), LogisticRegression(C=c, tol=1e-9, max_iter=100_000))
            exact.fit(x.astype(np.float64), y)
            tensors[f"{name}.{strength}.decision"] = exact.decision_function(unseen.astype(np.float64))
            usual = make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=10_000)).fit(x, y)
            tensors[f"{name}.{strength}.predicted"] = usual.predict(unseen)
            print(name, strength, f"accuracy {usual.score(unseen, truth):.3f}")
    tensors = {key: np.ascontiguousarray(value) for key, value in tensors.items()}
    save_file(tensors, Path(__file__).with_suffix(".safetensors"))


if __name__ == "__main__":
    main()
