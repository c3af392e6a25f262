import pytest
import torch

from tempclr.encoders import ClipEncoder, Projection, encode
from tempclr.sequences import pad


@pytest.fixture
def clips(generator: torch.Generator) -> torch.Tensor:
    return torch.randint(0, 256, (5, 2, 56, 56, 3), dtype=torch.uint8, generator=generator)


# known answers


def test_embeddings_have_the_size_asked_for(clips: torch.Tensor):
    assert ClipEncoder(16, frames=2)(clips).shape == (5, 16)
    assert Projection(8, 16)(torch.ones(3, 8)).shape == (3, 16)


# laws


def test_every_step_is_encoded_by_itself(clips: torch.Tensor):
    encoder = ClipEncoder(16, frames=2).double()  # float32 sums in another order for another batch
    together = encoder(clips)
    for index in range(len(clips)):
        torch.testing.assert_close(encoder(clips[index : index + 1])[0], together[index])


def test_padding_is_not_encoded(generator: torch.Generator):
    sequences = [torch.randn(length, 4, generator=generator) for length in (3, 1)]
    padded = pad(sequences)
    padded.values[1, 1:] = torch.nan
    encoder = Projection(4, 6)
    found = encode(encoder, padded)
    torch.testing.assert_close(found[0], encoder(sequences[0]))
    torch.testing.assert_close(found[1], encoder(sequences[1]))
    assert found.values[1, 1:].eq(0).all()


def test_all_weights_are_trained(clips: torch.Tensor):
    encoder = ClipEncoder(16, frames=2)
    encoder(clips).square().sum().backward()
    assert all(weight.grad.abs().sum() > 0 for weight in encoder.parameters())


# refusals


@pytest.mark.usefixtures("unchecked_shapes")
def test_features_of_another_shape_are_refused(clips: torch.Tensor):
    with pytest.raises(ValueError, match=r"expected features \[steps, 4\], got \(2, 5\)"):
        Projection(4, 6)(torch.ones(2, 5))
    with pytest.raises(ValueError, match=r"expected clips \[clips, 3, height"):
        ClipEncoder(4, frames=3)(clips)
    with pytest.raises(ValueError, match=r"expected frames \[frames, 64, 64, 3\]"):
        ClipEncoder(4, frames=2, size=64)(clips)
