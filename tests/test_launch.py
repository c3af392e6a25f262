import json
import re
from pathlib import Path

import nbformat
import pytest
from filelock import FileLock

from tempclr import launch
from tempclr.launch import Job, parameters, resolve, run, run_all


def write(path: Path, code: str, declared: str = "") -> Path:
    """A notebook of a parameter cell and one more."""
    cell = nbformat.v4.new_code_cell(
        f'number: int = 1  # any\nshare: float = 0.5\nrun_dir: str = ""\n{declared}'.strip()
    )
    cell.metadata["tags"] = ["parameters"]
    notebook = nbformat.v4.new_notebook(cells=[cell, nbformat.v4.new_code_cell(code)])
    notebook.metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3"},
        "language_info": {"name": "python"},
    }
    nbformat.write(notebook, path)
    return path


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    code = "from tempclr.runs import Run\nRun(run_dir, number=number).finish({'number': number})\n"
    code += "print('<script>x</script>')"
    return write(tmp_path / "small.ipynb", code)


# known answers


def test_parameters_are_read_with_type_default_and_comment(notebook: Path):
    found = [(each.name, each.type, each.default, each.help) for each in parameters(notebook)]
    assert found == [("number", "int", 1, "any"), ("share", "float", 0.5, ""), ("run_dir", "str", "", "")]


def test_text_stands_for_what_it_says(notebook: Path):
    assert resolve(notebook, {"number": "7", "share": "2"}) == {"number": 7, "share": 2.0, "run_dir": ""}
    assert resolve(notebook, {"run_dir": "12"})["run_dir"] == "12"


def test_a_preset_stands_beside_its_notebook_or_in_a_file(notebook: Path, tmp_path: Path):
    notebook.with_suffix(".large.json").write_text('{"number": 7}')
    (tmp_path / "mine.json").write_text('{"share": 0.25}')
    assert launch.preset(notebook, "large") == {"number": 7}
    assert launch.preset(notebook, str(tmp_path / "mine.json")) == {"share": 0.25}


# laws


def test_a_run_leaves_one_whole_folder(notebook: Path, tmp_path: Path):
    out = run(notebook, {"number": 3}, tmp_path / "out", progress=False)
    assert sorted(path.name for path in out.iterdir()) == [
        "env.json",
        "metrics.json",
        "notebook.ipynb",
        "params.json",
        "report.html",
    ]
    assert json.loads((out / "metrics.json").read_text()) == {"number": 3}
    env = json.loads((out / "env.json").read_text())
    assert env["parameters"] == {"number": 3, "share": 0.5}
    assert not (tmp_path / "out.partial").exists()


def test_the_page_asks_nothing_of_the_network_and_escapes_output(notebook: Path, tmp_path: Path):
    page = (run(notebook, {}, tmp_path / "out", progress=False) / "report.html").read_text()
    loaded = re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)\s*=\s*[\"']([^\"']+)", page)
    assert [address for address in loaded if not address.startswith("data:")] == []
    assert not re.search(r"url\(\s*[\"']?https?:|@import|import\([\"']https?:", page)
    assert "<script>x</script>" not in page and "&lt;script&gt;x&lt;/script&gt;" in page


def test_a_progress_bar_says_in_the_page_how_it_ended(tmp_path: Path):
    code = "from tqdm.auto import tqdm\nfor _ in tqdm(range(3), desc='<b>steps</b>'):\n    pass"
    page = (run(write(tmp_path / "bar.ipynb", code), {}, tmp_path / "out", progress=False) / "report.html").read_text()
    assert "&lt;b&gt;steps&lt;/b&gt;: 100% 3/3 [" in page and "0/3" not in page


def test_a_failed_run_is_kept_apart_and_continued_when_it_can_go_on(tmp_path: Path):
    flag = tmp_path / "flag"
    code = f"import pathlib\nassert pathlib.Path({str(flag)!r}).exists()\nprint('went on')"
    notebook = write(tmp_path / "fails.ipynb", code)
    with pytest.raises(Exception, match="AssertionError"):
        run(notebook, {}, tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists() and (tmp_path / "out.partial" / "notebook.ipynb").exists()
    with pytest.raises(ValueError, match="interrupted run with other parameters"):
        run(notebook, {"number": 2}, tmp_path / "out", progress=False)
    flag.touch()
    assert run(notebook, {}, tmp_path / "out", progress=False).is_dir()
    assert not (tmp_path / "out.partial").exists()


def test_jobs_that_are_done_are_skipped_and_one_that_fails_stops_no_other(notebook: Path, tmp_path: Path):
    good = Job(str(notebook), {"number": 5}, tmp_path / "good")
    bad = Job(str(write(tmp_path / "bad.ipynb", "1 / 0")), {}, tmp_path / "bad")
    with pytest.raises(ValueError, match=r"(?s)bad\.ipynb.*ZeroDivisionError"):
        run_all([bad, good], processes=1, description="test")
    assert launch.is_done(good) and not launch.is_done(bad)
    before = (good.out / "env.json").stat().st_mtime_ns
    run_all([good], processes=1, description="test")
    assert (good.out / "env.json").stat().st_mtime_ns == before


# refusals


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"nubmer": 1}, "expected parameters among number, share, run_dir, got nubmer"),
        ({"number": "1.5"}, "number to be of type int, got 1.5"),
        ({"number": "x"}, "number to be of type int, got 'x'"),
        ({"number": True}, "number to be of type int, got True"),
        ({"share": "__import__('os')"}, "share to be of type float"),
        ({"run_dir": "elsewhere"}, "no run_dir among the parameters"),
    ],
)
def test_parameters_that_do_not_fit_are_refused_before_anything_starts(
    notebook: Path, given: dict, message: str, tmp_path: Path
):
    with pytest.raises(ValueError, match=re.escape(message)):
        run(notebook, given, tmp_path / "out")
    assert not list(tmp_path.glob("out*"))


def test_presets_that_do_not_fit_are_refused(notebook: Path):
    beside = notebook.with_suffix(".large.json")
    for content, message in (
        ("[1]", "expected a JSON object of parameters in .*, got list"),
        ("{", "expected a JSON object in .*large.json"),
        ('{"nubmer": 1}', "expected parameters among number, share, run_dir, got nubmer"),
        ('{"number": "x"}', "number to be of type int, got 'x'"),
    ):
        beside.write_text(content)
        with pytest.raises(ValueError, match=message):
            launch.preset(notebook, "large")
    with pytest.raises(ValueError, match=r"a preset of small \(large\), got 'larger'"):
        launch.preset(notebook, "larger")


def test_a_folder_that_exists_is_refused_and_untouched(notebook: Path, tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("precious")
    with pytest.raises(ValueError, match="a folder that does not exist"):
        run(notebook, {}, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_a_result_of_something_else_is_not_taken_for_done(notebook: Path, tmp_path: Path):
    run(notebook, {"number": 1}, tmp_path / "out", progress=False)
    with pytest.raises(ValueError, match="other parameters or another version of the code"):
        launch.is_done(Job(str(notebook), {"number": 2}, tmp_path / "out"))


def test_two_processes_do_not_write_one_folder(notebook: Path, tmp_path: Path):
    (tmp_path / "out.partial").mkdir()
    with FileLock(tmp_path / "out.partial" / ".lock"), pytest.raises(ValueError, match="no other process"):
        run(notebook, {}, tmp_path / "out")


def test_a_notebook_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"02_train, 03_retrieval, 04_explore, 05_gallery.*, got '99_nothing'"):
        parameters("99_nothing")


def test_a_parameter_that_is_no_annotated_literal_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="parameter 'free'"):
        parameters(write(tmp_path / "free.ipynb", "", declared="free = 3"))
