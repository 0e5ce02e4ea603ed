"""`python -m dataml.cli`: the `dataml` command, also where no script was installed."""

import sys

from dataml.cli import main

sys.exit(main())
