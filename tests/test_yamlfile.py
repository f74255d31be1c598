"""What a YAML file may not do: blow up, run, forge the terminal, or leave its folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import catalog
from harness.errors import UserError

HEAD = "id: toy\ntitle: toy\nmachine: {command: sh boot.sh}\n"
BOMB = "".join(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]\n" for n in range(1, 10))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id: " + "[" * 20000, "nested too deeply"),
        (HEAD + "expect: {crash: " + "{a: " * 3000 + "1" + "}" * 3000 + "}", "nested too deeply"),
        (f"x0: &x0 [y]\n{BOMB}{HEAD}", "unknown key 'x0'"),
        (HEAD.replace("toy", "!!python/object/apply:os.system [touch pwned]", 1), "id: expected a word or a number"),
        (HEAD + "needs: &a [*a]\n", "needs: expected a word or a number"),
        (HEAD + "expect: {crash: &a {title: *a}}\n", "expect.crash: title:"),
        (HEAD + "expect: {crash: {title: !!python/name:os.system x}}\n", "expect.crash: not a plain value"),
        ("id: toy\ntitle: toy\nmachine: {cpus: 1" + "0" * 6000 + "}\n", "machine.cpus: expected a whole number"),
        ("id: toy\ntitle: toy\nmachine: {memory: " + "9" * 40 + "G}\n", "machine.memory: expected a size"),
        ("id: toy\ntitle: toy\nmachine: {timeout: " + "9" * 400 + "s}\n", "machine.timeout: expected a time"),
        (HEAD.replace("title: toy", 'title: "\\e]0;x\\a"'), "title: expected printable text, got the character U+001B"),
        (HEAD.replace("title: toy", 'title: "safe\\u202Egnp"'), "got the character U+202E"),
        *((HEAD.replace("toy", f'"{name}"', 1), "id: expected a name") for name in ("../x", "/x", "-x", "a/b", ".x")),
        ("#" + "x" * (5 << 20), "more than 4 MiB"),
    ],
)  # fmt: skip
def test_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scenario.yaml").write_text(text)
    with pytest.raises(UserError, match=r"scenario\.yaml") as raised:
        catalog.load(tmp_path)
    assert said in str(raised.value)
    assert not (tmp_path / "pwned").exists()


SIGNS = st.sampled_from(
    [*"{}[]:,-&*!|>#%@`\"'\n \t\\?~=", "id", "title", "toy", "<<", "expect", "crash", "1", "é", "\x00"]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(SIGNS, max_size=40).map("".join))
def test_anything_is_a_scenario_or_an_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.getbasetemp() / "anything"
    folder.mkdir(exist_ok=True)
    (folder / "scenario.yaml").write_bytes(f"{HEAD}{text}".encode())
    try:
        found = catalog.load(folder)
    except UserError as error:
        if "scenario.yaml" not in str(error):
            raise
    else:
        assert found.id == "toy"
