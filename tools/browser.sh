#!/bin/sh
# The HTML report in a real browser: brings Playwright into .venv and, as root on Debian, Chromium; then runs the tests that need them.
# Says so and passes where there is no Chromium to be had.
set -eu
cd "$(dirname "$0")/.."

has_browser() {
  for name in chromium chromium-browser google-chrome; do
    if command -v "$name" > /dev/null; then return 0; fi
  done
  return 1
}

if ! has_browser && command -v apt-get > /dev/null && [ "$(id -u)" = 0 ]; then
  apt-get update -q > /dev/null && apt-get install -y -q --no-install-recommends chromium > /dev/null || true
fi
if ! has_browser; then
  echo "skipped: no Chromium on this machine, and none could be installed"
  exit 0
fi
.venv/bin/pip -q install 'playwright>=1.40'
exec .venv/bin/python -m pytest -q tests/report/test_html_browser.py
