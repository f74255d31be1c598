"""YAML files that know the place of every value, so that errors name file, line, key and the nearest right word."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness.errors import UserError

MOST = 4 << 20
"""Bytes of a file."""

SIZE = r"([1-9]\d{0,6})([MG])"
DURATION = r"(\d{1,9}(?:\.\d{1,9})?)(s|min)"


def nearest(word: str, words: Iterable[str]) -> str:
    """A hint for a misspelt word: `; did you mean 'x'?`, or the list of known ones."""
    return close(word, words) or f"; known: {', '.join(sorted(words))}"


def close(word: str, words: Iterable[str]) -> str:
    """The same where one is close, else nothing."""
    found = difflib.get_close_matches(word, sorted(words), n=1, cutoff=0.5)
    return f"; did you mean {found[0]!r}?" if found else ""


@dataclass(frozen=True)
class Node:
    """A value in a YAML file, with its place for errors.

    Attributes:
        node: as PyYAML composed it.
        path: the file.
        key: the dotted name of the value.
    """

    node: yaml.Node
    path: Path
    key: str

    def error(self, message: str, node: yaml.Node | None = None) -> UserError:
        """An error at this place: `FILE:LINE: KEY: message`."""
        line = (node or self.node).start_mark.line + 1
        return UserError(f"{self.path}:{line}: {self.key + ': ' if self.key else ''}{message}")

    def entries(self, keys: Iterable[str] | None = None) -> dict[str, Node]:
        """The entries of a mapping, in order; with `keys`, other keys are errors."""
        if not isinstance(self.node, yaml.MappingNode):
            raise self.error("expected a mapping (key: value)")
        allowed = None if keys is None else set(keys)
        found: dict[str, Node] = {}
        for key, value in self.node.value:
            name = str(key.value)
            if allowed is not None and name not in allowed:
                raise self.error(f"unknown key {name!r}{nearest(name, allowed)}", key)
            if name in found:
                raise self.error(f"duplicate key {name!r}", key)
            found[name] = Node(value, self.path, f"{self.key}.{name}" if self.key else name)
        return found

    def items(self) -> list[Node]:
        """The members of a list."""
        if not isinstance(self.node, yaml.SequenceNode):
            raise self.error("expected a list ([a, b])")
        return [Node(member, self.path, self.key) for member in self.node.value]

    def text(self) -> str:
        """A scalar as written."""
        if not isinstance(self.node, yaml.ScalarNode) or not self.node.value:
            raise self.error("expected a word or a number")
        text = str(self.node.value)
        if bad := next((one for one in text if not one.isprintable() and one not in "\n\t"), None):
            raise self.error(f"expected printable text, got the character U+{ord(bad):04X}")
        return text

    def texts(self) -> tuple[str, ...]:
        """A list of scalars."""
        return tuple(member.text() for member in self.items())

    def words(self, pattern: str, what: str) -> tuple[str, ...]:
        """The texts of a sequence, each of a form; `what` says what is expected."""
        for member in self.items():
            if not re.fullmatch(pattern, member.text()):
                raise member.error(f"expected {what}, got {member.text()!r}")
        return self.texts()

    def plain(self) -> Any:
        """The value as plain Python data."""
        loader = yaml.SafeLoader("")
        try:
            return loader.construct_document(self.node)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise self.error(f"not a plain value: {getattr(error, 'problem', None) or error}") from error

    def choice(self, *words: str) -> str:
        """One of some words."""
        if self.text() not in words:
            raise self.error(f"expected one of {', '.join(words)}, got {self.text()!r}")
        return self.text()

    def number(self, least: int) -> int:
        """A whole number."""
        if not re.fullmatch(r"\d{1,9}", self.text()) or int(self.text()) < least:
            raise self.error(f"expected a whole number, at least {least}, got {self.text()!r}")
        return int(self.text())

    def size(self) -> int:
        """A size with its unit, M or G, in MiB."""
        if not (found := re.fullmatch(SIZE, self.text())):
            raise self.error(f"expected a size such as 64M or 1G, got {self.text()!r}")
        return int(found[1]) * {"M": 1, "G": 1024}[found[2]]

    def duration(self) -> float:
        """A time with its unit, s or min, in seconds."""
        if not (found := re.fullmatch(DURATION, self.text())) or not float(found[1]):
            raise self.error(f"expected a time such as 120s or 2min, got {self.text()!r}")
        return float(found[1]) * {"s": 1, "min": 60}[found[2]]


def read_yaml(path: Path) -> Node:
    """The one document of a YAML file.

    Raises:
        UserError: it cannot be read, is not YAML, or is empty.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MOST + 1)
        if len(raw) > MOST:
            raise UserError(f"{path}: more than {MOST >> 20} MiB, which no such file needs")
        node = yaml.compose(raw.decode("utf-8"), Loader=yaml.SafeLoader)
    except RecursionError as error:
        raise UserError(f"{path}: nested too deeply") from error
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
