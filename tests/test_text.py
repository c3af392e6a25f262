import subprocess
import sys

import pytest
import torch

from tempclr.media.text import sentence_embeddings

# laws


def test_sentences_that_mean_alike_are_closer_than_others():
    found = sentence_embeddings(["slice the onion", "cut the onion into pieces", "park the car"])
    assert found.shape == (3, 384)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(3))
    assert found[0] @ found[1] > found[0] @ found[2] + 0.3


def test_it_works_without_a_network():
    program = """
import socket
def refuse(*_): raise OSError("no network")
socket.socket.connect = refuse
from tempclr.media.text import sentence_embeddings
print(sentence_embeddings(["a sentence that no cache holds"]).shape)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "torch.Size([1, 384])" in done.stdout, done.stderr


# refusals


@pytest.mark.parametrize("sentences", [[], ["fine", " "]])
def test_nothing_to_embed_is_refused(sentences: list[str]):
    with pytest.raises(ValueError, match="at least one sentence"):
        sentence_embeddings(sentences)
