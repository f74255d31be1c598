"""`regress import FILE|URL`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from harness import catalog, fetch, paths
from harness.cli import given, shared
from harness.cli.progress import Talk
from harness.errors import UserError
from harness.files import whole_folder
from harness.kernel.tree import find
from harness.patches import repaired
from harness.thread import reproducer
from harness.thread.draft import Draft, draft
from harness.thread.message import printable
from harness.thread.prose import Said
from harness.thread.read import read
from harness.thread.render import files


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `regress import`."""
    parser.add_argument(
        "file",
        metavar="FILE|URL",
        help="an mbox (optionally .gz, .xz or .bz2), a message, a saved thread page, a console log or a reproducer in "
        "C; or the URL of such, or of a bug's page of syzbot",
    )
    parser.add_argument("--repro", metavar="FILE|URL", help="a reproducer in C that goes with it: what is run")
    parser.add_argument(
        "--config", metavar="FILE|URL", help="the configuration of the reported kernel, which is built with it"
    )
    parser.add_argument("--output", metavar="DIR", type=Path, help="folder for the draft; default: named after its id")
    shared.json(parser)
    shared.tree(parser, "repair damaged patches with the files of this tree")


def run(options: argparse.Namespace) -> int:
    """Write a draft scenario into a new or empty folder."""
    made = _draft(options.file, options.repro, options.config, Talk())
    if options.tree and any(patch.damaged for patch in made.patches):
        made = _repaired(made, options.tree)
    folder = (options.output or Path(made.id)).absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} exists already; nothing was written: name a new folder with --output")
    fragments = [path.stem for path in paths.KCONFIGS.glob("*.config")]
    texts = files(made, fragments)
    with whole_folder(folder) as new:
        for name, data in texts.items():
            (new / name).write_bytes(data)
    if {path.name for path in folder.iterdir()} != texts.keys():
        raise UserError(f"{folder} was filled by another process meanwhile; nothing was written")
    catalog.load(folder)
    if options.json:
        print(json.dumps(_document(made, folder), indent=2))
    else:
        _tell(made, folder)
    return 0


def _draft(place: str, repro: str | None, config: str | None, talk: Talk) -> Draft:
    """The draft of a file or a URL; a source in C is a reproducer, and its head says what it is."""
    name = place if fetch.is_url(place) else Path(place).name
    data = given.report(place, talk)
    source = given.source_of(repro, talk) if repro is not None else None
    reported = given.text_of_config(config, talk) if config is not None else None
    if source is None and reproducer.is_c(data):
        source = data.decode(errors="replace")
        return draft(read(reproducer.head(source).encode()), name, source, reported)
    thread = read(data)
    made = draft(thread, name, source, reported)
    if not fetch.is_url(place):
        return made
    thread, source, reported = given.beside(made, thread, talk)
    return draft(thread, name, source, reported)


def _document(made: Draft, folder: Path) -> dict[str, Any]:
    """A draft as JSON data."""
    facts = made.facts
    return {
        "id": made.id,
        "aliases": list(made.aliases),
        "title": made.title,
        "messages": made.messages,
        "links": list(facts.links),
        "crashes": [
            {"shown_by": found.message.name, "line": found.line or None, "crash": found.crash.to_json()}
            for found in made.crashes
        ],
        "commits": [
            {"sha": one.sha, "subject": one.subject, "blamed": one.blamed, "said": _sayings(one.said)}
            for one in facts.suspects
        ],
        "versions": [{"name": one.name, "good": one.good, "said": _sayings(one.said)} for one in facts.versions],
        "patches": [
            {
                "file": patch.file_name(number),
                "author": patch.author,
                "subject": patch.subject,
                "damaged": not patch.diff.whole,
                "notes": list(patch.notes),
            }
            for number, patch in enumerate(made.patches, 1)
        ],
        "introduced": {
            "good": facts.introduced.good,
            "bad": facts.introduced.bad,
            "said": _sayings([facts.introduced.said]),
        }
        if facts.introduced
        else None,
        "bisection": asdict(facts.bisection) if facts.bisection else None,
        "syzbot": _syzbot(made),
        "claims": _sayings(facts.claims),
        "unsure": list(made.unsure),
        "reproducer": reproducer.NAME if made.repro is not None else None,
        "folder": str(folder),
    }


def _syzbot(made: Draft) -> dict[str, Any] | None:
    """A syzbot report, with the other titles of its crash."""
    if made.facts.syzbot is None:
        return None
    crash = made.crashes[0].crash if made.crashes else None
    titles = [crash.title, *crash.alt_titles] if crash else []
    told = asdict(made.facts.syzbot)
    told["title"] = told["title"] or (crash.title if crash else None)
    told["alt_titles"] = [title for title in titles if title != told["title"]]
    return told


def _sayings(said: Iterable[Said]) -> list[dict[str, str]]:
    return [{"message": one.message.name, "text": one.text} for one in said]


def _repaired(made: Draft, wanted: str) -> Draft:
    """The draft with its damaged patches repaired as far as a tree allows."""
    named, default = catalog.tree_urls(paths.trees_config())
    tree = find(wanted, {}, named, default, paths.cache(), Talk(), kernel=False)
    if tree is None:
        raise UserError(f"--tree {wanted}: a thread has no replay; name a tree by its path")
    # The commits named in the thread are closest to what its patches apply to.
    versions = [f"v{version.name}" for version in reversed(made.facts.versions)]
    shas = [suspect.sha for suspect in made.facts.suspects if suspect.blamed and suspect.sha]
    revisions = [name for name in (*versions, *shas, "HEAD") if tree.repository.has(name)]
    repairs = (repaired(tree.repository, patch, revisions) if patch.damaged else patch for patch in made.patches)
    return replace(made, patches=tuple(repairs))


def _tell(made: Draft, folder: Path) -> None:
    print(f"{made.id}  {made.title}")
    for found in made.crashes:
        print(f"  crash    {printable(found.crash.title)}  [{len(found.crash.frames)} frames]")
    for one in made.facts.suspects:
        word = "blamed" if one.blamed else "named"
        print(f"  {word:9}{one.sha or ''}{' ' if one.sha and one.subject else ''}{one.subject or ''}")
    for version in made.facts.versions:
        print(f"  version  {version.name}  {({True: 'good', False: 'bad', None: ''})[version.good]}".rstrip())
    for number, patch in enumerate(made.patches, 1):
        print(f"  patch    {patch.file_name(number)}  {printable(patch.author)}")
        for note in patch.notes:
            print(f"             {note}")
    for doubt in made.unsure:
        print(f"  unsure   {doubt}")
    todo = "next, write its run.sh" if made.repro is None else f"run it: regress run {folder} --commit REV"
    if made.repro is None and made.crashes:
        todo += f", or see whether a scenario shows it: regress reproduce {folder} --commit REV"
    print(f"A draft: {folder}/ with {len(made.facts.claims)} claims as comments; {todo}")
