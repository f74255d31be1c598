"""A night as JSON data: what is new first, and where every cell stands."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

from harness.nightly.classify import NOTHING, Standing, State
from harness.nightly.config import Cell
from harness.nightly.history import Regression
from harness.nightly.night import Loop

NOTHING_NEW, SOMETHING_NEW = "nothing new", "something new"

Data = dict[str, Any]


def findings(loop: Loop) -> Data:
    """What a night has found.

    Returns:
        `new`: regressions that began tonight; `news`: culprits found tonight of earlier ones; `fixed`, `gone` (known
        ones that went away), `still`, `flaky`: by signature; `cells`: each with its state; `carried`: what is left.
    """
    stood = [(cell, loop.standing(cell)) for cell in loop.cells] if loop.night.tag else []
    tonight = [one for one in loop.found if one.night == loop.run.folder.name]
    found_before = {one.key for one in loop.found if one.found} - {one.key for one in tonight}
    fixed = _by_signature(loop, stood, State.FIXED)
    return {
        "date": loop.night.date,
        "tag": loop.night.tag,
        "commit": loop.night.sha,
        "new": [regression(one) for one in tonight],
        "news": [regression(one) for one in loop.found if one.key in found_before and one.key not in loop.told_before],
        "fixed": [one for one in fixed if not loop.is_known(one["signature"])],
        "gone": [
            {**one, "link": known.link}
            for one in fixed
            for known in loop.known
            if known.signature == one["signature"] and known.holds(loop.today)
        ],
        "still": _by_signature(loop, stood, State.STILL, {one.signature for one in tonight}),
        "flaky": _by_signature(loop, stood, State.FLAKY),
        "cells": [_cell(loop, cell, at) for cell, at in stood],
        "carried": loop.carried(),
    }


def regression(one: Regression) -> Data:
    """A regression with what is known of its commit."""
    return {
        "signature": one.signature,
        "since": one.since,
        "commit": one.sha,
        "last_good": one.good,
        "last_good_commit": one.good_sha,
        "cells": list(one.cells),
        "before": one.change,
        "notes": list(one.notes),
        "bisection": one.found,
    }


def _cell(loop: Loop, cell: Cell, at: Standing) -> Data:
    seen = loop.night.cells.get(cell.name)
    return {
        "cell": cell.name,
        "scenario": cell.scenario.id,
        "variant": cell.scenario.ways[0].name,
        "arch": cell.arch,
        "configuration": cell.configuration,
        "state": str(at.state),
        "reason": at.reason,
        "signature": at.signature if at.since or at.state is State.FIXED else None,
        "since": at.since,
        "last_good": at.good,
        "known": bool(at.signature) and loop.is_known(at.signature or ""),
        "failed": seen.bad if seen else 0,
        "passed": seen.quiet if seen else 0,
        "tried": seen is not None,
    }


def _by_signature(
    loop: Loop, stood: list[tuple[Cell, Standing]], state: State, new: Set[str] = frozenset()
) -> list[Data]:
    """The failures of cells in a state; those with one signature are one.

    Args:
        new: those that are told as new, and not here.
    """
    found: dict[str, list[tuple[Cell, Standing]]] = {}
    # What is new on a cell, and was there on another, is no new regression.
    states = {State.STILL, State.NEW, State.CHANGED} if state is State.STILL else {state}
    for cell, at in stood:
        if at.state in states and at.signature and at.signature not in new:
            found.setdefault(at.signature, []).append((cell, at))
    return [
        {
            "signature": signature,
            "since": _since(loop, told, state),
            "cells": [cell.name for cell, _ in told],
            "reason": told[0][1].reason,
            "known": loop.is_known(signature),
            "bisection": next((one.found for one in reversed(loop.found) if one.signature == signature), None),
        }
        for signature, told in found.items()
    ]


def _since(loop: Loop, told: list[tuple[Cell, Standing]], state: State) -> str | None:
    if state is State.FIXED:  # the failure as it stood before tonight
        return min(loop.earlier.get(cell.name, NOTHING).since or "" for cell, _ in told) or None
    return min(at.since or "" for _, at in told) or None


def conclusion(told: Mapping[str, Any]) -> tuple[str, str]:
    """Status and reason of a night."""
    what = [
        _count(told["new"], "new regression"),
        _count(told["news"], "culprit found", plural="culprits found"),
        _count(told["fixed"], "fixed", plural="fixed"),
        _count(told["gone"], "known one gone", plural="known ones gone"),
    ]
    said = ", ".join(filter(None, what)) or "nothing new"
    left = f"; {len(told['carried'])} tasks are carried over" if told["carried"] else ""
    if told["tag"] is None:
        said = f"no new tag; {said}"
    status = SOMETHING_NEW if told["new"] else NOTHING_NEW
    return status, f"{said}{left}"


def _count(items: list[Any], one: str, *, plural: str = "") -> str:
    return "" if not items else f"{len(items)} {one if len(items) == 1 else plural or one + 's'}"
