#!/bin/sh
# Runs doctor on a machine without uv, with an old or a broken Python, or with none:
#
#   sh bootstrap.sh                      # doctor check
#   sh bootstrap.sh triage error.txt     # any command of doctor
#
# It uses uv if that is installed. Otherwise it downloads one release of uv, compares its hash with the one below, and
# keeps it in the user's cache. uv then runs doctor in an environment of its own, with a Python that it downloads if
# the system has no Python 3.11 or newer. Nothing else on the machine changes, and nothing needs root.
#
# DOCTOR_VERSION names another version of doctor, DOCTOR_UV_DOWNLOADS a mirror of uv's releases.
set -eu

UV=0.12.5
DOWNLOADS=${DOCTOR_UV_DOWNLOADS:-https://github.com/astral-sh/uv/releases/download}
PACKAGE=tunedoctor${DOCTOR_VERSION:+==$DOCTOR_VERSION}

# SHA-256 of uv's archives, as astral-sh/setup-uv lists them on 2026-08-20
hash_of() {
    case $1 in
    aarch64-apple-darwin) echo 5bb0e5fe008a773c3dbcb97ff79cd89e1241464fe9d2f986d52ad8f1b037bd62 ;;
    aarch64-unknown-linux-musl) echo 8767a0e77f2cd45436401b1b42bf7e9ed5a4a91a74a5305d6fe93249d0f6dbc5 ;;
    i686-unknown-linux-musl) echo b920f32f0910be363f770485117e08494eec0b09abb4f3f9f1f9b9f53a29394c ;;
    powerpc64le-unknown-linux-gnu) echo af3f868fc8af2c3a688b1a202cbed507ec5bb32522876141f1b7f4200ed0395f ;;
    x86_64-apple-darwin) echo b3b2137477cf96c9686ebfb71524614cec780c673fd73e59bce099aef02e70e8 ;;
    x86_64-unknown-linux-musl) echo a4742988791c9aeae68c78150d6cba762062ad2a47e53738c2779d2b596bfcdb ;;
    *) ;;
    esac
}

fail() {
    echo "bootstrap: $1" >&2
    [ $# -lt 2 ] || echo "  $2" >&2
    exit 2
}

has() { command -v "$1" >/dev/null 2>&1; }

build_of_this_machine() {
    system=$(uname -s) machine=$(uname -m)
    case $machine in
    x86_64 | amd64)
        # a 32-bit system on a 64-bit kernel cannot run 64-bit Pythons
        machine=x86_64
        if [ "$system" = Linux ] && has getconf && [ "$(getconf LONG_BIT 2>/dev/null || echo 64)" = 32 ]; then
            machine=i686
        fi
        ;;
    arm64 | aarch64) machine=aarch64 ;;
    i386 | i486 | i586 | i686) machine=i686 ;;
    ppc64le) machine=powerpc64le ;;
    *) ;;
    esac
    case $system-$machine in
    Linux-powerpc64le) echo powerpc64le-unknown-linux-gnu ;;
    Linux-*) echo "$machine-unknown-linux-musl" ;;
    Darwin-*) echo "$machine-apple-darwin" ;;
    *) echo "$machine-$system" ;;
    esac
}

download() { # URL FILE
    if has curl; then
        curl --fail --silent --show-error --location --output "$2" "$1"
    elif has wget; then
        wget -q -O "$2" "$1"
    elif has python3; then
        python3 -c 'import sys, urllib.request; urllib.request.urlretrieve(sys.argv[1], sys.argv[2])' "$1" "$2"
    else
        fail "there is no curl, wget or python3 to download uv with" "install one of them, or uv itself"
    fi
}

sha256() { # FILE: prints its hash, nothing if no program can
    if has sha256sum; then
        sha256sum "$1"
    elif has shasum; then
        shasum -a 256 "$1"
    elif has openssl; then
        openssl dgst -sha256 -r "$1"
    elif has python3; then
        python3 -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest())' "$1"
    fi | cut -d ' ' -f 1
}

fetch_uv() { # FOLDER: puts uv there
    build=$(build_of_this_machine)
    wanted=$(hash_of "$build")
    [ -n "$wanted" ] || fail "no build of uv is known for this machine ($build)" \
        "install Python 3.11 or newer, then: pip install tunedoctor"
    has tar || fail "there is no tar to unpack uv with" "install tar, or uv itself"
    mkdir -p "$1" || fail "$1 cannot be created" "XDG_CACHE_HOME=FOLDER names another cache"
    work=$(mktemp -d "$1/new.XXXXXX") || fail "$1 is not writable" "XDG_CACHE_HOME=FOLDER names another cache"
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    url=$DOWNLOADS/$UV/uv-$build.tar.gz
    echo "bootstrap: downloading uv $UV to $1" >&2
    download "$url" "$work/uv.tar.gz" || fail "$url could not be downloaded" \
        "with a mirror: DOCTOR_UV_DOWNLOADS=URL; without network: copy uv to this machine"
    found=$(sha256 "$work/uv.tar.gz")
    [ -n "$found" ] || fail "there is no sha256sum, shasum, openssl or python3 to check the hash of uv with" \
        "install one of them"
    [ "$found" = "$wanted" ] || fail "the hash of $url is $found, expected $wanted" \
        "a proxy may have replaced the file; it was deleted and not run"
    (cd "$work" && gzip -dc uv.tar.gz | tar -xf -) || fail "$url cannot be unpacked" "is the disk full?"
    chmod 755 "$work/uv-$build/uv"
    mv -f "$work/uv-$build/uv" "$1/uv"
    rm -rf "$work"
    trap - EXIT INT TERM HUP
}

main() {
    [ $# -gt 0 ] || set -- check
    if has uv; then
        uv=uv
    else
        [ -n "${XDG_CACHE_HOME:-${HOME:-}}" ] || fail "neither HOME nor XDG_CACHE_HOME is set" "HOME=FOLDER names a folder"
        cache=${XDG_CACHE_HOME:-$HOME/.cache}/tunedoctor/uv-$UV
        uv=$cache/uv
        [ -x "$uv" ] || fetch_uv "$cache"
        "$uv" --version >/dev/null 2>&1 || fail "$uv does not run on this machine" \
            "if the folder is mounted noexec, XDG_CACHE_HOME=FOLDER names another cache"
    fi
    exec "$uv" tool run --from "$PACKAGE" doctor "$@"
}

# the last line: a script that was cut off while it was downloaded does nothing
main "$@"
