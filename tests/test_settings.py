"""Parameters of dataclasses: their ranges and types."""

from dataclasses import dataclass

import pytest

from tempclr._util.settings import AT_LEAST_ONE, NON_NEGATIVE, POSITIVE, SHARE, Range, validate


@dataclass
class Settings:
    steps: int = 1
    rate: float = 0.5
    name: str = "any"


# known answers


@pytest.mark.parametrize(
    ("within", "words", "inside", "outside"),
    [
        (AT_LEAST_ONE, ">= 1", (1, 9), (0, -1)),
        (NON_NEGATIVE, ">= 0", (0, 3), (-1,)),
        (POSITIVE, "> 0", (1e-300, 5.0), (0, -0.1)),
        (SHARE, "from 0 to 1", (0, 0.5, 1), (-0.1, 1.1)),
        (Range(0, 1, most_open=True), "from 0 to less than 1", (0, 0.99), (1,)),
    ],
)
def test_a_range_contains_what_its_text_says(within: Range, words: str, inside: tuple, outside: tuple):
    assert str(within) == words
    assert all(value in within for value in inside)
    assert not any(value in within for value in (*outside, float("nan")))


def test_valid_fields_pass():
    validate(Settings(), {"steps": AT_LEAST_ONE, "rate": SHARE})
    validate(Settings(rate=1), {"rate": SHARE})  # a whole number is a number


# refusals


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Settings(steps=0), "expected steps >= 1, got 0"),
        (Settings(steps=1.0), "expected steps to be of type int, got 1.0"),
        (Settings(steps=True), "expected steps to be of type int, got True"),
        (Settings(rate="0.5"), "expected rate to be of type float, got '0.5'"),
        (Settings(rate=None), "expected rate to be of type float, got None"),
        (Settings(rate=2.0), "expected rate from 0 to 1, got 2.0"),
        (Settings(rate=float("inf")), "expected rate to be finite, got inf"),
    ],
)
def test_invalid_fields_are_refused(settings: Settings, message: str):
    with pytest.raises(ValueError, match=message):
        validate(settings, {"steps": AT_LEAST_ONE, "rate": SHARE})
