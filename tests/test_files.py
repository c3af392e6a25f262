import logging
from pathlib import Path

import numpy as np
import pytest

from tempclr._util.files import atomic_write, cache_folder, cached, digest, read_arrays, write_arrays, write_text
from tempclr._util.optional import import_optional, version


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPCLR_CACHE", str(tmp_path / "cache"))


def compute() -> dict[str, np.ndarray]:
    return {"numbers": np.arange(1000), "names": np.array(["a", "b"])}


def never() -> dict[str, np.ndarray]:
    raise AssertionError("computed although it was in the cache")


# known answers


def test_the_digest_of_plain_content_does_not_depend_on_the_order_of_keys():
    assert digest({"a": 1, "b": [2, "ü"]}) == digest({"b": [2, "ü"], "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})


# laws


def test_a_file_is_written_completely_or_not_at_all(tmp_path: Path):
    path = tmp_path / "file.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), atomic_write(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_arrays_are_computed_once():
    first = cached("test", {"a": 1}, compute)
    second = cached("test", {"a": 1}, never)
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[name], second[name]) for name in first)
    with pytest.raises(AssertionError):
        cached("test", {"a": 2}, never)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "garbage"])
def test_a_damaged_cache_file_is_detected_and_computed_again(damage: str, caplog: pytest.LogCaptureFixture):
    cached("test", {}, compute)
    (path,) = cache_folder().glob("*.npz")
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[len(content) // 2] ^= 255
    shortened = {"truncated": content[: len(content) // 2], "flipped": content, "empty": b"", "garbage": b"x" * 100}
    path.write_bytes(bytes(shortened[damage]))
    with caplog.at_level(logging.WARNING):
        again = cached("test", {}, compute)
    assert "computed again" in caplog.text
    assert np.array_equal(again["numbers"], np.arange(1000))
    cached("test", {}, never)


def test_a_stale_cache_file_is_computed_again():
    cached("test", {"a": 1}, compute)
    (path,) = cache_folder().glob("*.npz")
    path.rename(path.with_name(f"test-{digest({'a': 2})}.npz"))
    assert cached("test", {"a": 2}, lambda: {"numbers": np.zeros(2)})["numbers"].shape == (2,)


def test_arrays_are_read_as_they_were_written(tmp_path: Path):
    write_arrays(tmp_path / "arrays.npz", compute())
    found = read_arrays(tmp_path / "arrays.npz")
    assert found.keys() == compute().keys()
    assert all(np.array_equal(found[name], array) for name, array in compute().items())


# refusals


def test_a_file_of_anything_but_arrays_is_refused(tmp_path: Path):
    np.save(tmp_path / "one.npy", np.zeros(3))
    np.savez(tmp_path / "objects.npz", objects=np.array([{}], dtype=object))
    (tmp_path / "text.npz").write_text("text")
    for path in (*tmp_path.iterdir(), tmp_path / "absent.npz"):
        with pytest.raises(ValueError, match="expected arrays in"):
            read_arrays(path)


def test_a_missing_extra_says_how_to_install_it():
    with pytest.raises(ValueError, match=r"pip install 'tempclr\[demo\]'"):
        import_optional("not_there_at_all", "demo")
    with pytest.raises(ValueError, match=r"pip install 'tempclr\[bench\]'"):
        version("not-there-at-all", "bench")
