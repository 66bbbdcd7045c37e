"""`python -m gatewise`: the command line."""

import sys

from gatewise.cli import main

sys.exit(main())
