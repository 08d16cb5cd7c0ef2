"""The answers of `transformers` for clips, in batches of eight as `earmark eval` makes them."""

from pathlib import Path

import numpy as np
import torch
import torchaudio
from transformers import (
    AutoFeatureExtractor,
    AutoModelForAudioClassification,
    AutoTokenizer,
    ClapModel,
    Trainer,
    TrainingArguments,
    Wav2Vec2FeatureExtractor,
    pipeline,
)

from published.checkpoints import text_embeddings
from published.reading import Clip

BATCH = 8
MAX_DURATION = 30.0


def resampled(clip: Clip, rate: int) -> np.ndarray:
    """As the pipelines of `transformers` resample."""
    if clip.rate == rate:
        return clip.samples
    return torchaudio.functional.resample(torch.from_numpy(clip.samples), clip.rate, rate).numpy()


def extract(extractor, clips: list[Clip]) -> dict:
    """One batch for the model."""
    rate = extractor.sampling_rate
    sounds = [resampled(clip, rate)[: int(MAX_DURATION * rate)] for clip in clips]
    # Those of spectrograms bring them all to one length by themselves.
    more = {"padding": True} if isinstance(extractor, Wav2Vec2FeatureExtractor) else {}
    return extractor(sounds, sampling_rate=rate, return_tensors="pt", **more)


@torch.no_grad()
def classifier(folder: Path, clips: list[Clip]) -> tuple[list[str], np.ndarray]:
    """The labels, and the scores of each clip in their order."""
    extractor = AutoFeatureExtractor.from_pretrained(folder)
    model = AutoModelForAudioClassification.from_pretrained(folder).eval()
    batches = [clips[at : at + BATCH] for at in range(0, len(clips), BATCH)]
    scores = [model(**extract(extractor, batch)).logits.softmax(-1).numpy() for batch in batches]
    return list(model.config.id2label.values()), np.concatenate(scores)


@torch.no_grad()
def zero_shot(folder: Path, clips: list[Clip], labels: list[str]) -> tuple[list[str], np.ndarray]:
    """As the zero-shot pipeline computes them, but for the sentences, which are embedded once."""
    extractor, tokenizer = AutoFeatureExtractor.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    model = ClapModel.from_pretrained(folder).eval()
    texts = torch.from_numpy(text_embeddings(model, tokenizer, sentences(labels)))
    scores = []
    for clip in clips:
        features = extractor(resampled(clip, 48_000), sampling_rate=48_000, return_tensors="pt")
        sound = model.get_audio_features(**features).pooler_output
        scores.append((model.logit_scale_a.exp() * sound @ texts.T).softmax(-1)[0].numpy())
    return labels, np.stack(scores)


def sentences(labels: list[str]) -> list[str]:
    return [f"This is a sound of {label}." for label in labels]


def zero_shot_pipeline(folder: Path, clips: list[Clip], labels: list[str]) -> np.ndarray:
    """The same by the pipeline itself."""
    ask = pipeline("zero-shot-audio-classification", model=str(folder), device="cpu")
    rows = []
    for clip in clips:
        answer = ask(resampled(clip, 48_000), candidate_labels=labels, hypothesis_template="This is a sound of {}.")
        score = {line["label"]: line["score"] for line in answer}
        rows.append([score[label] for label in labels])
    return np.array(rows)


def classifier_pipeline(folder: Path, clips: list[Clip], labels: list[str]) -> np.ndarray:
    """By the pipeline itself, clip by clip: nothing is padded."""
    ask = pipeline("audio-classification", model=str(folder), device="cpu")
    rows = []
    for clip in clips:
        samples = clip.samples[: int(MAX_DURATION * clip.rate)]
        answer = ask({"raw": samples, "sampling_rate": clip.rate}, top_k=len(labels))
        score = {line["label"]: line["score"] for line in answer}
        rows.append([score[label] for label in labels])
    return np.array(rows)


def trainer(folder: Path, clips: list[Clip], spoken: dict[str, str], work: Path) -> tuple[dict, np.ndarray]:
    """The course's evaluation: what `Trainer.evaluate` prints, and the scores of each clip. `spoken` are the model's labels."""
    extractor = AutoFeatureExtractor.from_pretrained(folder, do_normalize=True, return_attention_mask=True)
    model = AutoModelForAudioClassification.from_pretrained(folder)
    sounds = [resampled(clip, extractor.sampling_rate) for clip in clips]
    encoded = extractor(
        sounds, sampling_rate=extractor.sampling_rate, max_length=int(extractor.sampling_rate * MAX_DURATION),
        truncation=True, return_attention_mask=True,
    )
    rows = [
        {"input_values": values, "attention_mask": mask, "label": model.config.label2id[spoken[clip.label]]}
        for values, mask, clip in zip(encoded["input_values"], encoded["attention_mask"], clips, strict=True)
    ]
    settings = TrainingArguments(
        str(work / "trainer"), per_device_eval_batch_size=BATCH, use_cpu=True, report_to=[], disable_tqdm=True
    )

    def accuracy(prediction) -> dict:
        return {"accuracy": float((prediction.predictions.argmax(-1) == prediction.label_ids).mean())}

    it = Trainer(model, settings, eval_dataset=rows, processing_class=extractor, compute_metrics=accuracy)
    printed = it.evaluate()
    logits = torch.from_numpy(it.predict(rows).predictions)
    return printed, logits.softmax(-1).numpy()
