"""Hosts that are reached over SSH: one kept connection, commands that leave nothing behind, files that resume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.ssh.config import Address

if TYPE_CHECKING:
    from harness.ssh.remote import Remote

__all__ = ["Address", "Remote"]


def __getattr__(name: str) -> Any:
    """`Remote`, when it is first asked for: cryptography takes half a second to import, and few commands need it."""
    if name != "Remote":
        raise AttributeError(name)
    from harness.ssh.remote import Remote

    return Remote
