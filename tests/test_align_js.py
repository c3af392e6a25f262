"""The JavaScript recursion of saved pages, run by node or a browser, gives the results of the Python functions."""

import json
import shutil
import subprocess
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from tempclr_widgets.view import module

import tempclr
from tempclr.alignment._kernels.band import band_mask

NODE = shutil.which("node")
pytestmark = [] if NODE else pytest.mark.browser
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

ANSWER = """
function answer(jobs) {
  return jobs.map(({ cost, n, m, kind, options, masked }) => {
    const numbers = Float64Array.from(cost, (each) => (each === null ? Infinity : each));
    try {
      const found = align(numbers, n, m, kind ? OPTIONS[kind](options) : options);
      return { ...found, value: String(found.value), hard: String(found.hard), alignment: [...found.alignment] };
    } catch (error) {
      return { error: error.message };
    }
  });
}
"""


@pytest.fixture(scope="module")
def in_javascript(tmp_path_factory: pytest.TempPathFactory) -> Callable[[list[dict]], list[dict]]:
    """Return a function that computes a list of jobs in one process."""
    program = module("align.js") + ANSWER
    if NODE:
        path = tmp_path_factory.mktemp("node") / "answer.mjs"
        path.write_text(
            program + "import { readFileSync } from 'node:fs';\n"
            "console.log(JSON.stringify(answer(JSON.parse(readFileSync(0, 'utf8')))));"
        )

        def compute(jobs: list[dict]) -> list[dict]:
            done = subprocess.run(
                [NODE, str(path)], input=json.dumps(jobs), capture_output=True, text=True, timeout=300
            )
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout)

        return compute
    if BROWSER is None:
        pytest.skip("neither node nor chromium is on this machine")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

    def compute_in_browser(jobs: list[dict]) -> list[dict]:
        with sync_api.sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"])
            page = browser.new_page()
            page.add_script_tag(content=program.replace("export ", ""), type="text/javascript")
            return json.loads(page.evaluate("(jobs) => JSON.stringify(answer(jobs))", jobs))

    return compute_in_browser


def job(cost: torch.Tensor, kind: str = "dtw", **options: object) -> dict:
    """A cost matrix and the options of its alignment, ready for JSON."""
    numbers = [None if value == torch.inf else value for value in cost.flatten().tolist()]
    n, m = cost.shape
    return {"cost": numbers, "n": n, "m": m, "kind": kind, "options": options}


def as_matrix(found: dict, cost: torch.Tensor) -> torch.Tensor:
    return torch.tensor(found["alignment"], dtype=torch.float64).reshape(cost.shape)


def package_fn(kind: str, options: dict) -> Callable[..., torch.Tensor]:
    """The alignment function of the package, by name."""
    gamma = options["gamma"]
    if kind == "dtw":
        band = options["band"]
        return partial(tempclr.soft_dtw, gamma=gamma, band=band) if gamma else partial(tempclr.dtw, band=band)
    if kind == "drop_dtw":
        drops = {
            name: torch.tensor(drop, dtype=torch.float64) if isinstance(drop, list) else drop
            for name, drop in (("drop_x", options["dropX"]), ("drop_y", options["dropY"]))
        }
        return partial(tempclr.drop_dtw, gamma=gamma, **drops)
    return partial(getattr(tempclr.alignment, kind), gamma=gamma)


def jobs_of(generator: torch.Generator) -> list[tuple[torch.Tensor, str, dict]]:
    """Every alignment function on matrices of many shapes, with forbidden cells and with ties."""
    found = []
    for n, m in ((1, 1), (1, 6), (5, 1), (2, 2), (4, 7), (6, 5)):
        costs = torch.rand(n, m, generator=generator, dtype=torch.float64)
        holes = costs.masked_fill(torch.rand(n, m, generator=generator) < 0.15, torch.inf)
        large = costs * 1e4
        for cost in (costs, holes, large, (costs * 3).round()):
            for gamma in (0.0, 0.01, 1.0):
                found += [(cost, "dtw", {"gamma": gamma, "band": band}) for band in (None, 0.0, 1.5)]
                found += [(cost, kind, {"gamma": gamma}) for kind in ("otam", "subsequence_dtw")]
                each_x = torch.rand(n, generator=generator).tolist()
                each_y = torch.rand(m, generator=generator).tolist()
                for drop_x, drop_y in ((None, 0.3), (0.2, None), (0.3, 0.2), (each_x, each_y), (None, each_y)):
                    found.append((cost, "drop_dtw", {"gamma": gamma, "dropX": drop_x, "dropY": drop_y}))
    return found[::3]  # 3 divides no period of the lists, so that every option occurs


# known answers


def test_zero_costs_count_paths(in_javascript: Callable):
    shapes = [(1, 1), (2, 2), (3, 3), (4, 3)]
    found = in_javascript([job(torch.zeros(shape), gamma=1.0, band=None) for shape in shapes])
    counted = [round(np.exp(-float(each["value"]))) for each in found]
    assert counted == [1, 3, 13, 25]


def test_without_a_path_nothing_is_matched(in_javascript: Callable):
    blocked = torch.tensor([[1.0, torch.inf], [torch.inf, torch.inf]])
    for found in in_javascript([job(blocked, gamma=gamma, band=None) for gamma in (0.0, 0.1)]):
        assert (found["value"], found["hard"], found["path"]) == ("Infinity", "Infinity", [])
        assert found["alignment"] == [0, 0, 0, 0]


# laws


def test_values_and_alignments_equal_the_package(in_javascript: Callable, generator: torch.Generator):
    jobs = jobs_of(generator)
    answers = in_javascript([job(cost, kind, **options) for cost, kind, options in jobs])
    paths = 0
    for (cost, kind, options), found in zip(jobs, answers, strict=True):
        value = package_fn(kind, options)
        where = f"{kind} {options} {cost.tolist()}"
        wanted = value(cost).item()
        # the package keeps OTAM's skip, a multiple of gamma, in float32
        near = 1e-11 + (1e-7 * options["gamma"] if kind == "otam" else 0)
        assert float(found["value"]) == pytest.approx(wanted, rel=1e-11, abs=near), where
        hard = package_fn(kind, options | {"gamma": 0.0})
        assert float(found["hard"]) == pytest.approx(hard(cost).item(), rel=1e-12, abs=1e-12), where
        if wanted == torch.inf:
            assert found["path"] == [], where
            continue
        if options["gamma"]:  # tolerances of float32
            torch.testing.assert_close(
                as_matrix(found, cost),
                tempclr.alignment_of(value, cost),
                rtol=2e-7,
                atol=1e-7 if kind == "otam" else 1e-9,
                msg=where,
            )
        if not torch.equal(cost, cost.round()):  # no ties
            assert found["path"] == tempclr.path_of(hard, cost).tolist(), where
            paths += 1
    assert paths > 100


def test_ties_are_broken_as_in_the_package(in_javascript: Callable, generator: torch.Generator):
    costs = [torch.randint(0, 2, (6, 9), generator=generator).double() for _ in range(40)]
    answers = in_javascript([job(cost, gamma=0.0, band=None) for cost in costs])
    assert [found["path"] for found in answers] == [tempclr.dtw_path(cost).tolist() for cost in costs]


def test_a_band_allows_the_same_cells_as_the_package(in_javascript: Callable):
    jobs = [(n, m, radius) for n in (1, 2, 5, 8) for m in (1, 3, 8, 13) for radius in (0.0, 0.5, 2.0, 4.2)]
    answers = in_javascript([job(torch.zeros(n, m), gamma=1e3, band=radius) for n, m, radius in jobs])
    for (n, m, radius), found in zip(jobs, answers, strict=True):
        mask = band_mask(torch.tensor([[n, m]]), n, m, radius)[0]
        reached = as_matrix(found, mask) > 0
        assert not (reached & ~mask).any()
        soft = tempclr.expected_alignment(torch.zeros(n, m, dtype=torch.float64), gamma=1e3, band=radius)
        assert torch.equal(reached, soft > 0)


# refusals


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cost": [0.0, 1.0, 2.0]}, "expected 2 x 2 costs, got 3"),
        ({"cost": ["NaN", 1.0, 2.0, 3.0]}, "finite or +Infinity, got NaN at 0, 0"),
        ({"options": {"gamma": -1, "band": None}}, "finite gamma >= 0, got -1"),
        ({"kind": "drop_dtw", "options": {"gamma": 0, "dropX": [1.0], "dropY": None}}, "expected 2 costs in dropX"),
        ({"kind": "", "options": {"dropX": 1.0, "band": 2}}, "either drops or open ends or a band"),
    ],
)
def test_invalid_input_is_refused(in_javascript: Callable, changes: dict, message: str):
    (found,) = in_javascript([job(torch.zeros(2, 2), gamma=0.0, band=None) | changes])
    assert message in found["error"]
