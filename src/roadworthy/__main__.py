"""`python -m roadworthy` and the command `roadworthy`."""

import sys
from pathlib import Path

if not sys.flags.safe_path and sys.path and Path(sys.path[0] or ".").resolve() == Path.cwd():
    # `python -m` puts the current folder first on the path, and that is the reviewed tree: nothing in it may be imported.
    del sys.path[0]

try:
    from roadworthy.faces.cli import main
except KeyboardInterrupt:
    sys.exit(130)

if __name__ == "__main__":
    main()
