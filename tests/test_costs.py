import pytest
import torch
from scipy.spatial.distance import cdist

import tempclr
from tempclr.costs import all_pairs

# known answers


def test_directions_cost_from_zero_to_two():
    x = torch.tensor([[1.0, 0.0]])
    y = torch.tensor([[5.0, 0.0], [0.0, 1.0], [-2.0, 0.0], [0.0, 0.0]])
    torch.testing.assert_close(tempclr.cosine_cost(x, y), torch.tensor([[0.0, 1.0, 2.0, 1.0]]))


# laws


@pytest.mark.parametrize(("ours", "theirs"), [(tempclr.cosine_cost, "cosine"), (tempclr.squared_cost, "sqeuclidean")])
def test_costs_equal_those_of_scipy(ours, theirs: str, generator: torch.Generator):
    x, y = (torch.randn(2, steps, 6, generator=generator, dtype=torch.float64) for steps in (3, 5))
    for batch in range(2):
        torch.testing.assert_close(ours(x, y)[batch], torch.from_numpy(cdist(x[batch], y[batch], theirs)))


def test_all_pairs_equal_each_pair(generator: torch.Generator):
    x, y = torch.randn(3, 4, 6, generator=generator), torch.randn(5, 2, 6, generator=generator)
    together = all_pairs(x, y)
    for i in range(3):
        for j in range(5):
            torch.testing.assert_close(together[i, j], tempclr.cosine_cost(x[i], y[j]))


def test_equal_steps_have_distance_zero_however_large(generator: torch.Generator):
    x = 1e6 + torch.randn(4, 3, generator=generator)
    assert tempclr.squared_cost(x, x).diagonal().eq(0).all()


# refusals


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize("function", [tempclr.cosine_cost, tempclr.squared_cost])
def test_sequences_that_cannot_be_compared_are_refused(function):
    with pytest.raises(ValueError, match=r"got \(2, 3\) and \(2, 4\)"):
        function(torch.ones(2, 3), torch.ones(2, 4))
    with pytest.raises(ValueError, match=r"got \(1, 2, 3\) and \(2, 2, 3\)"):
        function(torch.ones(1, 2, 3), torch.ones(2, 2, 3))


@pytest.mark.usefixtures("unchecked_shapes")
def test_all_pairs_of_different_dimensions_are_refused():
    with pytest.raises(ValueError, match="got 3 and 4"):
        all_pairs(torch.ones(1, 2, 3), torch.ones(1, 2, 4))
