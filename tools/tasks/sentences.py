"""What a sentence means: how far the embeddings of MiniLM, 384 numbers a sentence, stay those of the dense model."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxprune.calibrate import Calibration
from onnxprune.runtime import Feeds
from tasks.task import AnyModel, Task, calibration, fetched, outputs, slices
from tasks.texts import Split, paraphrases, prose

NAME = "sentences"
NEEDS = ("scipy", "tokenizers")
SENTENCES = 200
BATCH = 8
TEST_SEED = 99
OUTPUT = "461"
"""The mean over the tokens of a sentence, pooled by the model itself; its other outputs are not used."""


def task(cache: Path) -> Task:
    """Return the task; the model and its tokenizer are fetched."""
    model, vocabulary = fetched(Path(__file__).with_suffix(".json"), cache)

    def calibrate(seed: int) -> Calibration:
        sentences = _sentences("calibration", np.random.default_rng(seed))
        return calibration(_tokenized(sentences, vocabulary), f"sentences, seed {seed}")

    @functools.cache
    def test_set() -> tuple[list[Feeds], NDArray[Any]]:
        batches = _tokenized(_sentences("test", np.random.default_rng(TEST_SEED)), vocabulary)
        return batches, np.concatenate(outputs(model, batches, OUTPUT))

    def score(version: AnyModel) -> dict[str, float]:
        batches, dense = test_set()
        return agreement(dense, np.concatenate(outputs(version, batches, OUTPUT)))

    return Task(NAME, model, ("cosine", "rank_correlation"), calibrate, score)


def agreement(dense: NDArray[Any], other: NDArray[Any]) -> dict[str, float]:
    """Compare two sets of embeddings [sentences, width] of the same sentences.

    `cosine` is the mean cosine similarity of the two embeddings of a sentence; `rank_correlation` is Spearman's, of the
    cosine similarities of all pairs of sentences.
    """
    from scipy.spatial.distance import pdist
    from scipy.stats import spearmanr

    lengths = np.linalg.norm(dense, axis=1) * np.linalg.norm(other, axis=1)
    cosine = (dense * other).sum(axis=1) / lengths
    ranks = spearmanr(pdist(dense, "cosine"), pdist(other, "cosine"))
    return {"cosine": float(cosine.mean()), "rank_correlation": float(ranks.statistic)}


def _sentences(split: Split, rng: np.random.Generator) -> list[str]:
    """Return sentences half of which are prose and half pairs of paraphrases."""
    pairs = paraphrases(split, SENTENCES // 4, rng)
    chosen = rng.choice(prose(split), SENTENCES // 2, replace=False)
    return [*(str(sentence) for sentence in chosen), *(sentence for pair in pairs for sentence in pair)]


def _tokenized(sentences: Sequence[str], vocabulary: Path) -> list[Feeds]:
    """Return batches of token ids and masks, int64 [sentences, tokens of the longest], the short sentences first."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(vocabulary))
    tokenizer.enable_padding()
    ordered = sorted(sentences, key=len)
    batches = (tokenizer.encode_batch(ordered[part]) for part in slices(len(ordered), BATCH))
    return [
        {
            "input_ids": np.array([encoding.ids for encoding in batch], np.int64),
            "attention_mask": np.array([encoding.attention_mask for encoding in batch], np.int64),
        }
        for batch in batches
    ]
