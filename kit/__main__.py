"""``python -m kit``: see ``kit.run.cli.commands``."""

import sys

from kit.run.cli.commands import main

if __name__ == "__main__":
    sys.exit(main())
