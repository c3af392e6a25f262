"""Whatever an alignment function is given, it returns finite numbers or +inf, or says clearly what is wrong."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import tempclr

FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "soft_dtw": tempclr.soft_dtw,
    "soft_dtw in a band": partial(tempclr.soft_dtw, band=1.0),
    "smooth_dtw": tempclr.alignment.smooth_dtw,
    "dtw": tempclr.dtw,
    "otam": tempclr.otam,
    "subsequence_dtw": tempclr.alignment.subsequence_dtw,
    "drop_dtw": partial(tempclr.drop_dtw, drop_x=0.5, drop_y=0.5),
    "segment_dtw": partial(tempclr.alignment.segment_dtw, between=0.5),
    "expected_alignment": tempclr.expected_alignment,
}
dtypes = st.sampled_from(
    [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64, torch.bool, torch.complex64, torch.uint8]
)
shapes = st.lists(st.integers(0, 3), max_size=4).map(tuple)
entries = st.sampled_from([0.0, 1.0, -1.0, 1e30, -1e30, torch.inf, -torch.inf, torch.nan])


@st.composite
def costs(draw: st.DrawFn) -> object:
    """Something passed as a cost: often a tensor, rarely a valid one."""
    kind = draw(st.sampled_from(["tensor", "tensor", "tensor", "other"]))
    if kind == "other":
        return draw(st.sampled_from([None, 1.0, "cost", [[1.0, 2.0]]]))
    cost = torch.rand(draw(shapes)).to(draw(dtypes))
    if cost.numel() and cost.is_floating_point() and draw(st.booleans()):
        cost.view(-1)[draw(st.integers(0, cost.numel() - 1))] = draw(entries)
    return draw(st.sampled_from([cost, cost.mT if cost.ndim > 1 else cost, cost[..., ::2] if cost.ndim else cost]))


@st.composite
def lengths(draw: st.DrawFn) -> object:
    """Something passed as lengths."""
    kind = draw(st.sampled_from(["none", "tensor", "tensor", "other"]))
    if kind == "none":
        return None
    if kind == "other":
        return draw(st.sampled_from([3, [2, 2], "lengths", (1, 1)]))
    shape = (*draw(shapes)[:2], draw(st.sampled_from([1, 2, 2, 2, 3])))
    values = torch.randint(-1, 5, shape, generator=torch.Generator().manual_seed(draw(st.integers(0, 99))))
    return values.to(draw(st.sampled_from([torch.int64, torch.int32, torch.uint8, torch.float32, torch.bool])))


# laws


@pytest.mark.parametrize("name", FUNCTIONS)
@given(cost=costs(), size=lengths())
@settings(max_examples=150)
@pytest.mark.usefixtures("unchecked_shapes_of_module")
def test_any_input_is_computed_or_refused_with_a_value_error(name: str, cost: object, size: object):
    try:
        found = FUNCTIONS[name](cost, size)
    except ValueError as error:
        assert "expected" in str(error)
        return
    assert isinstance(cost, Tensor)
    assert not found.isnan().any() and not (found == -torch.inf).any()


# refusals


@pytest.mark.usefixtures("unchecked_shapes")
def test_lengths_on_another_device_are_refused():
    with pytest.raises(ValueError, match="expected lengths on cpu like the cost, got meta"):
        tempclr.dtw(torch.rand(1, 2, 3), torch.ones(1, 2, dtype=torch.int64, device="meta"))
    with pytest.raises(ValueError, match="drop_x on cpu"):
        tempclr.drop_dtw(torch.rand(2, 3), drop_x=torch.ones(2, device="meta"))


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize("gamma", ["soft", None, torch.tensor([0.1, 0.2])])
def test_a_gamma_that_is_not_a_number_is_refused(gamma: object):
    for function in (tempclr.soft_dtw, tempclr.otam, tempclr.alignment.subsequence_dtw):
        with pytest.raises(ValueError, match="gamma"):
            function(torch.rand(2, 3), gamma=gamma)


@pytest.mark.parametrize(
    "drop", ["a", [0.5, 0.5], torch.tensor(0.5), torch.ones(2, 3, dtype=torch.int64), float("nan")]
)
@pytest.mark.usefixtures("unchecked_shapes")
def test_a_drop_cost_of_the_wrong_type_is_refused(drop: object):
    with pytest.raises(ValueError, match="drop_y"):
        tempclr.drop_dtw(torch.rand(2, 2, 3), drop_y=drop)


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # by PyTorch's own import
@pytest.mark.parametrize("kernel", ["diagonals", "cpu"])
def test_forward_mode_derivatives_are_refused_instead_of_zero(kernel: str):
    cost = torch.rand(2, 3, 4)
    for value in (tempclr.soft_dtw, partial(tempclr.drop_dtw, drop_y=0.5)):
        with pytest.raises(ValueError, match="forward-mode"):
            torch.func.jvp(partial(value, kernel=kernel), (cost,), (cost,))
