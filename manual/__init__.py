"""Makes what is generated of the documentation from the program itself: `python -m manual` (`make manual`).

The command line's reference, man page and completion come from its parser, the reference and JSON Schema of
`scenario.yaml` from the loader's table.  A test fails where a file is out of date.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from harness import schema
from manual import completion, man, pages

FILES: Mapping[str, Callable[[], str]] = {
    "docs/commands.md": pages.commands,
    "docs/scenario-yaml.md": pages.scenario,
    "scenarios/scenario.schema.json": lambda: json.dumps(schema.document(), indent=1) + "\n",
    "contrib/man/regress.1": man.page,
    "contrib/completion/regress": completion.bash,
    "contrib/completion/_regress": completion.zsh,
    "contrib/completion/regress.fish": completion.fish,
}
"""The files, each with what makes its text."""
