import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import gelu, layer_norm

from tempclr.encoders import MLP, ClipEncoder, ContextEncoder, FrameEncoder, Projection, encode, is_contextual
from tempclr.encoders.rotary import rotate
from tempclr.sequences import pad

POSITIONS = ("rotary", "learnt", "none")


@pytest.fixture
def clips(generator: torch.Generator) -> torch.Tensor:
    return torch.randint(0, 256, (5, 2, 56, 56, 3), dtype=torch.uint8, generator=generator)


def context(positions: str = "rotary", **options: object) -> ContextEncoder:
    """A small encoder in double precision, so that the order of sums does not show."""
    return ContextEncoder(Projection(4, 16), 16, heads=2, positions=positions, **options).double()


def draw(generator: torch.Generator, *lengths: int) -> list[torch.Tensor]:
    return [torch.randn(length, 4, generator=generator, dtype=torch.float64) for length in lengths]


# known answers


def test_embeddings_have_the_size_asked_for(clips: torch.Tensor):
    assert ClipEncoder(16, frames=2)(clips).shape == (5, 16)
    assert FrameEncoder(16)(clips[:, 0]).shape == (5, 16)
    assert Projection(8, 16)(torch.ones(3, 8)).shape == (3, 16)
    assert MLP(8, 16)(torch.ones(3, 8)).shape == (3, 16)
    assert context()(torch.ones(3, 5, 4).double(), torch.tensor([1, 5, 2])).shape == (3, 5, 16)


@pytest.mark.parametrize("hidden", [None, 7])
def test_the_perceptron_is_linear_gelu_layernorm_linear(hidden: int | None, generator: torch.Generator):
    encoder, x = MLP(3, 5, hidden=hidden, dropout=0.5), torch.randn(2, 3, generator=generator)
    w = dict(encoder.named_parameters())
    inner = gelu(x @ w["linear1.weight"].T + w["linear1.bias"])
    inner = layer_norm(inner, (hidden or 5,), w["LayerNorm.weight"], w["LayerNorm.bias"])
    assert not torch.equal(encoder(x), encoder(x))  # some of the hidden layer is left out
    torch.testing.assert_close(encoder.eval()(x), inner @ w["linear2.weight"].T + w["linear2.bias"])


def test_the_published_projection_has_986112_weights():
    assert sum(weight.numel() for weight in MLP(512, 768).parameters()) == 986_112


def test_a_pair_of_components_is_rotated_by_its_position():
    x = torch.tensor([[3.0, 4.0]], dtype=torch.float64)
    for place in (0, 1, 7):
        turned = complex(3, 4) * complex(math.cos(place), math.sin(place))
        expected = torch.tensor([[turned.real, turned.imag]], dtype=torch.float64)
        torch.testing.assert_close(rotate(x, torch.tensor([place])), expected)


def test_later_components_rotate_more_slowly():
    x = torch.tensor([[1.0, 1.0, 0.0, 0.0]], dtype=torch.float64)  # pairs are (0, 2) and (1, 3)
    expected = torch.tensor([[math.cos(5), math.cos(0.05), math.sin(5), math.sin(0.05)]], dtype=torch.float64)
    torch.testing.assert_close(rotate(x, torch.tensor([5])), expected)


def test_attention_is_the_average_of_values_by_softmax(generator: torch.Generator):
    encoder = context("none", layers=1)
    (block,) = encoder.blocks
    x, mask = torch.randn(1, 3, 16, generator=generator).double(), torch.tensor([[True, True, False]])
    query, key, value = block.query_key_value(block.before_attention(x[0])).chunk(3, -1)
    seen = []
    for head in (slice(0, 8), slice(8, 16)):
        scores = (query[:, head] @ key[:2, head].T) / math.sqrt(8)
        seen.append(scores.softmax(-1) @ value[:2, head])
    after = x[0] + block.out(torch.cat(seen, -1))
    expected = after + block.perceptron(after)
    torch.testing.assert_close(block(x, mask, torch.arange(3))[0], expected)


# laws


def test_every_step_is_encoded_separately(clips: torch.Tensor):
    encoder = ClipEncoder(16, frames=2).double()  # float32 sums in another order for another batch
    together = encoder(clips)
    for index in range(len(clips)):
        torch.testing.assert_close(encoder(clips[index : index + 1])[0], together[index])


@pytest.mark.parametrize("encoder", [Projection(4, 6), MLP(4, 6)], ids=["projection", "perceptron"])
def test_shuffling_steps_shuffles_per_step_embeddings(encoder: nn.Module, generator: torch.Generator):
    encoder, (steps,) = encoder.double(), draw(generator, 7)
    order = torch.randperm(7, generator=generator)
    torch.testing.assert_close(encoder(steps[order]), encoder(steps)[order])


def test_padding_is_not_encoded(generator: torch.Generator):
    sequences = [torch.randn(length, 4, generator=generator) for length in (3, 1)]
    padded = pad(sequences)
    padded.values[1, 1:] = torch.nan
    encoder = Projection(4, 6)
    found = encode(encoder, padded)
    torch.testing.assert_close(found[0], encoder(sequences[0]))
    torch.testing.assert_close(found[1], encoder(sequences[1]))
    assert found.values[1, 1:].eq(0).all()


@pytest.mark.parametrize("positions", POSITIONS)
def test_a_batch_in_context_equals_its_sequences_one_by_one(positions: str, generator: torch.Generator):
    sequences = draw(generator, 3, 6, 1, 6)
    padded = pad(sequences)
    padded.values[~padded.mask] = torch.nan  # whatever stands at padding is not seen
    encoder = context(positions)
    found = encode(encoder, padded)
    for index, alone in enumerate(sequences):
        expected = encoder(alone[None], torch.tensor([len(alone)]))[0]
        torch.testing.assert_close(found[index], expected)
        assert found.values[index, len(alone) :].eq(0).all()


def test_gradients_of_padding_are_zero(generator: torch.Generator):
    padded = pad(draw(generator, 2, 4))
    values = padded.values.clone().requires_grad_()
    encoded = encode(context(), type(padded)(values, padded.lengths))
    (gradient,) = torch.autograd.grad(encoded.values.square().sum(), values)
    assert gradient[~padded.mask].eq(0).all()
    assert gradient[padded.mask].ne(0).all()


def test_every_step_sees_every_other(generator: torch.Generator):
    (steps,) = draw(generator, 5)
    encoder, lengths = context(layers=1), torch.tensor([5])
    jacobian = torch.autograd.functional.jacobian(lambda x: encoder(x[None], lengths)[0], steps)
    reached = jacobian.abs().amax((1, 3))  # of embedding i with respect to step j
    assert (reached > 1e-9).all()


def test_without_positions_shuffling_steps_shuffles_embeddings(generator: torch.Generator):
    (steps,) = draw(generator, 6)
    order, lengths = torch.tensor([3, 1, 5, 0, 2, 4]), torch.tensor([6])
    for positions in POSITIONS:
        encoder = context(positions)
        kept, shuffled = encoder(steps[None], lengths)[0], encoder(steps[None, order], lengths)[0]
        same = torch.allclose(kept[order], shuffled, atol=1e-9)
        assert same == (positions == "none")


@given(shift=st.integers(-100, 100), dim=st.sampled_from([2, 4, 10]), seed=st.integers(0, 9))
def test_products_of_rotated_vectors_depend_on_the_difference_of_positions(shift: int, dim: int, seed: int):
    generator = torch.Generator().manual_seed(seed)
    x, y = torch.randn(2, 6, dim, generator=generator, dtype=torch.float64)
    places = torch.tensor([0, 1, 2, 5, 9, 40])
    here = rotate(x, places) @ rotate(y, places).T
    there = rotate(x, places + shift) @ rotate(y, places + shift).T
    torch.testing.assert_close(here, there)
    torch.testing.assert_close(rotate(x, places).norm(dim=-1), x.norm(dim=-1))
    torch.testing.assert_close(rotate(rotate(x, places), -places), x)


def test_a_block_with_rotary_positions_sees_no_shift_but_sees_order(generator: torch.Generator):
    block = context().blocks[0]
    x, mask = torch.randn(1, 5, 16, generator=generator).double(), torch.ones(1, 5, dtype=torch.bool)
    here = block(x, mask, torch.arange(5))
    torch.testing.assert_close(block(x, mask, torch.arange(5) + 31), here)
    assert not torch.allclose(block(x, mask, torch.arange(5) * 2), here, atol=1e-6)


def test_half_precision_rotates_far_positions_as_precisely_as_near_ones(generator: torch.Generator):
    x = torch.randn(1, 8, generator=generator)
    place = torch.tensor([2049])  # no number of half precision
    expected = rotate(x, place)
    torch.testing.assert_close(rotate(x.half(), place).float(), expected, atol=3e-3, rtol=0)  # rounding of x


def test_dropout_acts_in_training_alone(generator: torch.Generator):
    encoder = context(dropout=0.5)
    padded = pad(draw(generator, 5))
    assert not torch.equal(encode(encoder, padded).values, encode(encoder, padded).values)
    encoder.eval()
    assert torch.equal(encode(encoder, padded).values, encode(encoder, padded).values)


def test_clips_are_encoded_before_they_see_each_other(clips: torch.Tensor):
    encoder = ContextEncoder(ClipEncoder(8, frames=2), 8, heads=2)
    assert encode(encoder, pad([clips[:2], clips[2:]])).values.shape == (2, 3, 8)


@pytest.mark.parametrize("kind", ["clips", *POSITIONS])
def test_all_weights_are_trained(kind: str, clips: torch.Tensor):
    if kind == "clips":
        encoder = ClipEncoder(16, frames=2)
        encoder(clips).square().sum().backward()
    else:
        encoder = context(kind, most=5)
        steps = torch.arange(20.0).sin().reshape(1, 5, 4).double()
        (encoder(steps, torch.tensor([5])) * torch.arange(16)).square().sum().backward()
    assert all(weight.grad.abs().sum() > 0 for weight in encoder.parameters())


def test_an_encoder_that_mixes_steps_is_detected():
    assert is_contextual(context())
    assert is_contextual(nn.Sequential(nn.Identity(), context()))
    assert not any(map(is_contextual, (Projection(2, 2), MLP(2, 2), FrameEncoder(2), nn.Linear(2, 2))))


# refusals


@pytest.mark.usefixtures("unchecked_shapes")
def test_features_of_another_shape_are_refused(clips: torch.Tensor):
    with pytest.raises(ValueError, match=r"expected features \[steps, 4\], got \(2, 5\)"):
        Projection(4, 6)(torch.ones(2, 5))
    with pytest.raises(ValueError, match=r"expected features \[..., 4\], got \(2, 5\)"):
        MLP(4, 6)(torch.ones(2, 5))
    with pytest.raises(ValueError, match=r"expected clips \[clips, 3, height"):
        ClipEncoder(4, frames=3)(clips)
    with pytest.raises(ValueError, match=r"expected frames \[frames, 64, 64, 3\]"):
        ClipEncoder(4, frames=2, size=64)(clips)
    with pytest.raises(ValueError, match=r"expected features \[steps, 4\], got \(4, 5\)"):
        context()(torch.ones(2, 3, 5), torch.tensor([1, 3]))


def test_a_step_encoder_of_another_width_is_refused():
    encoder = ContextEncoder(Projection(4, 6), 8)
    with pytest.raises(ValueError, match="expected Projection to return dim 8, got 6"):
        encoder(torch.ones(1, 2, 4), torch.tensor([2]))


def test_more_steps_than_learnt_positions_are_refused():
    with pytest.raises(ValueError, match="expected at most 3 steps, got 4; raise `most`"):
        context("learnt", most=3)(torch.ones(1, 4, 4).double(), torch.tensor([4]))


def test_lengths_beyond_the_steps_are_refused():
    for lengths in ([0], [4]):
        with pytest.raises(ValueError, match=f"expected lengths from 1 to 3, got {lengths[0]}"):
            context()(torch.ones(1, 3, 4).double(), torch.tensor(lengths))


def test_dimensions_that_do_not_divide_are_refused():
    for positions, dim in itertools.product(("rotary", "learnt"), (7, 9)):
        with pytest.raises(ValueError, match=r"expected layers and heads >= 1 and a dim that is a multiple of"):
            ContextEncoder(Projection(4, dim), dim, heads=2, positions=positions)
    with pytest.raises(ValueError, match="multiple of 4 for 2 heads and positions rotary, got 2 layers and dim 6"):
        ContextEncoder(Projection(4, 6), 6, heads=2)
    with pytest.raises(ValueError, match="got 0 layers"):
        context(layers=0)
    with pytest.raises(ValueError, match="expected vectors of an even dimension, got 3"):
        rotate(torch.ones(2, 3), torch.arange(2))


@pytest.mark.usefixtures("unchecked_shapes")
def test_unknown_positions_are_refused():
    with pytest.raises(ValueError, match="expected positions rotary, learnt or none, got 'sine'"):
        context("sine")


def test_a_hidden_contextual_encoder_is_refused():
    with pytest.raises(
        ValueError, match="expected Sequential, which contains a contextual encoder, to be a ContextualEncoder"
    ):
        encode(nn.Sequential(context(), nn.Identity()), pad([torch.ones(1, 4).double()]))
    with pytest.raises(ValueError, match="expected a per-step encoder for `step`, got ContextEncoder"):
        ContextEncoder(context(), 16)
