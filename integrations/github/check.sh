#!/usr/bin/env bash
# The checking step of action.yml. Its inputs are passed as variables, so that none is executed as shell text.
set -uo pipefail
words=(--format=github "--output=sarif=$SARIF")
if [ -n "$PROJECT" ]; then
    words+=("--project=$PROJECT")
    [ -z "$DRIVER" ] || words+=("--driver=$DRIVER")
    while IFS= read -r gpu; do
        gpu=${gpu%$'\r'}
        [ -z "$gpu" ] || words+=("--gpu=$gpu")
    done <<<"$GPU"
else
    words+=("--profile=$PROFILE" "--timeout=$TIMEOUT")
    [ -z "$TARGET" ] || words+=("--target=$TARGET")
    [ -z "$BASELINE" ] || words+=("--baseline=$BASELINE")
    [ "$DEEP" != true ] || words+=(--deep)
    [ "$SMOKE" != true ] || words+=(--smoke)
fi
[ -z "$CONFIG" ] || words+=("--config=$CONFIG")
[ -z "$FAIL_ON" ] || words+=("--fail-on=$FAIL_ON")
[ "$STRICT" != true ] || words+=(--strict)

programs=$RUNNER_TEMP/tunedoctor/bin
[ -d "$programs" ] || programs=$RUNNER_TEMP/tunedoctor/Scripts # Windows
"$programs/doctor" check "${words[@]}"
code=$?
case $code in 0) verdict=ready ;; 1) verdict=findings ;; *) verdict=unknown ;; esac
{
    echo "verdict=$verdict"
    echo "exit-code=$code"
    [ ! -f "$SARIF" ] || printf 'sarif=%s\n' "${SARIF//[$'\r\n']/}"
} >>"$GITHUB_OUTPUT"
exit "$code"
