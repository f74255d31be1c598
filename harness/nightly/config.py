"""What an operator writes: `nightly.yaml` says what is tried every night, `known.yaml` what need not be reported.

An error names the file, the line, the key, and the nearest right word.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from harness import architecture
from harness.errors import UserError
from harness.model import Scenario
from harness.paths import KCONFIGS
from harness.yamlfile import Node, nearest, read_yaml

T = TypeVar("T")
PLAIN = "plain"
"""The configuration that adds nothing to what a scenario needs, where no other is named."""


@dataclass(frozen=True)
class Config:
    """What is tried every night.

    Attributes:
        tree: name, path or URL of the tree.
        scenarios: names or ids; behind a `:`, one variant only.
        tags: every scenario that has one of these.
        arches: what is built for.
        configurations: further kconfig fragments, by the name of the configuration.
        budget: seconds that a night may take; None for as long as it takes.
        until: when a night is over, hour and minute; None for never.
        known: the file of known regressions.
        notify: a command that is given what is new.
        places: where in the file each scenario and tag stands.
    """

    tree: str
    scenarios: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    arches: tuple[str, ...] = ("x86_64",)
    configurations: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {PLAIN: ()})
    budget: float | None = None
    until: tuple[int, int] | None = None
    known: Path | None = None
    notify: str | None = None
    places: Mapping[str, Node] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True)
class Known:
    """A regression that somebody looks after already.

    Attributes:
        signature: as reports have it.
        since: the tag that had it first, as far as that is known.
        link: where it was reported.
        until: the last day on which it is not reported again; None for as long as it is there.
    """

    signature: str
    since: str | None = None
    link: str | None = None
    until: datetime.date | None = None

    def holds(self, today: datetime.date) -> bool:
        """Whether it still counts as known."""
        return self.until is None or today <= self.until


@dataclass(frozen=True)
class Cell:
    """One thing to try every night: a scenario, booted in one way, in one configuration, for one architecture.

    Attributes:
        scenario: with the one variant, and with the configuration's fragments.
        configuration: its name.
    """

    scenario: Scenario
    arch: str
    configuration: str = PLAIN

    @property
    def name(self) -> str:
        """For people, and in the journal: `stacked:raid1 i386 debug`."""
        return " ".join((self.subject, self.arch, *([] if self.configuration == PLAIN else [self.configuration])))

    @property
    def subject(self) -> str:
        """The scenario and its variant, as `regress run` takes it."""
        variant = self.scenario.ways[0].name
        return f"{self.scenario.id}:{variant}" if variant else self.scenario.id

    @property
    def build(self) -> tuple[str, ...]:
        """What decides which kernel is built: cells that share it share a build."""
        return (self.arch, self.scenario.build_command or "", *self.scenario.kconfig, repr(self.scenario.base))


def duration(text: str) -> float:
    """A time such as `90s`, `45min` or `4h`, in seconds.

    Raises:
        ValueError: it is none; the text says what was expected.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(s|min|h)", text)
    if not found or not float(found[1]):
        raise ValueError(f"expected a time such as 45min or 4h, got {text!r}")
    return float(found[1]) * {"s": 1, "min": 60, "h": 3600}[found[2]]


def clock(text: str) -> tuple[int, int]:
    """A time of day such as `06:00`: hour and minute.

    Raises:
        ValueError: it is none; the text says what was expected.
    """
    found = re.fullmatch(r"(\d{1,2}):(\d{2})", text)
    if not found or int(found[1]) > 23 or int(found[2]) > 59:
        raise ValueError(f"expected a time of day such as 06:00, got {text!r}")
    return int(found[1]), int(found[2])


def load(path: Path) -> Config:
    """The configuration in a file.

    Raises:
        UserError: something in it is wrong.
    """
    document = read_yaml(path)
    got = document.entries(
        ("tree", "scenarios", "tags", "architectures", "configurations", "budget", "until", "known", "notify")
    )
    if "tree" not in got:
        raise document.error("'tree' is missing: name a tree, such as `tree: linux-next`, a path or a URL")
    if "scenarios" not in got and "tags" not in got:
        raise document.error("'scenarios' is missing: name some, or say `tags: [TAG]`")
    places = {node.text(): node for key in ("scenarios", "tags") if key in got for node in got[key].items()}
    return Config(
        tree=_tree(got["tree"].text(), path.parent),
        scenarios=got["scenarios"].texts() if "scenarios" in got else (),
        tags=got["tags"].texts() if "tags" in got else (),
        arches=tuple(_arch(node) for node in got["architectures"].items()) if "architectures" in got else ("x86_64",),
        configurations=_configurations(got["configurations"]) if "configurations" in got else {PLAIN: ()},
        budget=_read(got["budget"], duration) if "budget" in got else None,
        until=_read(got["until"], clock) if "until" in got else None,
        known=path.parent / got["known"].text() if "known" in got else None,
        notify=got["notify"].text() if "notify" in got else None,
        places=places,
    )


def _tree(text: str, folder: Path) -> str:
    """A path is meant from the file's folder, as all paths in it are."""
    return str(folder / Path(text).expanduser()) if text.startswith((".", "~", "/")) else text


def _read(node: Node, reads: Callable[[str], T]) -> T:
    try:
        return reads(node.text())
    except ValueError as error:
        raise node.error(str(error)) from error


def _arch(node: Node) -> str:
    known = architecture.names()
    if node.text() not in known:
        raise node.error(f"expected an architecture, got {node.text()!r}{nearest(node.text(), known)}")
    return node.text()


def _configurations(node: Node) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    fragments = {path.stem for path in KCONFIGS.glob("*.config")}
    for name, value in node.entries().items():
        if not re.fullmatch(r"[\w.+-]+", name):
            raise value.error("the name of a configuration is made of letters, digits and . _ + -")
        for member in value.items():
            if member.text() not in fragments:
                raise member.error(f"no kconfig fragment {member.text()!r}{nearest(member.text(), fragments)}")
        found[name] = value.texts()
    if not found:
        raise node.error("expected at least one configuration, such as `plain: []`")
    return found


def load_known(path: Path) -> tuple[Known, ...]:
    """The known regressions in a file.

    Raises:
        UserError: something in it is wrong.
    """
    return tuple(_known(node) for node in read_yaml(path).items())


def _known(node: Node) -> Known:
    got = node.entries(("signature", "since", "link", "until"))
    if "signature" not in got:
        raise node.error("'signature' is missing: copy it from a report")
    until = None
    if "until" in got:
        try:
            until = datetime.date.fromisoformat(got["until"].text())
        except ValueError as error:
            raise got["until"].error(f"expected a day such as 2026-12-31, got {got['until'].text()!r}") from error
    since, link = (got[key].text() if key in got else None for key in ("since", "link"))
    return Known(got["signature"].text(), since, link, until)


def cells(config: Config, scenarios: Sequence[Scenario]) -> list[Cell]:
    """What is tried: each scenario's variants by configurations by architectures; those that share a build together.

    Args:
        scenarios: all there are.

    Raises:
        UserError: a scenario or a tag is not among them, or nothing is left to try.
    """
    chosen = [one for name in config.scenarios for one in _named(name, config, scenarios)]
    for tag in config.tags:
        tagged = [one for one in scenarios if tag in one.tags]
        if not tagged:
            raise _error(config, tag, f"no scenario has the tag {tag!r}", (t for one in scenarios for t in one.tags))
        chosen += [way for one in tagged for way in _ways(one)]
    found: dict[str, Cell] = {}
    for arch in config.arches:
        for name, fragments in config.configurations.items():
            for one in chosen:
                cell = Cell(replace(one, kconfig=(*one.kconfig, *fragments)), arch, name)
                found.setdefault(cell.name, cell)
    if not found:
        raise UserError("there is nothing to try: neither a scenario nor a tag is named")
    share: dict[tuple[str, ...], list[Cell]] = {}
    for cell in found.values():
        share.setdefault(cell.build, []).append(cell)
    return [cell for group in sorted(share.values(), key=len, reverse=True) for cell in group]


def _named(text: str, config: Config, scenarios: Sequence[Scenario]) -> list[Scenario]:
    name, _, variant = text.partition(":")
    known = {n: one for one in scenarios for n in (one.id, *one.aliases, one.folder.name)}
    if name not in known:
        raise _error(config, text, f"unknown scenario {name!r}", known)
    ways = [one for one in _ways(known[name]) if variant in ("", one.ways[0].name)]
    if not ways:
        raise _error(config, text, f"{name} has no variant {variant!r}", (way.name for way in known[name].ways))
    return ways


def _ways(scenario: Scenario) -> list[Scenario]:
    return [replace(scenario, variants=(way,)) for way in scenario.variants] or [scenario]


def _error(config: Config, text: str, message: str, words: Iterable[str]) -> UserError:
    hint = nearest(text, set(words))
    place = config.places.get(text)
    return place.error(f"{message}{hint}") if place else UserError(f"{message}{hint}")
