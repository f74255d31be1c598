"""Pages of HTML: one of a result, which needs no other file, and those of the site that `regress nightly` writes.

Text becomes markup in the templates alone, which escape all of it; `environment` makes signs of what would act on a
reader.  The other modules turn documents into what the templates show.
"""

from __future__ import annotations

from harness.assessment import Document
from harness.reports.html import environment, night, result


def render(document: Document) -> str:
    """A result as one page that needs nothing else: no script, no file beside it, no server."""
    if document["kind"] == "nightly":
        return environment.alone("night.html", **night.shown(document))
    return environment.alone("result.html", **result.shown(document))
