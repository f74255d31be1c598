"""Reads and checks what users write: scenarios and the list of trees.

An error names file, line and key, and suggests the nearest right word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import yaml
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from harness import configuration, diskimage
from harness.console import Expectation, expectation_from
from harness.errors import UserError
from harness.model import (
    TINY,
    Fixup,
    Ignored,
    MachineSpec,
    PiDisk,
    Range,
    Repeat,
    Revision,
    Scenario,
    Timeouts,
    Variant,
)
from harness.paths import SCENARIOS, own_scenarios
from harness.roots import RootKind
from harness.yamlfile import Node, nearest, read_yaml

T = TypeVar("T")
PART = 0.8
"""The part of a scenario's time that a reproducer may run for."""


def _machine(node: Node) -> tuple[MachineSpec, str | None, str | None]:
    """The machine; a program to use instead of it; a test machine to use instead of it."""
    got = node.entries(("memory", "cpus", "timeout", "boot_timeout", "silence_timeout", "command", "ssh"))
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
    got = node.entries(("dif", "dix", "size", "guard"))
    return PiDisk(
        dif=int(got["dif"].choice("0", "1", "2", "3")) if "dif" in got else base.dif,
        dix=int(got["dix"].choice("0", "1")) if "dix" in got else base.dix,
        size=got["size"].size() if "size" in got else base.size,
        guard=got["guard"].choice("crc", "ip") if "guard" in got else base.guard,
    )


def _disks(node: Node) -> tuple[PiDisk | None, int | None]:
    """The PI disk, and the size of the image in MiB."""
    got = node.entries(("pi", "image"))
    pi = _pi(got["pi"], PiDisk()) if "pi" in got else None
    return pi, got["image"].entries(("size",))["size"].size() if "image" in got else None


def _append(node: Node) -> tuple[str, ...]:
    for member in node.items():
        if not re.fullmatch(r"[\w.,:;=/@+*%-]+", member.text()):
            raise member.error(f"expected one word of the kernel command line, got {member.text()!r}")
    return node.texts()


def _run(node: Node) -> tuple[str, ...]:
    names = (node.text(),) if isinstance(node.node, yaml.ScalarNode) else node.texts()
    if not names or not all(re.fullmatch(r"[\w][\w.+-]*", name) for name in names):
        raise node.error("expected a file beside scenario.yaml (*.sh, *.c, or a program), or a list of such")
    return names


def _id(node: Node) -> str:
    """A name that is part of the names of folders."""
    if not re.fullmatch(r"[A-Za-z0-9][\w.+@-]*", node.text()):
        raise node.error(f"expected a name of letters, digits and . _ + @ -, got {node.text()!r}")
    return node.text()


def _suites(node: Node) -> tuple[str, ...]:
    if not node.texts() or not all(re.fullmatch(r"[\w.*?+-]+", name) for name in node.texts()):
        raise node.error("expected a list of KUnit suites, such as [list_sort, 'ext4_*']")
    return node.texts()


def _repeat(node: Node, longest: float) -> Repeat:
    """How often, at most for as many seconds as leave the scenario time to end."""
    got = node.entries(("times", "for", "procs"))
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


def _variants(node: Node, base: Variant) -> tuple[Variant, ...]:
    found = []
    for name, value in node.entries().items():
        if not re.fullmatch(r"[\w.+-]+", name):
            raise value.error(f"expected a name of letters, digits and . _ + -, got {name!r}")
        got = value.entries(("pi", "append"))
        found.append(
            Variant(
                name,
                _pi(got["pi"], base.pi_disk or PiDisk()) if "pi" in got else base.pi_disk,
                (*base.append, *(_append(got["append"]) if "append" in got else ())),
            )
        )
    return tuple(found)


def _kernels(node: Node) -> str:
    try:
        return str(SpecifierSet(node.text()))
    except InvalidSpecifier as error:
        raise node.error(
            f"expected a range of versions such as '>=4.12' or '>=4.12,<6.11', got {node.text()!r}"
        ) from error


def _modules(node: Node) -> tuple[str, ...]:
    for member in node.items():
        if not re.fullmatch(r"[\w-]+", member.text()):
            raise member.error(f"expected the name of a module such as dm-crypt, got {member.text()!r}")
    return node.texts()


def _revision(node: Node) -> Revision:
    if isinstance(node.node, yaml.ScalarNode):
        return Revision(node.text())
    got = node.entries(("sha", "subject"))
    if "sha" not in got:
        raise node.error("expected a commit, or {sha: ..., subject: ...}")
    return Revision(got["sha"].text(), got["subject"].text() if "subject" in got else None)


def _range(node: Node) -> Range:
    got = node.entries(("good", "bad", "fixed", "culprit", "fixes"))
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


def _fixup(node: Node, folder: Path) -> Fixup:
    got = node.entries(("since", "until", "patch", "pick", "because"))
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


def _expect(node: Node) -> tuple[Expectation | None, bool, tuple[str, ...]]:
    """The crash that means "bad", whether the script's own `fail` does, and the tests that do if they fail."""
    got = node.entries(("crash", "failure", "tests"))
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


def _ignored(node: Node) -> Ignored:
    got = node.entries(("title", "signature", "because"))
    if "because" not in got:
        raise node.error("'because' is missing: say why this crash does not matter")
    if ("title" in got) == ("signature" in got):
        raise node.error("expected either `title: GLOB` or `signature: GLOB`")
    title, signature = (got[name].text() if name in got else None for name in ("title", "signature"))
    return Ignored(Expectation(title=title, signature=signature), got["because"].text())


def _replay(node: Node) -> Path:
    """The folder of a replay: a path, or the folder name of a scenario that comes with the program."""
    path = node.path.parent / node.text()
    for folder in (path, SCENARIOS / node.text() / "replay"):
        if (folder / "series.yaml").is_file():
            return folder
    raise node.error(f"{path / 'series.yaml'}: no such file")


def load(folder: Path) -> Scenario:
    """The scenario in a folder.

    Args:
        folder: holds `scenario.yaml`, the script, and optionally a `replay/`.

    Raises:
        UserError: it is wrong; the message names file, line and key.
    """
    document = read_yaml(folder / "scenario.yaml")
    got = document.entries(
        (
            *("id", "aliases", "tags", "title", "claim", "links", "kconfig", "kernels", "machine", "disks", "append"),
            *(
                "variants",
                "rootfs",
                "packages",
                "needs",
                "modules",
                "run",
                "kunit",
                "repeat",
                "expect",
                "ignore",
                "commits",
                "fixups",
                "mend",
            ),
            *("replay", "build"),
        )
    )
    for key in ("id", "title"):
        if key not in got:
            raise document.error(f"{key!r} is missing")
    if "mend" in got:  # the older spelling
        if "fixups" in got:
            raise got["mend"].error("this is the older spelling of `fixups`, which is given too; keep one")
        got["fixups"] = got.pop("mend")

    def value(key: str, read: Callable[[Node], T], default: T) -> T:
        return read(got[key]) if key in got else default

    nothing: tuple[str, ...] = ()
    plain: tuple[MachineSpec, str | None, str | None] = (MachineSpec(), None, None)
    machine, machine_command, machine_ssh = value("machine", _machine, plain)
    modules = value("modules", _modules, nothing)
    fragments, base = value("kconfig", lambda n: configuration.of(n, folder), (nothing, TINY))
    no_disks: tuple[PiDisk | None, int | None] = (None, None)
    pi_disk, image = value("disks", _disks, no_disks)
    if image is not None and machine_ssh is not None:
        raise got["disks"].error("a disk image is QEMU's: a test machine (machine.ssh) has none")
    rootfs = diskimage.wanted(got, folder)
    if rootfs.kind is not RootKind.INITRAMFS and (machine_command or machine_ssh):
        raise got["rootfs"].error("this is for QEMU: a command or a test machine (machine.command, .ssh) has its own")
    append = value("append", _append, nothing)
    quiet: tuple[Expectation | None, bool, tuple[str, ...]] = (None, True, ())
    expect, failure, tests = value("expect", _expect, quiet)
    kunit = value("kunit", _suites, nothing)
    usual: tuple[str, ...] = () if kunit else ("run.sh",)
    scripts = value("run", _run, usual)
    for name in scripts if machine_command is None else ():
        if not (folder / name).is_file():
            raise got.get("run", document).error(f"{folder / name}: no such file")
    programs = any(not name.endswith(".sh") for name in scripts)
    longest = machine.timeouts.scenario * PART
    once = Repeat(times=1, seconds=longest) if programs else None
    return Scenario(
        id=_id(got["id"]),
        title=got["title"].text(),
        folder=folder,
        aliases=value("aliases", Node.texts, nothing),
        tags=value("tags", Node.texts, nothing),
        claim=value("claim", Node.text, None),
        links=value("links", Node.texts, nothing),
        kconfig=fragments if not kunit or "kunit" in fragments else (*fragments, "kunit"),
        base=base,
        kernels=value("kernels", _kernels, ""),
        machine=machine,
        pi_disk=pi_disk,
        append=append,
        variants=value("variants", lambda n: _variants(n, Variant("", pi_disk, append)), ()),
        image=image,
        rootfs=rootfs,
        needs=value("needs", Node.texts, nothing),
        modules=modules,
        run=scripts,
        repeat=value("repeat", lambda n: _repeat(n, longest), once),
        expect=expect,
        failure=failure,
        tests=tests,
        kunit=kunit,
        ignore=value("ignore", lambda n: tuple(_ignored(one) for one in n.items()), ()),
        commits=value("commits", lambda n: {k: _range(v) for k, v in n.entries().items()}, {}),
        fixups=value("fixups", lambda n: tuple(_fixup(one, folder) for one in n.items()), ()),
        replay=value("replay", _replay, folder / "replay"),
        build_command=value("build", lambda n: n.entries(("command",))["command"].text(), None),
        machine_command=machine_command,
        machine_ssh=machine_ssh,
    )


def scenarios(extra: Iterable[Path] = ()) -> list[Scenario]:
    """All scenarios: from the folders given, then the user's own, then those that come with the program.

    Args:
        extra: folders that hold scenario folders.

    Raises:
        UserError: a folder is missing, a scenario is wrong, or two share a name.
    """
    found: dict[str, Scenario] = {}
    tops = [*extra, *([own_scenarios()] if own_scenarios().is_dir() else []), SCENARIOS]
    for top in {path.resolve(): path for path in tops}.values():
        if not top.is_dir():
            raise UserError(f"{top}: no such folder of scenarios")
        for path in sorted(top.glob("*/scenario.yaml")):
            scenario = load(path.parent)
            for name in (scenario.id, *scenario.aliases):
                if name in found:
                    raise UserError(f"{path}: the id {name!r} is taken by {found[name].folder}")
            found |= dict.fromkeys((scenario.id, *scenario.aliases), scenario)
    return list({s.id: s for s in found.values()}.values())


def find(name: str, extra: Iterable[Path] = ()) -> Scenario:
    """The scenario with this id, alias or folder; after a `:`, only that variant of it.

    Raises:
        UserError: there is none; the message suggests the nearest names.
    """
    name, _, variant = name.partition(":")
    if (Path(name) / "scenario.yaml").is_file():
        found = load(Path(name))
    else:
        known = {n: s for s in scenarios(extra) for n in (s.id, *s.aliases, s.folder.name)}
        if name not in known:
            raise UserError(f"unknown scenario {name!r}{nearest(name, known)}")
        found = known[name]
    if not variant:
        return found
    ways = {way.name: way for way in found.variants}
    if variant not in ways:
        hint = nearest(variant, ways) if ways else "; it has none"
        raise UserError(f"{found.id} has no variant {variant!r}{hint}")
    return replace(found, variants=(ways[variant],))


def tree_urls(config: Path) -> tuple[dict[str, str], str | None]:
    """The named kernel trees: those that come with the program, overlaid by the user's own.

    Args:
        config: the user's `trees.yaml`; it need not exist.

    Returns:
        URL or path by name, and the name of the user's default, if any.

    Raises:
        UserError: a file is wrong.
    """
    urls: dict[str, str] = {}
    default = None
    for path in (Path(__file__).with_name("trees.yaml"), config):
        if path == config and not path.exists():
            continue
        got = read_yaml(path).entries(("trees", "default"))
        urls |= {name: node.text() for name, node in got["trees"].entries().items()} if "trees" in got else {}
        if "default" in got:
            default = got["default"].text()
            if default not in urls:
                raise got["default"].error(f"unknown tree {default!r}{nearest(default, urls)}")
    return urls, default
