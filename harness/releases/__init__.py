"""Which releases have a regression, and which its fix.

`marks` recognises the commits by their messages, `trace` follows them through a repository to its tags, `names` puts
these into series.
"""

from harness.releases.marks import Change, Kind, Mark
from harness.releases.names import grouped
from harness.releases.trace import State, Survey, Told, known, survey

__all__ = ["Change", "Kind", "Mark", "State", "Survey", "Told", "grouped", "known", "survey"]
