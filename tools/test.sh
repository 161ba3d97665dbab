#!/bin/sh
# Sets up .venv if need be and runs the tests; arguments go to pytest.
set -eu
cd "$(dirname "$0")/.."
sh tools/setup.sh
if [ $# -gt 0 ]; then
  exec .venv/bin/python -m pytest "$@"
fi
exec .venv/bin/python -m pytest -q -n 2
