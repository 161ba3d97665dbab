"""Chores: `python -m orders.manage create-schema`."""

import sys

from orders.db import engine
from orders.models import Base


def main() -> None:
    if sys.argv[1:] == ["create-schema"]:
        Base.metadata.create_all(engine)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
