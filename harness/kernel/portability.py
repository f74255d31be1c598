"""What of a configuration is known to break elsewhere than where it was made.  The rules are data."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from harness.kernel.config import Option, parse_config
from harness.yamlfile import Node, read_yaml

DATA = Path(__file__).with_name("portability.yaml")


@dataclass(frozen=True)
class Rule:
    """Options that are to have other values here, and why."""

    options: tuple[Option, ...]
    because: str

    def __str__(self) -> str:
        told = (f"CONFIG_{o.name} is off" if o.value == "n" else f"CONFIG_{o.name}={o.value}" for o in self.options)
        return f"{', '.join(told)}: {self.because}"


def rules(path: Path = DATA) -> list[Rule]:
    """The rules that hold on this machine.

    Raises:
        harness.errors.UserError: the file is wrong; the message names the line.
    """
    nodes = (
        node.entries(("set", "without", "because")) for node in read_yaml(path).entries(("rules",))["rules"].items()
    )
    return [_rule(one) for one in nodes if "without" not in one or shutil.which(one["without"].text()) is None]


def _rule(node: dict[str, Node]) -> Rule:
    place = node["set"]
    options = (Option(name, value.text(), optional=True, place=place.key) for name, value in place.entries().items())
    return Rule(tuple(options), node["because"].text())


def applied(known: Iterable[Rule], text: str) -> list[Rule]:
    """The rules, each with its options that a configuration has with other values; those without any are left out.

    Args:
        text: the configuration.
    """
    got = parse_config(text)
    found = (
        replace(rule, options=tuple(o for o in rule.options if got.get(o.name, o.value) != o.value)) for rule in known
    )
    return [rule for rule in found if rule.options]
