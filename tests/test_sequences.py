import pytest
import torch

from tempclr.sequences import Pair, Sequences, collate, pad, pair_mask, step_mask


def pair(name: str = "a", n: int = 2, m: int = 3, dim: int = 4) -> Pair:
    return Pair(name, torch.ones(n, dim), torch.ones(m, dim), torch.zeros(m, dtype=torch.int64), ("x",) * n)


# known answers


def test_the_mask_of_a_pair_is_the_product_of_both():
    mask = pair_mask(torch.tensor([1, 2]), 2, 3)
    assert mask.tolist() == [[True, True, False], [False, False, False]]


def test_equal_captions_get_equal_numbers_across_a_batch():
    first = Pair("a", torch.ones(2, 3), torch.ones(1, 3), torch.tensor([1]), ("stir", "pour"))
    second = Pair("b", torch.ones(1, 3), torch.ones(2, 3), torch.tensor([0, -1]), ("pour",))
    batch = collate([first, second])
    assert batch.captions.tolist() == [[0, 1], [1, -1]]
    assert batch.segments.tolist() == [[1, -1], [0, -1]]


# laws


def test_padding_and_indexing_restore_each_sequence(generator: torch.Generator):
    sequences = [torch.randn(length, 2, 3, generator=generator) for length in (1, 5, 3)]
    padded = pad(sequences)
    assert padded.values.shape == (3, 5, 2, 3)
    for index, sequence in enumerate(sequences):
        assert torch.equal(padded[index], sequence)
    assert torch.equal(padded.mask, step_mask(padded.lengths, 5))
    assert padded.values[~padded.mask].eq(0).all()


# refusals


def test_sequences_that_cannot_be_padded_are_refused():
    with pytest.raises(ValueError, match="at least one sequence, got none"):
        pad([])
    with pytest.raises(ValueError, match="at least one step in every sequence, got none in number 1"):
        pad([torch.ones(1, 2), torch.ones(0, 2)])
    with pytest.raises(ValueError, match=r"\(2,\) in sequence 0 and \(3,\) in sequence 1"):
        pad([torch.ones(1, 2), torch.ones(1, 3)])


@pytest.mark.parametrize("lengths", [[0], [4]])
def test_lengths_out_of_range_are_refused(lengths: list[int]):
    with pytest.raises(ValueError, match="from 1 to 3"):
        Sequences(torch.ones(1, 3, 2), torch.tensor(lengths))


@pytest.mark.usefixtures("unchecked_shapes")
def test_lengths_that_are_not_integers_are_refused():
    with pytest.raises(ValueError, match="integer type, got"):
        Sequences(torch.ones(1, 3, 2), torch.tensor([1.0]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"captions": ("one",)}, "expected 2 captions"),
        ({"segments": torch.tensor([0, 1, 2])}, "segment from 0 to 1"),
        ({"sentences": torch.full((2, 4), torch.nan)}, "finite features, got NaN or infinity in the sentences of a"),
        ({"clips": torch.full((3, 4), torch.inf)}, "in the clips of a"),
        ({"segments": torch.tensor([1, -2, 0])}, "in the order of the sentences of a, since other clips are unknown"),
        ({"clips": torch.ones(0, 4), "segments": torch.zeros(0, dtype=torch.int64)}, "one sentence and one clip"),
    ],
)
def test_a_pair_that_does_not_fit_together_is_refused(change: dict, message: str):
    with pytest.raises(ValueError, match=message):
        Pair(**vars(pair()) | change)
