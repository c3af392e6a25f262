from pathlib import Path

import pytest
import torch

from tempclr.data.wordpieces import word_pieces


@pytest.fixture
def vocabulary(tmp_path: Path) -> Path:
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "cut", "on", "##ion", "##s", "the", "."]))
    return path


# known answers


def test_the_longest_known_pieces_are_taken(vocabulary: Path):
    found = word_pieces(["Cut the onions.", "Cút", "peel the"], vocabulary)
    expected = [[5, 9, 6, 7, 8, 10], [5, 0, 0, 0, 0, 0], [1, 9, 0, 0, 0, 0]]
    assert found.tolist() == expected and found.dtype == torch.int64


def test_truncated_sentences_are_counted(vocabulary: Path, caplog: pytest.LogCaptureFixture):
    word_pieces(["Cut the onions.", "cut"], vocabulary, most=6)
    assert caplog.messages == []
    word_pieces(["Cut the onions.", "cut"], vocabulary, most=5)
    assert caplog.messages == ["1 of 2 sentences have more than 5 word pieces and are cut"]


# laws


def test_a_limit_keeps_the_first_pieces(vocabulary: Path):
    sentences = ["Cut the onions.", "the"]
    whole = word_pieces(sentences, vocabulary)
    for most in range(1, 8):
        assert torch.equal(word_pieces(sentences, vocabulary, most=most), whole[:, :most])


# refusals


def test_sentences_without_words_and_wrong_vocabularies_are_refused(vocabulary: Path, tmp_path: Path):
    with pytest.raises(ValueError, match="expected at least one sentence, got none"):
        word_pieces([], vocabulary)
    with pytest.raises(ValueError, match="expected a word in every sentence, got ' '"):
        word_pieces(["cut", " "], vocabulary)
    with pytest.raises(ValueError, match="expected a limit of at least 1 word piece, got 0"):
        word_pieces(["cut"], vocabulary, most=0)
    with pytest.raises(ValueError, match=r"expected a vocabulary with one word piece per line at .*, found none"):
        word_pieces(["cut"], tmp_path / "none.txt")
    vocabulary.write_text("[UNK]\n[PAD]\n[CLS]\n[SEP]\ncut")
    with pytest.raises(ValueError, match=r"to begin with \[PAD\], got \[PAD\] at 1"):
        word_pieces(["cut"], vocabulary)
