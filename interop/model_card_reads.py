"""Do the Hub's own tools read a model card? Prints what they find in it.

python interop/model_card_reads.py README.md        (huggingface_hub 2.4.0)
"""

import pathlib
import sys

import yaml
from huggingface_hub import ModelCard

ORDER = ["library_name", "language", "license", "base_model", "tags", "datasets", "metrics", "model-index"]

text = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8")
front = yaml.safe_load(text.split("---\n")[1])
assert list(front) == [key for key in ORDER if key in front], f"keys {list(front)}"
card = ModelCard(text)
(result,) = card.data.eval_results
assert isinstance(result.metric_value, float), f"value {result.metric_value!r}"
assert (result.task_type, result.metric_type) == ("audio-classification", "accuracy")
assert card.data.datasets == [result.dataset_type]
print(f"ok {card.data.model_name!r}: accuracy {result.metric_value} on {result.dataset_name!r}")
