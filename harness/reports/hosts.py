"""What the hosts of a fleet did, in a line or two."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def lines(document: Mapping[str, Any]) -> list[str]:
    """One line for all hosts, and one for each that failed; none for a run on this machine alone."""
    hosts = document.get("hosts") or []
    if not hosts:
        return []
    jobs = ", ".join(f"{one['host']} {one['jobs']}" for one in hosts)
    found = [f"jobs by host: {jobs}"]
    for one in hosts:
        if faults := one["faults"]:
            aside = ", set aside at the end" if one["aside"] else ""
            found.append(f"{one['host']} failed {len(faults)} times{aside}; the last time: {faults[-1]}")
    return found
