#!/bin/sh
printf '%s|' "$@" >>log; echo >>log
[ "$1" != "$FAILS" ] || { echo 'Error from server (Forbidden): not yours' >&2; exit 1; }
case $1$SLOW$4 in
    getyespods) echo '{"items": []}' ;;
    get*) cat "$RECORDED/$4.json" ;;
    create*) cat >jobs ;;
    logs*) echo 'doctor: a word on stderr'; cat snapshot ;;
esac
