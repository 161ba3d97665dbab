#!/bin/sh
# What the GitHub Action runs (action.yml): annotations on standard output, a summary of the step, reports where they are asked for.
# Input comes in variables only, so that nothing in it is taken for shell.
set -eu

since=${INPUT_SINCE:-}
if [ -z "$since" ] && [ -n "${GITHUB_BASE_REF:-}" ]; then
  since="origin/$GITHUB_BASE_REF"
  if ! git -C "${INPUT_PATH:-.}" rev-parse --quiet --verify "$since^{commit}" >/dev/null; then
    echo "::warning::roadworthy: $since is not in this clone, so everything is reported; check out with fetch-depth: 0"
    since=none
  fi
fi

set -- review "${INPUT_PATH:-.}" --format github
[ -z "$since" ] || [ "$since" = none ] || set -- "$@" --since "$since"
[ -z "${INPUT_FAIL_ON:-}" ] || set -- "$@" --fail-on "$INPUT_FAIL_ON"
[ -z "${INPUT_SARIF:-}" ] || set -- "$@" --output "$INPUT_SARIF"
[ -z "${INPUT_HTML:-}" ] || set -- "$@" --output "$INPUT_HTML"
[ -z "${GITHUB_STEP_SUMMARY:-}" ] || set -- "$@" --output "$GITHUB_STEP_SUMMARY"
exec "${ROADWORTHY:-roadworthy}" "$@"
