"""KCIDB's report data, as kcidb-io validates it."""

import hashlib
import json
from typing import Any

from kcidb_io.schema import V5_3

from harness import reports
from harness.assessment import Document
from tests.reports.conftest import Results
from tests.reports.made import answer, run, trial


def valid(text: str) -> dict[str, list[dict[str, Any]]]:
    """Read it as the database does."""
    data = json.loads(text)
    V5_3.validate(data)
    objects = {kind: own for kind, own in data.items() if kind != "version"}
    ids = {kind: [one["id"] for one in own] for kind, own in objects.items()}
    assert all(len(set(own)) == len(own) for own in ids.values())
    for kind, of, key in (
        *(("builds", "checkouts", "checkout_id"), ("tests", "builds", "build_id")),
        *(("incidents", "tests", "test_id"), ("incidents", "issues", "issue_id")),
    ):
        assert {one[key] for one in objects.get(kind, ())} <= set(ids.get(of, ()))
    return objects


def test_the_schema_takes_it(told: Document) -> None:
    text = reports.render("kcidb", told)
    assert text == reports.render("kcidb", told)
    assert "url" not in text.replace("report_url", "")
    assert valid(text)
    linked = reports.render("kcidb", told, "https://ci.example.org/results")
    assert valid(linked)
    assert "file:" not in linked


def test_a_bisection_names_its_culprit(results: Results) -> None:
    told = results.document("bisect")
    objects = valid(reports.render("kcidb", told))
    [issue] = objects["issues"]
    assert issue["culprit"] == {"code": True, "tool": False, "harness": False}
    assert issue["misc"]["commit"] == told["culprit"]
    assert issue["report_url"] == "https://lore.kernel.org/r/toy@example.org"
    assert all(one["present"] for one in objects["incidents"])
    shown = {test["status"] for test in objects["tests"]}
    assert shown == {"PASS", "FAIL"}


def test_ids_are_the_same_from_night_to_night(results: Results) -> None:
    issues = [valid(reports.render("kcidb", results.document(name)))["issues"] for name in ("bisect", "run", "by hand")]
    assert len({issue["id"] for own in issues for issue in own}) == 1
    assert [own[0]["version"] for own in issues] == [2, 1, 1]
    one, other = (valid(reports.render("kcidb", results.document(name))) for name in ("run", "bisect"))
    assert {c["id"] for c in one["checkouts"]} <= {c["id"] for c in other["checkouts"]}
    assert not {t["id"] for t in one["tests"]} & {t["id"] for t in other["tests"]}


def test_the_machinery_is_not_the_codes_fault(results: Results) -> None:
    objects = valid(reports.render("kcidb", results.document("lost")))
    assert {test["status"] for test in objects["tests"]} == {"MISS"}
    assert "issues" not in objects
    words = {"lost": "MISS", "script error": "ERROR", "hung": "ERROR", "crashed": "ERROR", "skipped": "SKIP"}
    for outcome, status in words.items():
        one = answer("bad", "skip", [trial(outcome, "why", crash="other" if outcome == "crashed" else None)], "x: why")
        [test] = valid(reports.render("kcidb", run(one, status="inconclusive")))["tests"]
        assert test["status"] == status
    assert [b["status"] for b in valid(reports.render("kcidb", results.document("by hand")))["builds"]] == [
        "PASS",
        "FAIL",
    ]


def test_links_only_with_a_base_url(results: Results) -> None:
    told = results.document("run")
    objects = valid(reports.render("kcidb", told, "https://ci.example.org/results/"))
    path = f"https://ci.example.org/results/{results.folders['run'].name}/"
    logs = [test["log_url"] for test in objects["tests"]]
    assert all(url.startswith(path) and url.endswith("/trial-1/console.log") for url in logs)
    assert all(
        (results.folders["run"].parent / url.removeprefix("https://ci.example.org/results/")).is_file() for url in logs
    )


def test_what_is_known_of_a_checkout(results: Results) -> None:
    """The address that a tree comes from, and the hash of a patch as `sha256sum` gives it."""
    url = "https://git.example.org/linux.git"
    told = {**results.document("try"), "repository": url}
    made = valid(reports.render("kcidb", told))["checkouts"]
    assert {one["git_repository_url"] for one in made} == {url}
    patch = (results.repo.path.parent / "fix.patch").read_bytes()
    hash_ = hashlib.sha256(f"{hashlib.sha256(patch).hexdigest()}\n".encode()).hexdigest()
    assert {one["comment"].partition(":")[0]: one["patchset_hash"] for one in made}["fix.patch"] == hash_
    assert all("patchset_hash" in one for one in made)
    made_up = valid(reports.render("kcidb", {**told, "synthetic": True}))["checkouts"]
    assert not any("git_repository_url" in one or "patchset_hash" in one for one in made_up)
