"""Audio classification with pretrained transformers, without torch and without ffmpeg.

    >>> import earmark
    >>> classify = earmark.pipeline("audio-classification", model="superb/hubert-base-superb-ks")
    >>> classify("clip.flac")
    [{'score': 0.97, 'label': 'yes'}, ...]

`pipeline` takes what the pipelines of transformers take and gives the same numbers. `Classifier`, `ZeroShotClassifier` and
`Embedder` do more: windows of long recordings, embeddings, an error of its own for each sound of a batch.
"""

from earmark._earmark import __version__
from earmark.features import FeatureExtractor
from earmark.models import Classifier, Embedder, ZeroShotClassifier
from earmark.pipelines import (
    AudioClassificationPipeline,
    ZeroShotAudioClassificationPipeline,
    pipeline,
)
from earmark.sounds import Sound, load_audio

__all__ = [
    "AudioClassificationPipeline",
    "Classifier",
    "Embedder",
    "FeatureExtractor",
    "Sound",
    "ZeroShotAudioClassificationPipeline",
    "ZeroShotClassifier",
    "__version__",
    "load_audio",
    "pipeline",
]
