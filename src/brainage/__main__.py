"""``python -m brainage``."""

import sys

from brainage.cli import main

sys.exit(main())
