#!/bin/sh
#: head
# Each step first checks whether it is already done, so both parts can be run again:
#   sudo sh THIS-FILE root   what needs root; the doctor never runs it: read root_part first
#   sh THIS-FILE             the environment, as yourself; it ends in doctor smoke
#: reasons

set -eu
step=

begin() {
    step=$1
    printf '%s\n' "== $step"
}

# a step that succeeds says so; one that fails ends the script, and its output is above
done_with() {
    printf '%s\n' "   $1"
    step=
}

stop() {
    printf '%s\n' "$1" >&2
    step=
    exit 1
}

ended() {
    code=$?
    if [ "$code" -ne 0 ] && [ -n "$step" ]; then
        printf '%s\n' "failed: $step (exit status $code)." >&2
        printf '%s\n' 'Fix the error above, then run the same command again: finished steps are not repeated.' >&2
    fi
}
trap ended EXIT

#: names
state="$prefix/setup-state"

#: helpers
root_part() {
    [ "$(id -u)" -eq 0 ] || stop "this part needs root: sudo sh $0 root"
    later=''
    relogin=''
    export DEBIAN_FRONTEND=noninteractive
#: root
    if [ -n "$later" ]; then
        printf '%s\n' "still to do:$later" "then run it again: sudo sh $0 root"
        exit 3
    fi
    [ -z "$relogin" ] || echo 'log out and in again, so that the new groups take effect'
    printf '%s\n' "Next, as yourself: sh $0"
}

user_part() {
    # never change what this script did not create
    if [ -e "$prefix" ] && [ ! -e "$state" ]; then
        stop "$prefix exists already and was not created by this script; choose another path with doctor fix --new"
    fi
#: ready
    begin "the environment $prefix"
    if [ "$(cat "$state" 2>/dev/null)" = "$wanted" ]; then
        done_with 'it exists already'
    else
        [ -x "$python" ] || command -v "$python" >/dev/null || stop "no interpreter at $python"
        mkdir -p -- "$prefix"
        echo begun >"$state"
        "$python" -I -m venv "$prefix"
        requirements="$prefix/setup-requirements.txt"
#: installs
        printf '%s\n' "$wanted" >"$state"
        done_with 'created'
    fi

    begin 'a tiny training to prove that it works'
    if [ -x "$doctor" ]; then
        "$doctor" smoke --target "$prefix"
    elif command -v doctor >/dev/null; then
        doctor smoke --target "$prefix"
    else
        stop "there is no doctor here: install it, then run doctor smoke --target \"$prefix\""
    fi
    step=
}

case ${1:-user} in
root) root_part ;;
user) user_part ;;
*) stop "usage: sh $0 [root]" ;;
esac
