"""The paper's encoders, against BERT written out in float64 and against the library's own pass."""

import math
import sys

import pytest
import torch
from torch import Tensor
from torch.nn.functional import gelu, layer_norm, linear
from transformers import BertConfig, BertModel

from tempclr.encoders import BertShape, Projection, TextBert, VideoBert, encode
from tempclr.losses import OrderTerm, TempCLR
from tempclr.sequences import Batch, Pair, collate, pad

TINY = BertShape(dim=8, heads=2, inner=12, words=20, positions=16, begin=3, end=4)
META = torch.device("meta")


@pytest.fixture
def video() -> VideoBert:
    return scattered(VideoBert(TINY, layers=2, features=5, most=6))


@pytest.fixture
def text() -> TextBert:
    return scattered(TextBert(TINY, layers=3, most=7))


def scattered(encoder: torch.nn.Module) -> torch.nn.Module:
    """Weights far from their initial values, so that each one matters; double precision, no dropout."""
    generator = torch.Generator().manual_seed(1)
    for weight in encoder.parameters():
        weight.data += 0.3 * torch.randn(weight.shape, generator=generator)
    return encoder.double().eval()


def bert(encoder: torch.nn.Module, tokens: Tensor, places: list[int]) -> Tensor:
    """Devlin et al., 2019, written out for one sequence without padding, [tokens, dim] to [tokens, dim]."""
    w = {name.removeprefix("bert."): value for name, value in encoder.state_dict().items()}

    def normed(x: Tensor, name: str) -> Tensor:
        return layer_norm(x, x.shape[-1:], w[f"{name}.LayerNorm.weight"], w[f"{name}.LayerNorm.bias"], 1e-12)

    def mapped(x: Tensor, name: str) -> Tensor:
        return linear(x, w[f"{name}.weight"], w[f"{name}.bias"])

    x = tokens + w["embeddings.position_embeddings.weight"][places] + w["embeddings.token_type_embeddings.weight"][0]
    x = normed(x, "embeddings")
    for layer in range(len(encoder.bert.encoder.layer)):
        at = f"encoder.layer.{layer}"
        query, key, value = (mapped(x, f"{at}.attention.self.{part}") for part in ("query", "key", "value"))
        heads = []
        for q, k, v in zip(*(part.chunk(TINY.heads, -1) for part in (query, key, value)), strict=True):
            heads.append((q @ k.T / math.sqrt(q.shape[-1])).softmax(-1) @ v)
        x = normed(x + mapped(torch.cat(heads, -1), f"{at}.attention.output.dense"), f"{at}.attention.output")
        inner = gelu(mapped(x, f"{at}.intermediate.dense"))
        x = normed(x + mapped(inner, f"{at}.output.dense"), f"{at}.output")
    return x


def words(encoder: torch.nn.Module, *numbers: int) -> Tensor:
    return encoder.bert.embeddings.word_embeddings.weight[list(numbers)]


def clips(generator: torch.Generator, *lengths: int) -> list[Tensor]:
    return [torch.randn(length, 5, generator=generator, dtype=torch.float64) for length in lengths]


# known answers


@pytest.mark.parametrize("length", [1, 3, 6])
def test_a_clip_is_the_mean_over_its_tokens_and_sep_without_cls(
    video: VideoBert, length: int, generator: torch.Generator
):
    (tokens,) = clips(generator, length)
    begin, end = words(video, 3, 4).split(1)
    states = bert(video, torch.cat((begin, video.videomlp(tokens), end)), [*range(length + 1), 7])  # [SEP] after 6
    torch.testing.assert_close(video(tokens[None])[0], states[1:].mean(0))


@pytest.mark.parametrize("length", [1, 4, 7])
def test_a_sentence_is_the_mean_over_its_pieces_and_sep_without_cls(text: TextBert, length: int):
    pieces = [5, 19, 6, 6, 0, 7, 8][:length]
    states = bert(text, words(text, 3, *pieces, 4), list(range(length + 2)))
    torch.testing.assert_close(text(torch.tensor([pieces]))[0], states[1:].mean(0))
    text.pool_begin = True
    torch.testing.assert_close(text(torch.tensor([pieces]))[0], states.mean(0))


def test_tokens_of_a_clip_are_localised_without_looking_at_cls(video: VideoBert, generator: torch.Generator):
    (tokens,) = clips(generator, 4)
    (end,) = words(video, 4).split(1)
    states = bert(video, torch.cat((video.videomlp(tokens), end)), [1, 2, 3, 4, 7])
    torch.testing.assert_close(video.tokens(tokens[None])[0], states[:-1])


def test_sentences_equal_the_librarys_own_model(text: TextBert):
    config = BertConfig(
        vocab_size=20, hidden_size=8, num_hidden_layers=3, num_attention_heads=2, intermediate_size=12,
        max_position_embeddings=16, attn_implementation="eager",
    )  # fmt: skip
    library = BertModel(config).double().eval()
    library.load_state_dict(text.bert.state_dict(), strict=False)
    states = library(
        torch.tensor([[3, 9, 8, 4, 0], [3, 7, 5, 6, 4]]), torch.tensor([[1, 1, 1, 1, 0], [1, 1, 1, 1, 1]])
    ).last_hidden_state
    expected = torch.stack((states[0, 1:4].mean(0), states[1, 1:5].mean(0)))
    torch.testing.assert_close(text(torch.tensor([[9, 8, 0], [7, 5, 6]])), expected)


def test_the_published_model_has_its_size():
    with META:
        video, text = VideoBert(), TextBert()
    embeddings = (30_522 + 512 + 2) * 768 + 2 * 768
    layer = 4 * 769 * 768 + 769 * 3072 + 3073 * 768 + 4 * 768
    assert sum(weight.numel() for weight in video.parameters()) == embeddings + 6 * layer + 986_112
    assert sum(weight.numel() for weight in text.parameters()) == embeddings + 12 * layer
    assert video(torch.empty(3, 32, 512, device=META)).shape == (3, 768)
    assert text(torch.empty(3, 61, dtype=torch.int64, device=META)).shape == (3, 768)
    assert video(torch.empty(3, 9, 512, device=META)).device == META


# laws


def test_a_batch_of_clips_equals_them_one_by_one(video: VideoBert, generator: torch.Generator):
    alone = clips(generator, 2, 6, 1, 4)
    padded = pad(alone)
    expected = torch.cat([video(tokens[None]) for tokens in alone])
    torch.testing.assert_close(video(padded.values), expected)  # zeros at the end are padding
    garbage = padded.values.masked_fill(~padded.mask[..., None], torch.nan)
    torch.testing.assert_close(video(garbage, padded.lengths), expected)
    wider = torch.nn.functional.pad(padded.values, (0, 0, 0, 9))  # more than any clip may have, but padding
    torch.testing.assert_close(video(wider, padded.lengths), expected)
    single = torch.cat([video.tokens(tokens[None])[0] for tokens in alone])
    found = video.tokens(wider, padded.lengths)
    assert found.shape == (4, 15, 8)
    torch.testing.assert_close(found[:, :6][padded.mask], single)
    assert found[:, :6][~padded.mask].eq(0).all() and found[:, 6:].eq(0).all()


def test_a_batch_of_sentences_equals_them_one_by_one(text: TextBert):
    alone = [torch.tensor(pieces) for pieces in ([5], [6, 7, 8, 9, 10, 11, 12], [13, 2, 14])]
    padded = pad(alone)
    expected = torch.cat([text(pieces[None]) for pieces in alone])
    torch.testing.assert_close(text(padded.values), expected)
    garbage = padded.values.masked_fill(~padded.mask, 17)
    torch.testing.assert_close(text(garbage, padded.lengths), expected)
    torch.testing.assert_close(text(torch.nn.functional.pad(padded.values, (0, 5))), expected)


def test_no_clip_sees_another(video: VideoBert, generator: torch.Generator):
    tokens = torch.stack(clips(generator, 3, 3, 3)).requires_grad_()
    (gradient,) = torch.autograd.grad(video(tokens)[1].square().sum(), tokens)
    assert gradient[1].ne(0).all() and gradient[[0, 2]].eq(0).all()


def test_a_zero_token_inside_a_clip_is_not_padding(video: VideoBert, generator: torch.Generator):
    (tokens,) = clips(generator, 4)
    tokens[1] = 0
    torch.testing.assert_close(video(tokens[None]), video(tokens[None], torch.tensor([4])))


def test_the_position_of_a_token_matters(video: VideoBert, text: TextBert, generator: torch.Generator):
    (tokens,) = clips(generator, 4)
    assert not torch.allclose(video(tokens[None]), video(tokens[None].flip(1)), atol=1e-6)
    pieces = torch.tensor([[5, 6, 7]])
    assert not torch.allclose(text(pieces), text(pieces.flip(1)), atol=1e-6)


def test_a_model_with_both_encoders_trains_on_word_pieces_and_tokens(generator: torch.Generator):
    video, text = VideoBert(TINY, layers=1, features=5, most=6), TextBert(TINY, layers=1, most=7)
    pairs = [
        Pair(
            name,
            torch.randint(5, 20, (3, 4), generator=generator),
            torch.stack([torch.randn(6, 5, generator=generator) for _ in range(6)]),
            torch.arange(6) // 2,
            tuple(f"{name} {number}" for number in range(3)),
        )
        for name in ("one", "two")
    ]
    batch = collate(pairs)
    assert isinstance(batch, Batch) and encode(video, batch.clips).values.shape == (2, 6, 8)
    losses = TempCLR(text, video, order=OrderTerm(negatives=4))(batch, generator=generator)
    losses.total.backward()
    assert losses.order > 0
    unused = {name for name, weight in video.named_parameters() if weight.grad is None}
    assert not unused
    assert all(weight.grad is not None for weight in text.parameters())


# refusals


@pytest.mark.usefixtures("unchecked_shapes")
def test_wrong_clips_are_refused(video: VideoBert):
    with pytest.raises(ValueError, match=r"expected clips \[clips, tokens, 5\], got \(2, 3, 4\)"):
        video(torch.ones(2, 3, 4))
    with pytest.raises(ValueError, match="expected at most 6 tokens per step, got 8; cut or split the step"):
        video(torch.ones(2, 9, 5), torch.tensor([3, 8]))
    with pytest.raises(ValueError, match="expected at most 6 tokens per step, got 7"):
        video.tokens(torch.ones(1, 7, 5))
    with pytest.raises(ValueError, match="expected tokens per step from 1 to 3, got 0 to 3"):
        video(torch.stack((torch.ones(3, 5), torch.zeros(3, 5))))
    with pytest.raises(ValueError, match="expected one length for each of 2 steps"):
        video(torch.ones(2, 3, 5), torch.tensor([3]))


@pytest.mark.usefixtures("unchecked_shapes")
def test_wrong_sentences_are_refused(text: TextBert):
    with pytest.raises(ValueError, match=r"expected indices of word pieces \[sentences, pieces\], got \(2, 3\) of"):
        text(torch.ones(2, 3))
    with pytest.raises(ValueError, match="expected at most 7 tokens per step, got 8"):
        text(torch.ones(1, 8, dtype=torch.int64))
    with pytest.raises(ValueError, match="expected tokens per step from 1 to 2, got 0 to 2"):
        text(torch.tensor([[1, 2], [0, 0]]))
    with pytest.raises(ValueError, match="expected word pieces from 0 to 19, got 5 to 20"):
        text(torch.tensor([[5, 20]]))
    with pytest.raises(ValueError, match="expected word pieces from 0 to 19, got -1 to 5"):
        text(torch.tensor([[5, -1]]))


def test_impossible_shapes_are_refused():
    with pytest.raises(ValueError, match="expected a dim that is a multiple of the 3 heads, got 8"):
        BertShape(dim=8, heads=3)
    with pytest.raises(ValueError, match=r"expected indices of \[CLS\] and \[SEP\] from 1 to 19, got 101, 102"):
        BertShape(dim=8, heads=2, words=20)
    with pytest.raises(ValueError, match=r"expected 1 to 14 tokens per step \(16 positions less .*, got 15"):
        VideoBert(TINY, most=15)
    with pytest.raises(ValueError, match="expected 1 to 14 tokens per step"):
        TextBert(TINY, most=0)


def test_without_the_library_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ValueError, match=r"transformers is not installed; .*pip install 'tempclr\[paper\]'"):
        TextBert(TINY, most=7)
    Projection(2, 2)  # does without
