"""The values of `scenario.yaml`, each read and checked; `harness.catalog` puts them together.

All raise UserError with file, line and key.
"""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from harness import schema
from harness.console import Expectation, expectation_from
from harness.model import Fixup, Ignored, MachineSpec, PiDisk, Range, Repeat, Revision, Timeouts, Variant
from harness.paths import SCENARIOS
from harness.yamlfile import Node


def machine(node: Node) -> tuple[MachineSpec, str | None, str | None]:
    """The machine; a program to use instead of it; a test machine to use instead of it."""
    got = node.entries(schema.MACHINE)
    if "command" in got and "ssh" in got:
        raise got["ssh"].error("expected either `command: PROGRAM` or `ssh: HOST`")
    default = Timeouts()
    timeouts = Timeouts(
        boot=got["boot_timeout"].duration() if "boot_timeout" in got else default.boot,
        scenario=got["timeout"].duration() if "timeout" in got else default.scenario,
        silence=got["silence_timeout"].duration() if "silence_timeout" in got else default.silence,
    )
    spec = MachineSpec(
        memory=got["memory"].size() if "memory" in got else MachineSpec.memory,
        cpus=got["cpus"].number(1) if "cpus" in got else MachineSpec.cpus,
        timeouts=timeouts,
    )
    command, ssh = (got[key].text() if key in got else None for key in ("command", "ssh"))
    return spec, command, ssh


def _pi(node: Node, base: PiDisk) -> PiDisk:
    got = node.entries(schema.PI)
    return PiDisk(
        dif=int(got["dif"].choice("0", "1", "2", "3")) if "dif" in got else base.dif,
        dix=int(got["dix"].choice("0", "1")) if "dix" in got else base.dix,
        size=got["size"].size() if "size" in got else base.size,
        guard=got["guard"].choice("crc", "ip") if "guard" in got else base.guard,
    )


def disks(node: Node) -> tuple[PiDisk | None, int | None]:
    """The PI disk, and the size of the image in MiB."""
    got = node.entries(schema.DISKS)
    pi = _pi(got["pi"], PiDisk()) if "pi" in got else None
    return pi, got["image"].entries(schema.IMAGE)["size"].size() if "image" in got else None


def append(node: Node) -> tuple[str, ...]:
    """Words for the kernel command line."""
    return node.words(schema.APPEND, "one word of the kernel command line")


def run(node: Node) -> tuple[str, ...]:
    """The files to run, in order: one, or a list."""
    names = (node.text(),) if isinstance(node.node, yaml.ScalarNode) else node.texts()
    if not names or not all(re.fullmatch(schema.FILE, name) for name in names):
        raise node.error("expected a file beside scenario.yaml (*.sh, *.c, or a program), or a list of such")
    return names


def identifier(node: Node) -> str:
    """A name that is part of the names of folders."""
    if not re.fullmatch(schema.IDENTIFIER, node.text()):
        raise node.error(f"expected a name of letters, digits and . _ + @ -, got {node.text()!r}")
    return node.text()


def suites(node: Node) -> tuple[str, ...]:
    """Globs of KUnit suites."""
    return _some(node, schema.SUITE, "a list of KUnit suites, such as [list_sort, 'ext4_*']")


def selftests(node: Node) -> tuple[str, ...]:
    """Tests of the kernel's tree, as `run_kselftest.sh -c` and `-t` name them."""
    what = "a list of selftests, a collection or COLLECTION:TEST each, such as [timers, size:get_size]"
    return _some(node, schema.SELFTEST, what)


def _some(node: Node, pattern: str, what: str) -> tuple[str, ...]:
    """A list that is not empty, of names of a form."""
    if not node.texts() or not all(re.fullmatch(pattern, name) for name in node.texts()):
        raise node.error(f"expected {what}")
    return node.texts()


def repeat(node: Node, longest: float) -> Repeat:
    """How often, at most for as many seconds as leave the scenario time to end."""
    got = node.entries(schema.REPEAT)
    if "times" not in got and "for" not in got:
        raise node.error("expected `times: N`, `for: 60s`, or both")
    seconds = got["for"].duration() if "for" in got else longest
    if seconds > longest:
        raise got["for"].error(
            f"expected at most {longest:g}s, so that there is time to end within machine.timeout; got {seconds:g}s"
        )
    return Repeat(
        times=got["times"].number(1) if "times" in got else None,
        seconds=seconds,
        procs=got["procs"].number(1) if "procs" in got else 1,
    )


def variants(node: Node, base: Variant) -> tuple[Variant, ...]:
    """The ways to boot it, each as the base says where it says nothing else."""
    found = []
    for name, value in node.entries().items():
        if not re.fullmatch(schema.VARIANT, name):
            raise value.error(f"expected a name of letters, digits and . _ + -, got {name!r}")
        got = value.entries(schema.VARIANTS)
        found.append(
            Variant(
                name,
                _pi(got["pi"], base.pi_disk or PiDisk()) if "pi" in got else base.pi_disk,
                (*base.append, *(append(got["append"]) if "append" in got else ())),
            )
        )
    return tuple(found)


def kernels(node: Node) -> str:
    """The versions that it can run on."""
    try:
        return str(SpecifierSet(node.text()))
    except InvalidSpecifier as error:
        raise node.error(
            f"expected a range of versions such as '>=4.12' or '>=4.12,<6.11', got {node.text()!r}"
        ) from error


def modules(node: Node) -> tuple[str, ...]:
    """The modules that it loads."""
    return node.words(schema.MODULE, "the name of a module such as dm-crypt")


def _revision(node: Node) -> Revision:
    if isinstance(node.node, yaml.ScalarNode):
        return Revision(node.text())
    got = node.entries(schema.REVISION)
    if "sha" not in got:
        raise node.error("expected a commit, or {sha: ..., subject: ...}")
    return Revision(got["sha"].text(), got["subject"].text() if "subject" in got else None)


def known_range(node: Node) -> Range:
    """The commits that are known in a tree."""
    got = node.entries(schema.RANGE)
    if "good" not in got:
        raise node.error("the good end is missing")
    several = isinstance(got["good"].node, yaml.SequenceNode)
    good = [_revision(one) for one in (got["good"].items() if several else [got["good"]])]
    fixes = got["fixes"].items() if "fixes" in got else []
    if not good:
        raise got["good"].error("expected at least one good commit")
    return Range(
        good=good[0],
        bad=_revision(got["bad"]) if "bad" in got else None,
        fixed=_revision(got["fixed"]) if "fixed" in got else None,
        also_good=tuple(good[1:]),
        culprit=_revision(got["culprit"]) if "culprit" in got else None,
        fixes=tuple(map(_revision, fixes)),
    )


def fixup(node: Node, folder: Path) -> Fixup:
    """A change that a broken stretch of history needs, with its file, if any, in a folder."""
    got = node.entries(schema.FIXUP)
    for key in ("since", "because"):
        if key not in got:
            raise node.error(f"{key!r} is missing")
    if ("patch" in got) == ("pick" in got):
        raise node.error("expected either `patch: FILE` or `pick: COMMIT`")
    if "patch" in got and not (folder / got["patch"].text()).is_file():
        raise got["patch"].error(f"{folder / got['patch'].text()}: no such file")
    return Fixup(
        since=_revision(got["since"]),
        until=_revision(got["until"]) if "until" in got else None,
        because=got["because"].text(),
        patch=got["patch"].text() if "patch" in got else None,
        pick=_revision(got["pick"]) if "pick" in got else None,
    )


def expect(node: Node) -> tuple[Expectation | None, bool, tuple[str, ...]]:
    """The crash that means "bad", whether the script's own `fail` does, and the tests that do if they fail."""
    got = node.entries(schema.EXPECT)
    if not got:
        raise node.error("expected `crash: {title: ...}`, `crash: {any: true}`, `tests: [NAME]` or `failure: true`")
    tests = got["tests"].texts() if "tests" in got else ()
    failure = bool(tests) or "crash" not in got
    if "failure" in got:
        failure = got["failure"].choice("true", "false") == "true"
        if tests and not failure:
            raise got["failure"].error("expected true, since `tests` are given: one that fails is a failure")
    if "crash" not in got:
        return None, failure, tests
    try:
        return expectation_from(got["crash"].plain()), failure, tests
    except ValueError as error:
        raise got["crash"].error(str(error)) from error


def ignored(node: Node) -> Ignored:
    """A crash to ignore, and why."""
    got = node.entries(schema.IGNORED)
    if "because" not in got:
        raise node.error("'because' is missing: say why this crash does not matter")
    if ("title" in got) == ("signature" in got):
        raise node.error("expected either `title: GLOB` or `signature: GLOB`")
    title, signature = (got[name].text() if name in got else None for name in ("title", "signature"))
    return Ignored(Expectation(title=title, signature=signature), got["because"].text())


def replay(node: Node) -> Path:
    """The folder of a replay: a path, or the folder name of a scenario that comes with the program."""
    path = node.path.parent / node.text()
    for folder in (path, SCENARIOS / node.text() / "replay"):
        if (folder / "series.yaml").is_file():
            return folder
    raise node.error(f"{path / 'series.yaml'}: no such file")
