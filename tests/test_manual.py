"""What is generated of the documentation: it is up to date, and its readers take it."""

from __future__ import annotations

import json
import os
import pty
import select
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from harness import catalog, cli, schema
from harness.cli.examples import EXAMPLES
from harness.console import Expectation
from harness.errors import UserError
from manual import FILES
from tests.support import ROOT

EDITOR = jsonschema.Draft7Validator(schema.document())


@pytest.mark.parametrize("name", FILES)
def test_it_is_up_to_date(name: str) -> None:
    assert (ROOT / name).read_text() == FILES[name](), "make manual writes it anew"


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_each_example_can_be_typed(command: str) -> None:
    parser, _ = cli.parser([command])
    for line, purpose in EXAMPLES[command]:
        words = shlex.split(line.rpartition("|")[2], comments=False)
        parser.parse_args(words[words.index("regress") + 1 :])
        assert purpose


def test_the_schema_is_one() -> None:
    jsonschema.Draft7Validator.check_schema(schema.document())


@pytest.mark.parametrize("path", sorted(ROOT.glob("**/scenarios/*/scenario.yaml")), ids=lambda path: path.parent.name)
def test_each_scenario_of_the_program_is_valid(path: Path) -> None:
    assert not list(EDITOR.iter_errors(yaml.safe_load(path.read_text())))


REVISION = {"sha": "abc", "subject": "x"}
WHOLE: dict[str, Any] = {
    "id": "toy",
    "aliases": ["toy#1"],
    "title": "a toy",
    "tags": ["demo"],
    "claim": "it works",
    "links": ["https://example.org"],
    "kconfig": {"file": "defconfig", "lsmod": "modules", "fragments": ["base"]},
    "kernels": ">=4.12",
    "machine": {
        "memory": "1G",
        "cpus": 2,
        "timeout": "2min",
        "boot_timeout": "60s",
        "silence_timeout": "90s",
        "command": "./boot.sh",
    },
    "disks": {"pi": {"dif": 1, "dix": 1, "size": "64M", "guard": "ip"}, "image": {"size": "64M"}},
    "append": ["quiet"],
    "variants": {"one": {"pi": {"dif": 3}, "append": ["x=1"]}},
    "rootfs": "initramfs",
    "needs": ["dd"],
    "modules": ["dm-crypt"],
    "run": ["run.sh", "repro.c"],
    "kunit": ["list_sort"],
    "repeat": {"times": 2, "for": "60s", "procs": 1},
    "expect": {
        "crash": {"title": "x*", "kind": "hang", "workqueue": "w", "frames": "f", "signature": "s", "any": True},
        "failure": True,
        "tests": ["list_sort.*"],
    },
    "ignore": [{"title": "x", "because": "y"}, {"signature": "x", "because": "y"}],
    "commits": {
        "mainline": {
            "good": [REVISION, "v6.1"],
            "bad": REVISION,
            "fixed": "v6.2",
            "culprit": "abc",
            "fixes": [REVISION],
        }
    },
    "fixups": [
        {"since": REVISION, "until": "v6.2", "pick": "abc", "because": "x"},
        {"since": "v6.1", "patch": "fix.patch", "because": "x"},
    ],
    "replay": "lr-35498d",
    "build": {"command": "./build.sh"},
}
"""A scenario with every key but those of which there may be only one."""
BESIDES = {"machine.ssh": "board", "packages": ["dash"], "mend": WHOLE["fixups"], "kselftest": ["timers"]}
HEAD = {"id": "toy", "title": "a toy"}


def places(value: Any, *path: str | int) -> Iterator[tuple[str | int, ...]]:
    """The path of every value in a document."""
    if path:
        yield path
    entries: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in entries:
        yield from places(member, *path, key)


def changed(path: tuple[str | int, ...], change: Callable[[Any], Any]) -> dict[str, Any]:
    """The whole scenario with another value at a path."""
    document: dict[str, Any] = json.loads(json.dumps(WHOLE))
    at: Any = document
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = change(at[path[-1]])
    return document


@pytest.fixture
def loads(tmp_path: Path) -> Callable[[dict[str, Any]], bool]:
    """Whether the loader takes a document."""
    for name in ("run.sh", "repro.c", "fix.patch"):
        (tmp_path / name).touch()
    (tmp_path / "modules").write_text("loop 1 0\n")

    def load(document: dict[str, Any]) -> bool:
        (tmp_path / "scenario.yaml").write_text(json.dumps(document))
        try:
            catalog.load(tmp_path)
        except UserError:
            return False
        return True

    return load


def test_the_whole_scenario_has_every_key_and_is_taken_by_both(loads: Callable[[dict[str, Any]], bool]) -> None:
    assert loads(WHOLE)
    assert not list(EDITOR.iter_errors(WHOLE))
    named = {".".join(word for word in path if isinstance(word, str)) for path in places(WHOLE)}
    named = {name.replace("mainline", "TREE").replace("variants.one", "variants.NAME") for name in named}
    assert {name for name, _, _ in schema.rows()} - named <= {
        *BESIDES,
        *(f"variants.NAME.pi.{key}" for key in schema.PI),
    }
    assert set(schema.CRASH) == {field.name for field in fields(Expectation)}


def test_what_there_may_be_one_of(loads: Callable[[dict[str, Any]], bool]) -> None:
    for extra in (
        {"machine": {"ssh": "board"}},
        {"rootfs": "debian", "packages": ["dash"]},
        {"rootfs": "./disk.img"},
        {"mend": WHOLE["fixups"]},
        {"kselftest": ["net/forwarding", "size:get_size"]},
        {"kconfig": ["base"], "run": "run.sh", "commits": {"a": {"good": "x"}, "b": {"good": REVISION}}},
    ):
        assert (loads({**HEAD, **extra}), list(EDITOR.iter_errors({**HEAD, **extra}))) == (True, []), extra
    for extra in (
        {"machine": {"ssh": "board", "command": "x"}},
        {"expect": {}},
        {"expect": {"crash": {}}},
        {"repeat": {"procs": 2}},
        {"ignore": [{"title": "x", "signature": "y", "because": "z"}]},
        {"fixups": [{"since": "x", "because": "y"}]},
        {"commits": {"a": {"good": []}}},
        {"variants": {"a/b": {}}},
        {"run": []},
        {"kselftest": []},
        {"kselftest": ["a b"]},
        {"rootfs": "debain"},
    ):
        assert not loads({**HEAD, **extra}), extra
        assert not EDITOR.is_valid({**HEAD, **extra}), extra


@pytest.mark.parametrize("path", list(places(WHOLE)), ids=lambda path: ".".join(map(str, path)))
def test_what_one_refuses_the_other_refuses(
    loads: Callable[[dict[str, Any]], bool], path: tuple[str | int, ...]
) -> None:
    """Another kind of value at each place, and an unknown key in each mapping."""

    def wrong(value: Any) -> Any:
        own = path in (("variants",), ("commits",))  # whose keys are the user's
        return {**value, "unknown": 1} if isinstance(value, dict) and not own else {"unknown": {"unknown": 1}}

    document = changed(path, wrong)
    assert not loads(document), document
    assert not EDITOR.is_valid(document), document


@pytest.mark.parametrize("key", schema.REQUIRED)
def test_what_is_required(loads: Callable[[dict[str, Any]], bool], key: str) -> None:
    document = {name: value for name, value in HEAD.items() if name != key}
    assert (loads(document), EDITOR.is_valid(document)) == (False, False)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("id",), "../x"),
        (("machine", "memory"), "64"),
        (("machine", "timeout"), "soon"),
        (("machine", "cpus"), 0),
        (("disks", "pi", "dif"), 4),
        (("disks", "pi", "guard"), "crd"),
        (("append", 0), "a b"),
        (("modules", 0), "a.ko b"),
        (("run", 0), "../run.sh"),
        (("kunit", 0), "a b"),
        (("expect", "failure"), "perhaps"),
    ],
)
def test_values_that_neither_takes(
    loads: Callable[[dict[str, Any]], bool], path: tuple[str | int, ...], value: Any
) -> None:
    document = changed(path, lambda _: value)
    assert (loads(document), EDITOR.is_valid(document)) == (False, False)


def test_the_man_page_has_no_mistakes() -> None:
    if shutil.which("groff") is None:
        pytest.skip("no groff here")
    argv = ["groff", "-man", "-Tutf8", "-ww", "-rLL=100n", str(ROOT / "contrib" / "man" / "regress.1")]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, env={**os.environ, "GROFF_NO_SGR": "1"})
    assert done.stderr == ""
    for command in cli.COMMANDS:
        assert f"regress {command}" in done.stdout
    assert "--runs" in done.stdout


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with a `regress` that lists two scenarios, a result and a tree with a tag."""
    program = tmp_path / "bin" / "regress"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nprintf '%s\\n' 'first-one  a title' 'second-one  another'\n")
    program.chmod(0o755)
    (tmp_path / "results" / "2026-01-01-first").mkdir(parents=True)
    tree = tmp_path / "tree"
    for words in (("init", "--quiet", str(tree)), ("-C", str(tree), "commit", "--quiet", "--allow-empty", "-m", "x")):
        subprocess.run(["git", *words], check=True)
    for tag in ("v6.1", "v$(touch${IFS}pwned)"):
        subprocess.run(["git", "-C", str(tree), "tag", tag], check=True)
    return tmp_path


CASES = [
    ("regress bis", "regress bisect"),
    ("regress bisect --first-", "regress bisect --first-parent"),
    ("regress run --arch s39", "s390x"),
    ("regress run fir", "first-one"),
    ("regress report results/2026", "results/2026-01-01-first"),
    ("regress run --tree ./tree --commit v6", "v6.1"),
    ("regress run --tree rep", "replay"),
    ("regress hosts set", "setup"),
]


def typed(argv: list[str], desk: Path, setup: str, line: str, wanted: str) -> str:
    """What a shell on a terminal shows after a line and Tab, as soon as it is what is wanted."""
    env = {"PATH": f"{desk / 'bin'}:{os.environ['PATH']}", "HOME": str(desk), "TERM": "dumb", "PS1": "$ "}
    terminal, theirs = pty.openpty()
    # A shell wants a terminal that controls it.
    process = subprocess.Popen(
        ["setsid", "--ctty", *argv], cwd=desk, env=env, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown, sent, end = "", 0, time.monotonic() + 60

    def after() -> str:
        return shown.partition("ready\r\n")[2].replace("\a", "")

    steps = [f"{setup}; echo rea''dy\n", f"{line}\t"]
    os.write(terminal, steps[0].encode())
    try:
        while wanted not in after() and time.monotonic() < end:
            if select.select([terminal], [], [], 0.2)[0]:
                shown += os.read(terminal, 4096).decode(errors="replace")
            if not sent and "ready\r\n" in shown:
                sent = os.write(terminal, steps[1].encode())
    finally:
        os.close(terminal)  # a hangup ends the shell
        process.wait()
    return after()


@pytest.mark.parametrize(("line", "wanted"), CASES)
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_shell_completes(desk: Path, shell: str, line: str, wanted: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    folder = ROOT / "contrib" / "completion"
    argv, setup = {
        "bash": (["bash", "--norc", "--noprofile"], f"source {folder}/regress"),
        "zsh": (
            ["zsh", "-f"],
            f"unsetopt zle_bracketed_paste; fpath=({folder} $fpath); autoload -U compinit; compinit -D -u",
        ),
    }[shell]
    assert wanted in typed(argv, desk, setup, line, wanted)


@pytest.mark.parametrize(("line", "wanted"), CASES)
def test_fish_completes(desk: Path, line: str, wanted: str) -> None:
    if shutil.which("fish") is None:
        pytest.skip("no fish here")
    code = f"source {ROOT}/contrib/completion/regress.fish; complete -C {shlex.quote(line)}"
    env = {**os.environ, "PATH": f"{desk / 'bin'}:{os.environ['PATH']}", "HOME": str(desk)}
    done = subprocess.run(
        ["fish", "--no-config", "-c", code], cwd=desk, env=env, capture_output=True, text=True, check=True
    )
    assert wanted.split()[-1] in done.stdout


def test_the_name_of_a_tag_is_no_command(desk: Path) -> None:
    words = "regress run --tree tree --commit v"
    code = f"source {ROOT}/contrib/completion/regress; COMP_WORDS=({words}) COMP_CWORD=5; _regress"
    env = {**os.environ, "PATH": f"{desk / 'bin'}:{os.environ['PATH']}"}
    told = subprocess.run(
        ["bash", "-c", code + "; printf '%s\\n' \"${COMPREPLY[@]}\""],
        cwd=desk,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.split() == ["v\\$\\(touch\\$\\{IFS\\}pwned\\)", "v6.1"]
    assert not list(desk.rglob("pwned"))
