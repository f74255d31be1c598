"""A scenario's kernel configuration, for people."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from harness.assessment import Document
from harness.reports import summary

WIDTH = 118


def render(told: Document) -> str:
    """What each fragment brings, what was lost, and the size: the document of `regress kconfig`."""
    size = f"{told['asked']} options asked for, {told['asked_off']} asked to be off; {told['on']} on at the end"
    size += f", {told['modules']} of them as modules" if told["modules"] else ""
    if told["objects"]:
        size += f"; {told['objects']} objects"
    if told["image_bytes"]:
        size += f", an image of {told['image_bytes'] / 1e6:.1f} MB"
    return "\n".join(
        [
            summary.head(told),
            f"  {told['role']:7}{told['commit'][:8]}  {summary.short(told['subject'])}   Linux {told['version']}",
            *(f"{told['configuration']['name']}: {line}" for line in told["adapted"]),
            *_dropped(told["dropped"]),
            *(line for fragment in told["fragments"] for line in _fragment(fragment)),
            *(_lost(one) for one in told["lost"]),
            f"{size}.   {told['folder']}/config",
        ]
    )


def _dropped(names: list[str]) -> Iterator[str]:
    if names:
        yield "of the configuration these are off here:"
        yield textwrap.indent(textwrap.fill(" ".join(names), WIDTH - 2), "  ")


def _fragment(fragment: Document) -> Iterator[str]:
    yield f"{fragment['name']}{'  (any guest needs it)' if fragment['keep'] else ''}"
    options = fragment["options"]
    mine = [one for one in options if not one["again_in"] and not one["overridden_by"]]
    on = [one for one in mine if one["value"] != "n"]
    yield from _list("on", [o["name"] if o["value"] == "y" else f"{o['name']}={o['value']}" for o in on])
    yield from _list("off", [one["name"] for one in mine if one["value"] == "n"])
    yield from _list("again below", [one["name"] for one in options if one["again_in"]])
    for one in options:
        if one["overridden_by"]:
            yield f"  {one['name']}={one['value']} is overridden by {one['overridden_by']}"


def _list(title: str, names: list[str]) -> Iterator[str]:
    if names:
        indent = " " * 14
        yield textwrap.fill(" ".join(names), WIDTH, initial_indent=f"  {title:12}", subsequent_indent=indent)


def _lost(one: Document) -> str:
    word = "lost, optional" if one["optional"] else "on all the same" if one["value"] == "n" else "LOST"
    return f"{word}: CONFIG_{one['name']}={one['value']} became {one['got']}: {one['reason']}"


def attempt(one: Document) -> str:
    """One configuration that was tried, on a line."""
    what = "the whole configuration"
    if "taken" in one:
        what = f"the good configuration with {one['taken']} options of the bad one"
    elif one.get("left_out"):
        what = f"without {' '.join(one['left_out'])}"
    word = {"bad": "still crashes", "good": "does not crash", "skip": "cannot tell"}[one["verdict"]]
    if one["kernel"] is None:
        how = "not built"
    else:
        how = f"built in {one['kernel']['seconds']:.0f} s" if one["kernel"]["built"] else "built before"
        how += f", {len(one['trials'])} boots" if len(one["trials"]) > 1 else ", 1 boot" if one["trials"] else ""
    return f"{one['number']:3}  {what}: {word} ({how}): {one['reason']}"


def search(document: Document) -> str:
    """What a search among options found: the document of `regress kconfig --minimise` or `--between`."""
    found = document["kconfig"]
    lines = [summary.head(document), *map(summary.row, document["commits"]), *_minimal(found), *_isolated(found)]
    built = [one["kernel"]["seconds"] for one in found["tried"] if one["kernel"] and one["kernel"]["built"]]
    boots = [trial["seconds"] for one in found["tried"] for trial in one["trials"]]
    lines.append(
        f"{len(found['tried'])} configurations: {len(built)} builds in {sum(built):.0f} s, {len(boots)} boots in "
        f"{sum(boots):.0f} s; {sum(one['kernel'] is None for one in found['tried'])} were not built."
    )
    said = _SAID[document["status"]].format(document["reason"])
    return "\n".join([*lines, f"{said}   {document['folder']}/{found.get('fragment', '')}"])


def _isolated(found: Document) -> Iterator[str]:
    """What makes the difference between two configurations."""
    if "differences" not in found:
        return
    yield f"Of {found['differences']} options in which the two configurations differ, this makes the difference:"
    for one in found["makes_the_difference"]:
        comes = "" if one["asked"] else "   (comes with it)"
        yield f"  {one['name']:26}{one['good']} does not show it, {one['bad']} does{comes}"


def _minimal(found: Document) -> Iterator[str]:
    """What became of each option."""
    options = found.get("options", [])
    for state, title in _STATES.items():
        mine = [one for one in options if one["state"] == state and one["value"] != "n"]
        if mine:
            yield f"{title}:"
        if state == "needed":
            yield from (f"  {one['name']:26}without it: {one['why']}" for one in mine)
        elif mine:
            yield textwrap.indent(textwrap.fill(" ".join(one["name"] for one in mine), WIDTH - 2), "  ")
    if "before" in found:
        yield f"before: {_size(found['before'])}"
        yield f"after:  {_size(found['after'])}"
    if nothing := found.get("from_nothing"):
        same = "the same image as" if nothing["same_image"] else "ANOTHER IMAGE than"
        yield f"Built from nothing in {nothing['seconds']:.0f} s: {same} the incremental build."


_STATES = {
    "needed": "The regression needs",
    "any guest": "Not asked about, as any guest needs it",
    "on all the same": "Not needed, and on all the same (selected by another option, or by default)",
    "off": "Not needed, and off",
}
_SAID = {
    "isolated": "The two configurations that are left differ in what is said, and only one shows the regression.",
    "minimal": "The minimal configuration shows the regression on the bad commit, and not on the good one.",
    "not reproduced": "The regression does not show: {}.",
    "not verified": "The minimal configuration is not verified: {}.",
    "inconclusive": "Inconclusive: {}.",
    "infrastructure": "Nothing can be said: {}.",
    "interrupted": "Interrupted: {}.",
    "running": "Not finished, or killed: {}.",
}


def _size(one: Document) -> str:
    parts = [f"{one['asked']} options asked for", f"{one['on']} on"]
    parts += [f"{one['objects']} objects"] if one["objects"] else []
    parts += [f"an image of {one['image_bytes'] / 1e6:.2f} MB"] if one["image_bytes"] else []
    return ", ".join(parts)
