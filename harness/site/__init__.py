"""The site of the nights: a folder of pages, `site/` in the folder of results, that needs no server.

`reading` asks the journal, `summaries` keeps what each night came to, `pages` writes what has changed since.
`harness.reports.html` says how it looks.
"""

from harness.site.pages import FOLDER, INDEX, update

__all__ = ["FOLDER", "INDEX", "update"]
