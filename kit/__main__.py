"""``python -m kit``: see ``kit.run.commands``."""

import sys

from kit.run.commands import main

if __name__ == "__main__":
    sys.exit(main())
