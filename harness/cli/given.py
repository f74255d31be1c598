"""What `regress import` is given: a file, or a URL and what is linked from there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from harness import configuration, fetch, paths
from harness.compressed import DAMAGED, LONGEST_MAGIC, format_of, text_in, uncompressed
from harness.errors import InfrastructureError, UserError
from harness.progress import Progress
from harness.thread import linked, reproducer
from harness.thread.draft import Draft
from harness.thread.read import LONGEST, Thread, read

T = TypeVar("T")


def content(place: str, progress: Progress) -> bytes:
    """What a file or a URL holds, uncompressed.

    Args:
        progress: is told what is fetched.

    Raises:
        UserError: it cannot be read, is not there, or is too long.
        Unavailable: the server cannot be reached.
    """
    if not fetch.is_url(place):
        return of_file(Path(place))
    data = fetch.fetch(place, paths.cache(), progress)
    try:
        return text_in(data, LONGEST)
    except ValueError as error:
        raise UserError(f"{place}: {error}") from error


def of_file(path: Path) -> bytes:
    """A file's content, uncompressed.

    Raises:
        UserError: it cannot be read, or is too long.
    """
    kind = ""
    try:
        with path.open("rb") as file:
            kind = format_of(file.peek(LONGEST_MAGIC))
            data = uncompressed(file).read(LONGEST + 1)
    except DAMAGED as error:
        if isinstance(error, OSError) and error.errno:
            raise UserError(f"{path}: {error.strerror}") from error
        raise UserError(f"{path}: damaged {kind}: {error}") from error
    if len(data) > LONGEST:
        raise UserError(f"{path}: longer than {LONGEST >> 20} MiB; extract the relevant thread")
    return data


def report(place: str, progress: Progress) -> bytes:
    """The same; of a page on the web, what it is the face of: the thread of a message, the data of a bug.

    Raises:
        UserError, Unavailable: see `content`.
    """
    if not fetch.is_url(place):
        return content(place, progress)
    if data := linked.bug(place):
        try:
            text, crash = linked.described(place, content(data, progress))
        except (ValueError, TypeError, AttributeError, IndexError, KeyError) as error:
            raise UserError(f"{data}: not the data of a bug ({error}); give the report's mail instead") from error
        shown = _linked(crash, "the crash", lambda at: content(at, progress), progress)
        return text.encode() + (shown or b"")
    page = content(place, progress)
    whole = linked.thread(place, page)
    return content(whole, progress) if whole else page


def text_of_config(place: str, progress: Progress) -> str:
    """The text of a kernel's configuration."""
    if not fetch.is_url(place):
        return configuration.read_config(Path(place))
    return configuration.checked(content(place, progress).decode("utf-8", errors="replace"), place)


def source_of(place: str, progress: Progress) -> str:
    """The text of a reproducer in C."""
    data = content(place, progress)
    if not reproducer.is_c(data):
        raise UserError(f"{place}: expected a C source with a main function")
    return data.decode(errors="replace")


def beside(made: Draft, thread: Thread, progress: Progress) -> tuple[Thread, str | None, str | None]:
    """What is linked from a report that was fetched, so far as it can be had.

    Args:
        made: the draft of the report, and of what else was given: this is not fetched.

    Returns:
        The report, with the console where it shows no crash itself; a reproducer in C, and a configuration.
    """
    links = made.facts.syzbot
    if links is None:
        return thread, made.repro, made.config
    repro, config = made.repro, made.config
    if repro is None:
        repro = _linked(links.c_repro, "the reproducer", lambda at: source_of(at, progress), progress)
    if config is None:
        config = _linked(links.config, "the configuration", lambda at: text_of_config(at, progress), progress)
    if not made.crashes:
        log = _linked(links.console, "the console", lambda at: content(at, progress), progress)
        if log is not None:
            thread = Thread(thread.kind, (*thread.messages, *read(log).messages))
    return thread, repro, config


def _linked(place: str | None, what: str, get: Callable[[str], T], progress: Progress) -> T | None:
    """What is linked, or None; it may have been removed, and one can do without."""
    if place is None:
        return None
    try:
        return get(place)
    except (UserError, InfrastructureError) as error:
        progress.note(f"without {what} that is linked: {error}")
        return None
