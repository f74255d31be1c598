import multiprocessing
from pathlib import Path

import pytest

from harness.files import copy, locked, whole_folder, write_atomically
from harness.progress import Silent
from tests.support import Noting


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.json"
    write_atomically(path, "one")
    write_atomically(path, "two")
    assert path.read_text() == "two"
    assert [p.name for p in path.parent.iterdir()] == ["a.json"]


def test_a_folder_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    def fails() -> None:
        with whole_folder(tmp_path / "a") as new:
            (new / "part").write_text("x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert list(tmp_path.iterdir()) == []
    with whole_folder(tmp_path / "a") as new:
        (new / "part").write_text("x")
        assert not (tmp_path / "a").exists()
    assert (tmp_path / "a" / "part").read_text() == "x"


def test_the_first_whole_folder_stays(tmp_path: Path) -> None:
    for word in ("first", "second"):
        with whole_folder(tmp_path / "a") as new:
            (new / "part").write_text(word)
    assert (tmp_path / "a" / "part").read_text() == "first"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def _hold(path: Path, held: "multiprocessing.synchronize.Event", leave: "multiprocessing.synchronize.Event") -> None:
    with locked(path, Silent()):
        held.set()
        leave.wait(20)


def test_whoever_waits_for_a_lock_says_for_whom(tmp_path: Path) -> None:
    held, leave = multiprocessing.Event(), multiprocessing.Event()
    other = multiprocessing.Process(target=_hold, args=(tmp_path / "x.lock", held, leave))
    other.start()
    assert held.wait(20)

    class Leaves(Noting):
        def note(self, text: str) -> None:
            super().note(text)
            leave.set()

    heard = Leaves()
    with locked(tmp_path / "x.lock", heard):
        assert heard.notes == [f"waiting for process {other.pid}, which uses {tmp_path / 'x'}"]
    other.join()


def test_an_edit_of_a_copy_changes_the_copy_alone(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    copy(tmp_path / "a", tmp_path / "b")
    (tmp_path / "b").write_text("y")
    assert (tmp_path / "a").read_text() == "x"
