"""What stands before the kernel's own words, known by its shape rather than by a list.

Loggers, test runners and boards put before each line what they like: `dic 27 14:08:03 box kernel: `, `04179 `,
`(0)[848:task] `.  What all of them have in common is that they put it before each line.  So what stands before the
head in its own line is what stands before the lines that follow, but for the numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

_LONGEST = 160
"""Characters of a lead; what is longer is talk."""
_MOST = 24
"""Places at which a lead may end."""
_TOKEN = re.compile(r"(?P<word>[^\W_]+)|(?P<blank>\s+)|(?P<sign>.)", re.DOTALL)
_END = re.compile(r"(?<=[\])>|:])(?=\S)|(?<=\s)(?=\S)|$")
# A head may stand in brackets, in quotation marks, behind a line of dashes, and behind the name of what printed it.
_OWN = r"(?:(?:NMI )?watchdog: |rcu: |mce: |Oops: |CPU \d+:? )(?:\[Hardware Error\]: )?"
_OPENING = re.compile(rf"(?:[\[({{'\"*-]|=(?==)|(?<==)=|\[ |{_OWN})+$")


def without_own(before: str) -> str:
    """What stands before a head, without the kernel's own words and signs."""
    return _OPENING.sub("", before)


def ends_in(before: str) -> list[int]:
    """The places at which a lead may end, the last first.

    Args:
        before: what stands before a head in its own line.
    """
    before = without_own(before)
    if not before.strip():
        return [len(before)] if before not in ("", " ") else []  # an indented report
    if len(before) > _LONGEST:
        return []
    return [found.end() for found in _END.finditer(before) if before[: found.end()].strip()][-_MOST:][::-1]


@dataclass
class Lead:
    """What stands before the kernel's words in the lines of one report.

    The kernel may have put words of its own before the head (`watchdog: `): which part of what stands there is the
    lead is settled by the first line that has the same.

    Args:
        before: what stands before the head in its own line.
        ends: where in it the lead may end, the likeliest first.
    """

    before: str
    ends: Sequence[int]
    _settled: re.Pattern[str] | None = field(default=None, compare=False)
    _shapes: list[re.Pattern[str]] = field(default_factory=list, compare=False)

    def after(self, text: str, at: int) -> int | None:
        """Where the kernel's words begin in a line that has the lead at a place; None where it has not."""
        if self._settled is None:
            self._shapes = self._shapes or list(self._all_shapes())
            self._settled = next((shape for shape in self._shapes if shape.match(text, at)), None)
        found = self._settled.match(text, at) if self._settled else None
        return found.end() if found else None

    def _all_shapes(self) -> Iterator[re.Pattern[str]]:
        """Those with the same words first; words such as a level's or a month's may change where there are numbers."""
        for words in (True, False):
            for lead in (self.before[:end] for end in self.ends):
                if words or re.search(r"\d", lead):
                    yield _shape(lead, words=words)


def _shape(lead: str, *, words: bool) -> re.Pattern[str]:
    """A pattern for a lead with other numbers, and other words too unless `words` are to be the same."""
    parts: list[str] = []
    before = ""
    body = lead.rstrip()
    if not body:
        return re.compile(re.escape(lead))
    tokens = list(_TOKEN.finditer(body))
    for number, found in enumerate(tokens):
        after = tokens[number + 1][0] if number + 1 < len(tokens) else ""
        match found.lastgroup:
            case "word" if found[0].isdecimal():
                part = r"\d+"
            case "word" if found[0].isalpha() and (words or after == ":"):
                part = re.escape(found[0])
            case "word":
                part = r"[^\W_]+"
            case "blank":
                part = r"\s+" if before[-1:].isalnum() and after[:1].isalnum() else r"\s*"
            case _:
                part = re.escape(found[0])
        parts.append(part)
        before = found[0]
    blanks = len(lead) - len(body)
    return re.compile("".join(parts) + (r"(?:\s|$)" + r"\s?" * (blanks - 1) if blanks else ""))
