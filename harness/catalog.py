"""Reads and checks what users write: scenarios and the list of trees.

An error names the file, the line, the key, and the nearest right word.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import yaml

from harness.console import Expectation, expectation_from
from harness.errors import UserError
from harness.model import MachineSpec, Mend, PiDisk, Range, Revision, Scenario, Timeouts

T = TypeVar("T")
ROOT = Path(__file__).resolve().parent.parent
SCENARIOS = ROOT / "scenarios"
KCONFIGS = ROOT / "kconfigs"
ARCHES = ("x86_64", "i386")


def nearest(word: str, words: Iterable[str]) -> str:
    """A hint for a misspelt word: `; did you mean 'x'?`, or the list of the right ones."""
    known = sorted(words)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}"


@dataclass(frozen=True)
class Node:
    """A value in a YAML file, which knows its place for the sake of errors.

    Attributes:
        node: as PyYAML composed it.  path: the file.  key: dotted name of the value.
    """

    node: yaml.Node
    path: Path
    key: str

    def error(self, message: str, node: yaml.Node | None = None) -> UserError:
        """An error at this place: `FILE:LINE: KEY: message`."""
        line = (node or self.node).start_mark.line + 1
        return UserError(f"{self.path}:{line}: {self.key + ': ' if self.key else ''}{message}")

    def entries(self, keys: Iterable[str] | None = None) -> dict[str, Node]:
        """The entries of a mapping, in order; with `keys`, any other key is an error."""
        if not isinstance(self.node, yaml.MappingNode):
            raise self.error("a mapping is wanted here (key: value)")
        allowed = None if keys is None else set(keys)
        found: dict[str, Node] = {}
        for key, value in self.node.value:
            name = str(key.value)
            if allowed is not None and name not in allowed:
                raise self.error(f"unknown key {name!r}{nearest(name, allowed)}", key)
            if name in found:
                raise self.error(f"key {name!r} stands here twice", key)
            found[name] = Node(value, self.path, f"{self.key}.{name}" if self.key else name)
        return found

    def items(self) -> list[Node]:
        """The members of a list."""
        if not isinstance(self.node, yaml.SequenceNode):
            raise self.error("a list is wanted here ([a, b])")
        return [Node(member, self.path, self.key) for member in self.node.value]

    def text(self) -> str:
        """A scalar as it is written."""
        if not isinstance(self.node, yaml.ScalarNode) or not self.node.value:
            raise self.error("a word or a number is wanted here")
        return str(self.node.value)

    def texts(self) -> tuple[str, ...]:
        """A list of scalars."""
        return tuple(member.text() for member in self.items())

    def plain(self) -> Any:
        """The value as plain Python data."""
        loader = yaml.SafeLoader("")
        return loader.construct_document(self.node)

    def choice(self, *words: str) -> str:
        """One of a few words."""
        if self.text() not in words:
            raise self.error(f"{self.text()!r} is none of {', '.join(words)}")
        return self.text()

    def number(self, least: int) -> int:
        """A whole number."""
        if not re.fullmatch(r"\d+", self.text()) or int(self.text()) < least:
            raise self.error(f"{self.text()!r} is not a whole number of {least} or more")
        return int(self.text())

    def size(self) -> int:
        """A size with its unit, M or G, in MiB."""
        if not (found := re.fullmatch(r"([1-9]\d*)([MG])", self.text())):
            raise self.error(f"{self.text()!r} is not a size; write it like 64M or 1G")
        return int(found[1]) * {"M": 1, "G": 1024}[found[2]]

    def duration(self) -> float:
        """A time with its unit, s or min, in seconds."""
        if not (found := re.fullmatch(r"(\d+(?:\.\d+)?)(s|min)", self.text())) or not float(found[1]):
            raise self.error(f"{self.text()!r} is not a time; write it like 120s or 2min")
        return float(found[1]) * {"s": 1, "min": 60}[found[2]]


def read_yaml(path: Path) -> Node:
    """The one document of a YAML file.

    Raises:
        UserError: it cannot be read, or is not YAML, or is empty.
    """
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise UserError(f"{path}{line}: not YAML: {getattr(error, 'problem', error)}") from error
    if node is None:
        raise UserError(f"{path}: the file is empty")
    return Node(node, path, "")


def _machine(node: Node) -> tuple[MachineSpec, str | None]:
    got = node.entries(("memory", "cpus", "timeout", "boot_timeout", "silence_timeout", "command"))
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
    return spec, got["command"].text() if "command" in got else None


def _disks(node: Node) -> PiDisk:
    disks = node.entries(("pi",))
    got = disks["pi"].entries(("dif", "dix", "size", "guard"))
    return PiDisk(
        dif=int(got["dif"].choice("0", "1", "2", "3")) if "dif" in got else PiDisk.dif,
        dix=int(got["dix"].choice("0", "1")) if "dix" in got else PiDisk.dix,
        size=got["size"].size() if "size" in got else PiDisk.size,
        guard=got["guard"].choice("crc", "ip") if "guard" in got else PiDisk.guard,
    )


def _revision(node: Node) -> Revision:
    if isinstance(node.node, yaml.ScalarNode):
        return Revision(node.text())
    got = node.entries(("sha", "subject"))
    if "sha" not in got:
        raise node.error("a commit wants its sha (and its subject)")
    return Revision(got["sha"].text(), got["subject"].text() if "subject" in got else None)


def _range(node: Node) -> Range:
    got = node.entries(("good", "bad", "fixed"))
    for end in ("good", "bad"):
        if end not in got:
            raise node.error(f"the {end} end is missing")
    return Range(
        good=_revision(got["good"]),
        bad=_revision(got["bad"]),
        fixed=_revision(got["fixed"]) if "fixed" in got else None,
    )


def _mend(node: Node, folder: Path) -> Mend:
    got = node.entries(("since", "until", "patch", "pick", "because"))
    for key in ("since", "because"):
        if key not in got:
            raise node.error(f"{key!r} is missing")
    if ("patch" in got) == ("pick" in got):
        raise node.error("either `patch: FILE` or `pick: COMMIT` is wanted")
    if "patch" in got and not (folder / got["patch"].text()).is_file():
        raise got["patch"].error(f"there is no {folder / got['patch'].text()}")
    return Mend(
        since=_revision(got["since"]),
        until=_revision(got["until"]) if "until" in got else None,
        because=got["because"].text(),
        patch=got["patch"].text() if "patch" in got else None,
        pick=_revision(got["pick"]) if "pick" in got else None,
    )


def _expect(node: Node) -> Expectation:
    crash = node.entries(("crash",))
    if "crash" not in crash:
        raise node.error("the expected crash is missing; write `crash: {title: ...}` or `crash: {any: true}`")
    try:
        return expectation_from(crash["crash"].plain())
    except ValueError as error:
        raise crash["crash"].error(str(error)) from error


def load(folder: Path) -> Scenario:
    """The scenario in a folder.

    Args:
        folder: holds `scenario.yaml`, the script, and a `replay/` if there is one.

    Raises:
        UserError: something in it is wrong; the message names file, line and key.
    """
    document = read_yaml(folder / "scenario.yaml")
    got = document.entries(
        (
            *("id", "aliases", "title", "links", "kconfig", "machine", "disks", "needs"),
            *("run", "expect", "commits", "mend", "build"),
        )
    )
    for key in ("id", "title"):
        if key not in got:
            raise document.error(f"{key!r} is missing")

    def value(key: str, read: Callable[[Node], T], default: T) -> T:
        return read(got[key]) if key in got else default

    nothing: tuple[str, ...] = ()
    plain: tuple[MachineSpec, str | None] = (MachineSpec(), None)
    machine, machine_command = value("machine", _machine, plain)
    fragments = value("kconfig", Node.texts, nothing)
    for name in fragments:
        if not (KCONFIGS / f"{name}.config").is_file():
            known = (path.stem for path in KCONFIGS.glob("*.config"))
            raise got["kconfig"].error(f"there is no kconfigs/{name}.config{nearest(name, known)}")
    script = value("run", Node.text, "run.sh")
    if machine_command is None and not (folder / script).is_file():
        raise got.get("run", document).error(f"{folder / script}: no such file")
    return Scenario(
        id=got["id"].text(),
        title=got["title"].text(),
        folder=folder,
        aliases=value("aliases", Node.texts, nothing),
        links=value("links", Node.texts, nothing),
        kconfig=fragments,
        machine=machine,
        pi_disk=value("disks", _disks, None),
        needs=value("needs", Node.texts, nothing),
        run=script,
        expect=value("expect", _expect, None),
        commits=value("commits", lambda n: {k: _range(v) for k, v in n.entries().items()}, {}),
        mend=value("mend", lambda n: tuple(_mend(one, folder) for one in n.items()), ()),
        build_command=value("build", lambda n: n.entries(("command",))["command"].text(), None),
        machine_command=machine_command,
    )


def digest(scenario: Scenario) -> str:
    """A hash that changes when anything of a scenario does that decides what a trial shows."""
    parts = [repr(replace(scenario, folder=Path(), title="", links=(), commits={})).encode()]
    names = [scenario.run, *(mend.patch for mend in scenario.mend if mend.patch)]
    parts += [path.read_bytes() for name in names if (path := scenario.folder / name).is_file()]
    parts += [(KCONFIGS / f"{name}.config").read_bytes() for name in scenario.kconfig]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def scenarios(extra: Iterable[Path] = ()) -> list[Scenario]:
    """All scenarios, those of the folders given first.

    Args:
        extra: folders of one's own that hold scenario folders.

    Raises:
        UserError: a folder is not there, a scenario is wrong, or two share a name.
    """
    found: dict[str, Scenario] = {}
    for top in (*extra, SCENARIOS):
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
    """The scenario with this id, alias or folder.

    Raises:
        UserError: there is none; the message has the nearest names.
    """
    if (Path(name) / "scenario.yaml").is_file():
        return load(Path(name))
    known = {n: s for s in scenarios(extra) for n in (s.id, *s.aliases, s.folder.name)}
    if name not in known:
        raise UserError(f"there is no scenario {name!r}{nearest(name, known)}")
    return known[name]


def tree_urls(config: Path) -> tuple[dict[str, str], str | None]:
    """The named kernel trees: those that ship with the program, and the user's own on top.

    Args:
        config: the user's `trees.yaml`; it need not exist.

    Returns:
        URL or path by name, and the name that the user made the default, if any.

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
                raise got["default"].error(f"{default!r} is no tree{nearest(default, urls)}")
    return urls, default
