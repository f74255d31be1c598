"""Hosts that are reached over SSH: one kept connection, commands that leave nothing behind, files that resume."""

from harness.ssh.config import Address
from harness.ssh.remote import Remote

__all__ = ["Address", "Remote"]
