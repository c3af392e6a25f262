"""From embeddings, features and training runs to the folder of an order audit."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from tempclr.cli import main
from tempclr.data.embeddings import pairs_of, read_pairs, text_embeddings
from tempclr.encoders import encode
from tempclr.experiments import video_text
from tempclr.experiments.experiment import Experiment
from tempclr.experiments.runs import Run, read_metrics
from tempclr.sequences import Pair
from tempclr.studies import audit, audit_page
from tempclr.studies.frozen import least_squares
from tempclr.tasks import order_audit, retrieval
from tempclr.training.checkpoints import save

RANDOM = np.random.default_rng(0)
SENTENCES = [RANDOM.normal(size=(n, 8)).astype(np.float32) for n in (3, 4, 5, 4)]
SEGMENTS = [np.arange(len(each)).repeat(2) for each in SENTENCES]
CLIPS = [
    (each[own] + 0.5 * RANDOM.normal(size=(len(own), 8))).astype(np.float32)
    for each, own in zip(SENTENCES, SEGMENTS, strict=True)
]
NAMES = ["a/1", "a/2", "b/1", "c/1"]
ARRAYS = {
    "sentences": np.concatenate(SENTENCES),
    "sentences_per_video": np.array([len(each) for each in SENTENCES]),
    "clips": np.concatenate(CLIPS),
    "clips_per_video": np.array([len(each) for each in CLIPS]),
    "segments": np.concatenate(SEGMENTS),
    "names": np.array(NAMES),
}
ALL = {"scores": ["mean-pool", "DTW"], "kinds": list(order_audit.KINDS), "sides": list(order_audit.SIDES)}


def same(ours: list[Pair], theirs: list[Pair]) -> bool:
    """Whether pairs hold the same names and numbers."""
    fields = ("sentences", "clips", "segments")
    return all(
        one.name == other.name and all(torch.equal(getattr(one, each), getattr(other, each)) for each in fields)
        for one, other in zip(ours, theirs, strict=True)
    )


@pytest.fixture
def embedded(tmp_path: Path) -> Path:
    np.savez(tmp_path / "mine.npz", **ARRAYS)
    return tmp_path / "mine.npz"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Features of the same videos, with embeddings of their sentences."""
    folder, lines, texts = tmp_path / "features", [], []
    folder.mkdir()
    for split in ("train", "validation", "test"):
        for number, (sentences, clips) in enumerate(zip(SENTENCES, CLIPS, strict=True)):
            name = f"{split}-{number}"
            np.save(folder / f"{name}.npy", clips)
            own = [f"video {number}, step {step}" for step in range(len(sentences))]
            texts += own if split == "test" else []
            bounds = [[2 * step, 2 * step + 2] for step in range(len(sentences))]
            line = {"video": name, "split": split, "rows": len(clips), "dim": 8, "seconds": 1.0, "sentences": own}
            lines.append(json.dumps(line | {"segments": bounds, "group": NAMES[number][0]}))
    (folder / "manifest.jsonl").write_text("\n".join(lines))
    np.savez(folder / "sentences.npz", texts=np.array(texts), embeddings=np.concatenate(SENTENCES))
    return folder


def train(folder: Path, out: Path, **given: object) -> Path:
    """A training run that ended before its first step."""
    experiment = Experiment(data=str(folder), dim=8, layers=1, **given)
    model = video_text.model(experiment, video_text.pairs(experiment, "test"))
    run = Run(out, experiment=experiment)
    save({"model": model.state_dict()}, out / "best.pt")
    run.finish({})
    return out


# known answers


def test_a_file_of_embeddings_holds_the_arrays_it_was_written_from(embedded: Path):
    assert same(read_pairs(embedded), pairs_of(SENTENCES, CLIPS, SEGMENTS, NAMES))
    np.savez(embedded, **{name: ARRAYS[name] for name in ARRAYS if name not in ("segments", "names")})
    bare = read_pairs(embedded)
    assert [each.name for each in bare] == ["0", "1", "2", "3"]
    assert all((each.segments == -2).all() for each in bare)


def test_equal_sentences_have_equal_captions():
    (pair,) = pairs_of([np.eye(3)[[0, 1, 0]]], [np.eye(3)])
    assert pair.captions[0] == pair.captions[2] != pair.captions[1]


def test_a_folder_of_features_gives_the_same_audit_as_its_arrays(embedded: Path, folder: Path):
    found = audit.audits(audit.subjects([embedded, folder]), **ALL, orders=5, seed=0)
    assert list(found) == ["mine", "features"]
    for one, other in zip(found["mine"].kinds, found["features"].kinds, strict=True):
        if one.kind != "put-in":  # drawn from other groups: names differ
            assert torch.equal(one.below["DTW"], other.below["DTW"]), one.kind


def test_least_squares_recovers_a_linear_map(generator: torch.Generator):
    mapping = torch.randn(4, 6, generator=generator)
    pairs = [
        Pair(str(k), clips @ mapping, clips, torch.arange(9), tuple("abcdefghi"))
        for k, clips in enumerate(torch.randn(40, 9, 4, generator=generator))
    ]
    for few in (pairs[:30], [Pair("p", pairs[0].sentences[:3], pairs[0].clips[:3], torch.arange(3), tuple("abc"))]):
        found = least_squares(few, pairs[30:])  # more clips than features, and fewer
        error = sum((each.clips - each.sentences).square().sum() for each in found)
        total = sum(each.sentences.square().sum() for each in found)
        assert error < (0.05 if len(few) > 1 else 1) * total
        assert found[0].sentences.equal(pairs[30].sentences)


def test_both_systems_of_least_squares_have_one_solution(generator: torch.Generator):
    clips, sentences = torch.randn(5, 5, generator=generator), torch.randn(5, 3, generator=generator)
    square = [Pair("a", sentences, clips, torch.arange(5), tuple("abcde"))]
    wide = [Pair("a", sentences, torch.cat((clips, torch.zeros(5, 1)), 1), torch.arange(5), tuple("abcde"))]
    torch.testing.assert_close(least_squares(square, square)[0].clips, least_squares(wide, wide)[0].clips)


# laws


def test_the_command_writes_a_folder_with_page_pictures_and_numbers(
    embedded: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    out = tmp_path / "audit"
    assert main(["audit", str(embedded), "--out", str(out), "--scores", "DTW", "OTAM", "--orders", "4"]) == 0
    printed = capsys.readouterr().out
    names = {"index.html", "metrics.json", "audit.txt", "env.json"}
    pictures = {f"{side}-{look}.png" for side in order_audit.SIDES for look in ("light", "dark")}
    assert {path.name for path in out.iterdir()} == names | pictures
    metrics = read_metrics(out)
    assert (out / "audit.txt").read_text() == audit.as_text(metrics) + "\n"
    assert audit.as_text(metrics) in printed
    assert len(metrics["table"]) == 2 * (8 + 6) and metrics["chance"] == 0.5
    for row in metrics["table"]:
        assert row["oracle control"] == 1 and row["videos"] == 4 and row["noticed"]["n"] == 3
        assert row["order-free control"] == 0 or row["kind"] in ("left-out", "put-in")
        assert 0 <= row["noticed"]["low"] <= row["noticed"]["mean"] <= row["noticed"]["high"] <= 1
    page = (out / "index.html").read_text()
    assert not re.search(r"""(src|href|srcset)="(?!data:)""", page) and page.count("data:image/png") == 4
    head, _, first, *_ = printed.splitlines()
    assert first[head.index("oracle") :].startswith("1.00")  # columns are aligned


def test_names_on_the_page_are_escaped(tmp_path: Path):
    found = {"<b>mine</b>": order_audit.audit(pairs_of(SENTENCES, CLIPS), {"<i>s</i>": retrieval.dtw}, count=2)}
    metrics = audit.as_metrics(found)
    audit_page.write(tmp_path / "out", metrics)
    page = (tmp_path / "out" / "index.html").read_text()
    assert "<b>mine" not in page and "<i>s" not in page
    assert "&lt;b&gt;mine" in page and "&lt;i&gt;s" in page
    skipped = {row["kind"]: row["noticed"] for row in metrics["table"] if row["side"] == "clips"}
    assert skipped["swaps"] is None and skipped["reversed"] is not None  # segments are not known
    assert json.loads((tmp_path / "out" / "metrics.json").read_text()) == metrics


@pytest.mark.parametrize("encoder", ["per-step", "contextual"])
def test_a_run_is_audited_as_its_model_scores_features(encoder: str, folder: Path, tmp_path: Path):
    runs = [train(folder, tmp_path / f"runs/{seed}", encoder=encoder, seed=seed, weight=0.0) for seed in (0, 1)]
    found = audit.audits(audit.subjects([tmp_path / "runs"]), **ALL, orders=3, seed=0)
    assert list(found) == ["unit loss only"] and len(runs) == 2
    pairs, scores = list(audit.find_trained(runs[0])[0].pairs("test")), []
    for run in audit.find_trained(tmp_path / "runs"):
        model = run.model(pairs)
        scores.append(lambda x, y, model=model: retrieval.dtw(encode(model.text, x), encode(model.video, y)))
    with torch.no_grad():
        expected = [order_audit.audit(pairs, {"DTW": score}, count=3) for score in scores]
    for number, one in enumerate(found["unit loss only"].kinds):
        if encoder == "contextual" or one.kind != "put-in":
            ours = torch.cat([each.kinds[number].below["DTW"] for each in expected])
            torch.testing.assert_close(one.below["DTW"], ours, atol=0.01, rtol=0)


def test_frozen_features_and_runs_stand_in_one_table(folder: Path, tmp_path: Path):
    for name, weight in (("unit", 0.0), ("order", 0.5)):
        train(folder, tmp_path / "runs" / name, weight=weight)
    found = audit.audits(audit.subjects([tmp_path / "runs"], frozen=True), **ALL, orders=2, seed=0)
    assert list(found) == ["frozen features", "unit loss only", "unit and order loss"]
    train(folder, tmp_path / "runs" / "other", weight=0.9)
    names = [each.name for each in audit.subjects([tmp_path / "runs"])]
    assert names == ["unit loss only", "unit and order loss (order)", "unit and order loss (other)"]


def test_seeds_that_draw_their_own_training_rooms_count_as_one_model(folder: Path, tmp_path: Path):
    for seed in (0, 1):
        train(folder, tmp_path / "runs" / str(seed), seed=seed, room_set=seed, weight=0.0)
    assert [each.name for each in audit.subjects([tmp_path / "runs"])] == ["unit loss only"] * 2


# refusals


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"clips": None}, "to hold sentences, .* got clips_per_video"),
        ({"labels": np.zeros(3)}, "perhaps segments and names"),
        ({"clips": ARRAYS["clips"][1:]}, "as many clips as clips_per_video sum to, 32"),
        ({"clips_per_video": np.array([6, 8, 18])}, "of the same videos, at least one, got 4, 3, 3 and 4"),
        ({"sentences_per_video": np.array([3, 4, 9, 0])}, "integers of at least 1"),
        ({"segments": ARRAYS["segments"] * 1.0}, "expected integer segments"),
        ({"segments": ARRAYS["segments"] + 1}, "a segment from 0 to 2"),
        ({"clips": ARRAYS["clips"] * np.nan}, "expected finite features"),
        ({"clips": ARRAYS["clips"].astype(float) * 1e60}, "expected finite features"),
        ({"sentences": ARRAYS["sentences"][:, 0]}, r"numbers \[steps, dim\] as sentences of a/1"),
        ({"names": np.array(["a", "a", "b", "c"])}, "names that differ, got 'a' twice"),
        ({"names": np.array(["a", "b", "c", None])}, "damaged"),  # a pickle
        ({"names": np.array("abcd")}, r"strings \[videos\] as names in .*, got <U4 \(\)"),
    ],
)
def test_arrays_that_do_not_fit_together_are_refused(embedded: Path, changed: dict, message: str):
    arrays = {name: value for name, value in {**ARRAYS, **changed}.items() if value is not None}
    np.savez(embedded, **arrays)
    with pytest.raises(ValueError, match=message):
        read_pairs(embedded)


def test_missing_and_malformed_text_embeddings_are_refused(folder: Path):
    embed = text_embeddings(folder)
    assert torch.equal(embed(["video 0, step 1"]), torch.from_numpy(SENTENCES[0][1:2]))
    with pytest.raises(ValueError, match=r"found none of 1, such as 'pour'"):
        embed(["pour", "video 0, step 1"])
    np.savez(folder / "sentences.npz", texts=np.array(["a"]), embeddings=np.zeros((2, 8)))
    with pytest.raises(ValueError, match="a string for each embedding"):
        text_embeddings(folder)
    np.savez(folder / "sentences.npz", embeddings=np.zeros((2, 8)))
    with pytest.raises(ValueError, match="to hold texts and embeddings, got embeddings"):
        text_embeddings(folder)
    np.savez(folder / "sentences.npz", texts=np.array(["a", "a"]), embeddings=np.zeros((2, 8)))
    with pytest.raises(ValueError, match=r"every text once in .*sentences\.npz, got 1 repeated"):
        text_embeddings(folder)
    outside = folder.parent / "outside.npz"
    (folder / "sentences.npz").rename(outside)
    with pytest.raises(ValueError, match=r"sentences\.npz .* found no file in that folder"):
        text_embeddings(folder)
    (folder / "sentences.npz").symlink_to(outside)
    with pytest.raises(ValueError, match=r"sentences\.npz .* found no file in that folder"):
        text_embeddings(folder)


def test_what_cannot_be_audited_exits_with_2_and_leaves_nothing(
    embedded: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    out = tmp_path / "out"
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    np.savez(tmp_path / "other" / "mine.npz", **ARRAYS)
    for arguments, message in (
        (["nothing"], "found nothing"),
        ([str(tmp_path / "empty")], "expected training runs in"),
        ([str(embedded), str(tmp_path / "other" / "mine.npz")], "different names, got 'mine' twice"),
        ([str(embedded), "--frozen"], "expected training runs for their frozen features"),
        ([str(embedded), "--kinds", "clips", "--sides", "sentences"], "a kind that applies to sentences"),
    ):
        assert main(["audit", *arguments, "--out", str(out)]) == 2
        assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("out*"))
    (tmp_path / "out.partial").mkdir()
    assert main(["audit", str(embedded), "--out", str(out)]) == 2
    assert "out.partial; delete it" in capsys.readouterr().err


def test_least_squares_needs_sentences_of_known_clips():
    (pair,) = pairs_of([np.eye(3)], [np.eye(3)])
    with pytest.raises(ValueError, match="training clips whose sentence is known, got none"):
        least_squares([pair], [pair])
    words = Pair("words", torch.ones(3, 4, dtype=torch.long), pair.clips, torch.arange(3), tuple("abc"))
    with pytest.raises(ValueError, match=r"sentences as vectors of floats, got torch.int64 \(3, 4\)"):
        least_squares([words], [words])
