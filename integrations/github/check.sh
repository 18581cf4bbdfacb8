#!/usr/bin/env bash
# The checking step of action.yml. Its inputs are passed as variables, so that none is executed as shell text.
set -uo pipefail
words=("--profile=$PROFILE" "--timeout=$TIMEOUT" --format=github "--output=sarif=$SARIF")
[ -z "$TARGET" ] || words+=("--target=$TARGET")
[ -z "$CONFIG" ] || words+=("--config=$CONFIG")
[ -z "$BASELINE" ] || words+=("--baseline=$BASELINE")
[ -z "$FAIL_ON" ] || words+=("--fail-on=$FAIL_ON")
[ "$STRICT" != true ] || words+=(--strict)
[ "$DEEP" != true ] || words+=(--deep)
[ "$SMOKE" != true ] || words+=(--smoke)

"$RUNNER_TEMP/tunedoctor/bin/doctor" check "${words[@]}"
code=$?
case $code in 0) verdict=ready ;; 1) verdict=findings ;; *) verdict=unknown ;; esac
{
    echo "verdict=$verdict"
    echo "exit-code=$code"
    [ ! -f "$SARIF" ] || printf 'sarif=%s\n' "${SARIF//[$'\r\n']/}"
} >>"$GITHUB_OUTPUT"
exit "$code"
