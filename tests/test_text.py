import subprocess
import sys

import pytest
import torch

from tempclr.data.text import sentence_embeddings, sentence_encoder, sentence_pieces
from tempclr.encoders import tune

# known answers


def test_the_trainable_model_gives_the_frozen_embeddings_at_first():
    sentences = ["slice the onion", "Déjà vu, twice!", "a long one " * 200]
    encoder = sentence_encoder().eval()
    with torch.no_grad():
        found = torch.nn.functional.normalize(encoder(sentence_pieces(sentences)), dim=-1)
    torch.testing.assert_close(found, sentence_embeddings(sentences), atol=1e-5, rtol=0)  # float32, other batches
    assert tune(encoder, "layernorm") == 13 * 2 * 384


# laws


def test_sentences_of_similar_meaning_are_closer():
    found = sentence_embeddings(["slice the onion", "cut the onion into pieces", "park the car"])
    assert found.shape == (3, 384)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(3))
    assert found[0] @ found[1] > found[0] @ found[2] + 0.3


@pytest.mark.slow
def test_embedding_needs_no_network():
    program = """
import socket
def refuse(*_): raise OSError("no network")
socket.socket.connect = refuse
from tempclr.data.text import sentence_embeddings
print(sentence_embeddings(["a sentence that no cache holds"]).shape)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "torch.Size([1, 384])" in done.stdout, done.stderr


# refusals


@pytest.mark.parametrize("sentences", [[], ["fine", " "]])
def test_nothing_to_embed_is_refused(sentences: list[str]):
    with pytest.raises(ValueError, match="at least one sentence"):
        sentence_embeddings(sentences)
