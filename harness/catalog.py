"""Reads and checks what users write: scenarios and the list of trees.

An error names file, line and key, and suggests the nearest right word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from harness import configuration, diskimage, keys, schema
from harness.console import Expectation
from harness.errors import UserError
from harness.model import TINY, MachineSpec, PiDisk, Repeat, Scenario, Variant
from harness.paths import SCENARIOS, own_scenarios
from harness.roots import RootKind
from harness.yamlfile import Node, nearest, read_yaml

T = TypeVar("T")

PART = 0.8
"""The part of a scenario's time that a reproducer may run for."""


def load(folder: Path) -> Scenario:
    """The scenario in a folder.

    Args:
        folder: holds `scenario.yaml`, the script, and optionally a `replay/`.

    Raises:
        UserError: it is wrong; the message names file, line and key.
    """
    document = read_yaml(folder / "scenario.yaml")
    got = document.entries(schema.SCENARIO)
    for key in schema.REQUIRED:
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
    machine, machine_command, machine_ssh = value("machine", keys.machine, plain)
    modules = value("modules", keys.modules, nothing)
    fragments, base = value("kconfig", lambda n: configuration.of(n, folder), (nothing, TINY))
    no_disks: tuple[PiDisk | None, int | None] = (None, None)
    pi_disk, image = value("disks", keys.disks, no_disks)
    if image is not None and machine_ssh is not None:
        raise got["disks"].error("a disk image is QEMU's: a test machine (machine.ssh) has none")
    rootfs = diskimage.wanted(got, folder)
    if rootfs.kind is not RootKind.INITRAMFS and (machine_command or machine_ssh):
        raise got["rootfs"].error("this is for QEMU: a command or a test machine (machine.command, .ssh) has its own")
    append = value("append", keys.append, nothing)
    quiet: tuple[Expectation | None, bool, tuple[str, ...]] = (None, True, ())
    expect, failure, tests = value("expect", keys.expect, quiet)
    kunit = value("kunit", keys.suites, nothing)
    kselftest = value("kselftest", keys.selftests, nothing)
    if kselftest and (machine_command is not None or "build" in got):
        raise got["kselftest"].error("this needs the kernel's own make and the program's guest, not a command's")
    usual: tuple[str, ...] = () if kunit or kselftest else ("run.sh",)
    scripts = value("run", keys.run, usual)
    for name in scripts if machine_command is None else ():
        if not (folder / name).is_file():
            raise got.get("run", document).error(f"{folder / name}: no such file")
    programs = any(not name.endswith(".sh") for name in scripts)
    longest = machine.timeouts.scenario * PART
    once = Repeat(times=1, seconds=longest) if programs else None
    return Scenario(
        id=keys.identifier(got["id"]),
        title=got["title"].text(),
        folder=folder,
        aliases=value("aliases", Node.texts, nothing),
        tags=value("tags", Node.texts, nothing),
        claim=value("claim", Node.text, None),
        links=value("links", Node.texts, nothing),
        kconfig=fragments if not kunit or "kunit" in fragments else (*fragments, "kunit"),
        base=base,
        kernels=value("kernels", keys.kernels, ""),
        machine=machine,
        pi_disk=pi_disk,
        append=append,
        variants=value("variants", lambda n: keys.variants(n, Variant("", pi_disk, append)), ()),
        image=image,
        rootfs=rootfs,
        needs=value("needs", Node.texts, nothing),
        modules=modules,
        run=scripts,
        repeat=value("repeat", lambda n: keys.repeat(n, longest), once),
        expect=expect,
        failure=failure,
        tests=tests,
        kunit=kunit,
        kselftest=kselftest,
        ignore=value("ignore", lambda n: tuple(keys.ignored(one) for one in n.items()), ()),
        commits=value("commits", lambda n: {k: keys.known_range(v) for k, v in n.entries().items()}, {}),
        fixups=value("fixups", lambda n: tuple(keys.fixup(one, folder) for one in n.items()), ()),
        replay=value("replay", keys.replay, folder / "replay"),
        build_command=value("build", lambda n: n.entries(schema.BUILD)["command"].text(), None),
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
