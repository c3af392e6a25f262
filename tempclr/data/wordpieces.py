"""Sentences to word pieces of a local vocabulary, as BERT reads them."""

import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from tempclr._util.optional import import_optional

log = logging.getLogger(__name__)


def word_pieces(
    sentences: Sequence[str], vocabulary: Path | str, *, most: int | None = None
) -> Int[Tensor, "sentences pieces"]:
    """Return the indices of the word pieces of each sentence, without [CLS] and [SEP], padded at the end with 0.

    Args:
        sentences: At least one, each with a word. Case and accents do not matter.
        vocabulary: A `vocab.txt` with one word piece per line, such as that of bert-base-uncased.
        most: Maximum number of word pieces; 61 as published. Longer sentences are cut, which is logged. None cuts none.

    Raises:
        ValueError: If there is no sentence, one has no word, `most` is not positive, the vocabulary is missing
            or does not begin with [PAD], or the extra `paper` is not installed.

    Source:
        Wu et al., "Google's Neural Machine Translation System", 2016, section 4.1; Devlin et al., "BERT", 2019.
    """
    if not sentences:
        raise ValueError("expected at least one sentence, got none")
    if most is not None and most < 1:
        raise ValueError(f"expected a limit of at least 1 word piece, got {most}")
    if not Path(vocabulary).is_file():
        raise ValueError(f"expected a vocabulary with one word piece per line at {vocabulary}, found none")
    tokenizer = import_optional("tokenizers", "paper").BertWordPieceTokenizer(str(vocabulary), lowercase=True)
    if tokenizer.token_to_id("[PAD]") != 0:
        raise ValueError(f"expected {vocabulary} to begin with [PAD], got [PAD] at {tokenizer.token_to_id('[PAD]')}")
    found = [each.ids for each in tokenizer.encode_batch(list(sentences), add_special_tokens=False)]
    for sentence, ids in zip(sentences, found, strict=True):
        if not ids:
            raise ValueError(f"expected a word in every sentence, got {sentence!r}")
    longer = 0 if most is None else sum(len(ids) > most for ids in found)
    if longer:
        log.warning("%d of %d sentences have more than %d word pieces and are cut", longer, len(found), most)
    cut = [torch.tensor(ids[:most]) for ids in found]
    return torch.nn.utils.rnn.pad_sequence(cut, batch_first=True)
