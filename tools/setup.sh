#!/bin/sh
# Makes .venv with the package (editable) and the test tools; does nothing when that is up to date.
set -eu
cd "$(dirname "$0")/.."

say() { echo "setup: $*" >&2; }

stamp=$(cksum pyproject.toml)
if [ -x .venv/bin/python ] && [ "$(cat .venv/.roadworthy-stamp 2>/dev/null)" = "$stamp" ]; then
  exit 0
fi

python=${PYTHON:-python3}
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  say "Python 3.11 or newer is needed; $python is $("$python" --version 2>&1). Set PYTHON to another one."
  exit 1
fi

if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  # Debian's python3 comes without these.
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "installing python3-venv"
    apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null
  else
    say "Python's venv is missing: apt install python3-venv"
    exit 1
  fi
fi

say "making .venv"
rm -rf .venv
"$python" -m venv .venv
.venv/bin/python -m pip install -qq --disable-pip-version-check --upgrade pip
say "installing roadworthy and the test tools"
.venv/bin/python -m pip install -qq --disable-pip-version-check --editable . --group test
echo "$stamp" >.venv/.roadworthy-stamp
