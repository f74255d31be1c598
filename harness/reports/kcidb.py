"""A run as KCIDB's report data, version 5.3: what a CI system submits to the kernel's common database.

The code under test is to blame only for what was seen: the regression is FAIL, a script's own mistake ERROR, a machine
that was lost MISS.  The same commit, and the same crash in the same scenario, have the same ids in every run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from harness.assessment import Document
from harness.reports import parts, safe

ORIGIN = "regress"
EXCERPT = 16384
"""Characters of a log that the schema allows."""

OUTPUTS = ("Image", "bzImage", "vmlinux", "config")
"""What a build makes that is worth keeping: the image, under the name that its architecture has for it."""

Object = dict[str, Any]

_STATUS = {
    "passed": "PASS",
    "skipped": "SKIP",
    "infrastructure": "MISS",
    "lost": "MISS",
    "boot failed": "MISS",
    "build failed": "MISS",
}
"""What a trial is that does not show the regression; all others are ERROR: the scenario did not come to its end."""


def render(document: Document) -> str:
    """The JSON text."""
    report = _Report(document)
    if "steps" in document:
        report.bisection()
    else:
        for row, scenario, answer in _answers(document):
            report.answer(row, scenario, answer)
    return json.dumps({"version": {"major": 5, "minor": 3}, **report.objects()}, indent=2)


def _answers(document: Document) -> Iterable[tuple[str, str, Document]]:
    """Answers, each with the patch that it is of ("" for none) and its scenario."""
    base = (document.get("base") or {}).get("commit")
    for answer in document.get("commits", ()):
        yield "", document["scenario"], answer
    for cell in document.get("cells", ()):
        if cell["answer"]:
            yield "" if cell["answer"]["commit"] == base else cell["row"], cell["scenario"], cell["answer"]


class _Report:
    """Collects objects, each by its id."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.run = parts.name(document)
        self.kinds: dict[str, dict[str, Object]] = {
            kind: {} for kind in ("checkouts", "builds", "tests", "issues", "incidents")
        }

    def objects(self) -> dict[str, list[Object]]:
        """All of them, without the kinds of which there are none."""
        return {kind: list(own.values()) for kind, own in self.kinds.items() if own}

    def answer(self, row: str, scenario: str, answer: Document) -> None:
        """A commit, or a patch on one, with its kernel and trials."""
        trials, kernel = answer["trials"], answer["kernel"]
        # A patched commit is of this program's own making: nobody else has its hash.
        base = (self.document.get("base") or {}).get("commit", "") if row else answer["commit"]
        checkout = self._checkout(base, row, answer["subject"])
        files = list(dict.fromkeys(path for trial in trials for path in trial.get("files", ())))
        build = self._build(
            checkout,
            (row, answer["role"], answer["commit"]),
            status="PASS" if kernel else self._unbuilt(trials),
            duration=kernel["seconds"] if kernel else None,
            compiler=_text(kernel["compiler"]) if kernel else None,
            comment=None if kernel else _text(answer["reason"]),
            files=files,
        )
        for number, trial in enumerate(trials, 1):
            shows = parts.shows(answer, trial)
            if kernel is None:
                continue
            test = self._test(
                *(build, (row, answer["role"], answer["commit"], scenario, number), scenario, trial.get("variant", "")),
                status="FAIL" if shows else _STATUS.get(trial["outcome"], "ERROR"),
                duration=trial["seconds"],
                comment=_text(trial["reason"]),
                log=parts.oops(trial),
                files=[path for path in trial.get("files", ()) if path.startswith(f"{trial['folder']}/")],
            )
            if shows:
                self._incident(test, self._issue(scenario, trial))

    def bisection(self) -> None:
        """The commits of the history; what was merged or reverted for a test exists nowhere else."""
        document, trial = self.document, self.document.get("crash")
        issue = self._issue(document["scenario"], trial) if trial else None
        for number, step in enumerate(document["steps"], 1):
            unbuilt = step["reason"].startswith("build failed")
            # What a log said, or another commit's image, is no test of this one.
            if step["role"] not in ("commit", "again", "parent") or not (step["trials"] or unbuilt):
                continue
            checkout = self._checkout(step["commit"], "", step["subject"])
            build = self._build(
                checkout,
                (step["commit"],),
                status="FAIL" if unbuilt else "PASS",
                comment=_text(step["reason"]) if unbuilt else None,
            )
            if unbuilt:
                continue
            lost = re.match(r"(?:infrastructure|lost|boot failed)\b", step["reason"])
            test = self._test(
                *(build, (step["commit"], number), document["scenario"], ""),
                status={"bad": "FAIL", "good": "PASS"}.get(step["verdict"], "MISS" if lost else "ERROR"),
                duration=step["seconds"],
                comment=_text(step["reason"]),
            )
            if issue and step["verdict"] == "bad":
                self._incident(test, issue)

    @staticmethod
    def _unbuilt(trials: Iterable[Document]) -> str:
        outcomes = {trial["outcome"] for trial in trials}
        return "FAIL" if "build failed" in outcomes else "SKIP" if "skipped" in outcomes else "MISS"

    def _checkout(self, sha: str, row: str, subject: str) -> str:
        document = self.document
        own = parts.digest(document["tree"], sha, row, self.run) if row else parts.digest(document["tree"], sha)
        public = not row and not document["synthetic"] and re.fullmatch(r"[0-9a-f]{40}", sha)
        made: Object = {
            "tree_name": _text(document["tree"]),
            "git_commit_hash": sha if re.fullmatch(r"[0-9a-f]{40}", sha) else None,
            "git_repository_url": None if document["synthetic"] else document.get("repository"),
            "patchset_hash": "" if public else self._patchset(row),
            "comment": _text(f"{row}: {subject}" if row else subject),
            "start_time": document["started"],
            "valid": True,
            "misc": {"synthetic": True} if document["synthetic"] else None,
        }
        return self._add("checkouts", f"{ORIGIN}:{own}", made)

    def _patchset(self, row: str) -> str | None:
        """The hash of a row's patch, where there is one and what it is applied to is not made up."""
        if self.document["synthetic"]:
            return None
        return next((one.get("patchset") for one in self.document.get("rows", ()) if one["name"] == row), None)

    def _build(self, checkout: str, key: tuple[str, ...], files: Iterable[str] = (), **more: object) -> str:
        links = {path.rpartition("/")[2]: link for path in files if (link := parts.url(self.document, path))}
        outputs = [{"name": name, "url": link} for name, link in links.items() if name in OUTPUTS]
        made: Object = {
            "checkout_id": checkout,
            "start_time": self.document["started"],
            "architecture": re.sub(r"[^a-z0-9_]", "_", self.document["arch"]),
            "config_url": links.get("config"),
            "log_url": links.get("build.log"),
            "output_files": outputs or None,
            **more,
        }
        return self._add("builds", f"{ORIGIN}:{parts.digest('build', self.run, *key)}", made)

    def _test(
        self,
        build: str,
        key: tuple[object, ...],
        scenario: str,
        variant: str,
        log: Iterable[str] = (),
        files: Iterable[str] = (),
        **more: object,
    ) -> str:
        links = {path.rpartition("/")[2]: link for path in files if (link := parts.url(self.document, path))}
        made: Object = {
            "build_id": build,
            "path": ".".join(filter(None, (_path(scenario), _path(variant)))),
            "start_time": self.document["started"],
            "log_url": links.get("console.log"),
            "log_excerpt": "\n".join(log)[:EXCERPT] or None,
            "output_files": [{"name": name, "url": link} for name, link in links.items()] or None,
            "misc": {"run": _text(self.run)},
            **more,
        }
        return self._add("tests", f"{ORIGIN}:{parts.digest('test', self.run, *key)}", made)

    def _issue(self, scenario: str, trial: Document) -> tuple[str, int]:
        """The regression itself, and which version of what is known of it: the second has a culprit."""
        document, crash = self.document, trial["crash"]
        what = crash["signature"] if crash else "failed"
        culprit = document.get("culprit") if document.get("sought") == "regression" else None
        found: Object = {"commit": culprit, "subject": _text(document["subject"])} if culprit else {}
        links = parts.links(document)
        version = 2 if culprit else 1
        made: Object = {
            "version": version,
            "report_url": links[0] if links else None,
            "report_subject": _text(crash["title"] if crash else document["title"]),
            "categories": ["regression"],
            "culprit": {"code": True, "tool": False, "harness": False},
            "comment": _text(document["title"]),
            "misc": {"scenario": _text(scenario), "signature": _text(what), **found},
        }
        return self._add("issues", f"{ORIGIN}:{parts.digest('issue', scenario, what)}", made), version

    def _incident(self, test: str, issue: tuple[str, int]) -> None:
        made: Object = {"issue_id": issue[0], "issue_version": issue[1], "test_id": test, "present": True}
        self._add("incidents", f"{ORIGIN}:{parts.digest('incident', test, *issue)}", made)

    def _add(self, kind: str, name: str, made: Object) -> str:
        """Add an object without what is not known of it: no property may be null."""
        known = {key: value for key, value in made.items() if value is not None}
        self.kinds[kind].setdefault(name, {"id": name, "origin": ORIGIN, **known})
        return name


def _text(text: object) -> str:
    return safe.line(text, 2000)


def _path(text: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_-]+", "-", text)
