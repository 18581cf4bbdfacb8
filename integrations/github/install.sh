#!/usr/bin/env bash
# The installing step of action.yml: doctor gets a separate environment, from the checkout of the action.
set -euo pipefail
"$PYTHON" -m venv "$RUNNER_TEMP/tunedoctor"
programs=$RUNNER_TEMP/tunedoctor/bin
[ -d "$programs" ] || programs=$RUNNER_TEMP/tunedoctor/Scripts # Windows
"$programs/python" -m pip install --quiet "$GITHUB_ACTION_PATH"
