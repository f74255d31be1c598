"""`python -m harness` is `regress`."""

import sys

from harness.cli import main

sys.exit(main())
