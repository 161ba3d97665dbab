#!/bin/sh
# Sets up .venv if need be and runs the tests, but for those that kill and restart whole programs (marked slow; CI runs them too);
# arguments go to pytest, `-n 2` alone runs all.
set -eu
cd "$(dirname "$0")/.."
sh tools/setup.sh
if [ $# -gt 0 ]; then
  exec .venv/bin/python -m pytest "$@"
fi
exec .venv/bin/python -m pytest -q -n 2 -m "not installed and not slow"
