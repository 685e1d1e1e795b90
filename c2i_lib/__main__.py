"""Entry point of ``python -m c2i_lib``."""

import sys

from c2i_lib.cli import main

sys.exit(main())
