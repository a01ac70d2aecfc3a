#!/bin/sh
# Makes .venv and installs tfnoisy into it: sh bin/make_venv.sh '.[dev]'
# Whatever goes wrong is one line; pip's own words are in .venv/install.log.
set -u

fail() {
    echo "setup: $*" >&2
    exit 2
}

is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

python=
for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
    if is_new_enough "$candidate"; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || fail "tfnoisy needs Python 3.11 or newer, found" \
    "$(${PYTHON:-python3} --version 2>/dev/null || echo none);" \
    "name one with PYTHON=/path/to/python3.11 make ..."

if ! [ -x .venv/bin/python ] || ! is_new_enough .venv/bin/python; then
    "$python" -c 'import venv, ensurepip' 2>/dev/null ||
        fail "$python has no venv module; on Debian or Ubuntu:" \
            "apt install python3-venv"
    rm -rf .venv
    "$python" -m venv .venv || fail "$python could not make .venv"
fi

# The versions that were tested.  CONSTRAINTS=none takes the newest that
# setup.cfg admits, CONSTRAINTS=FILE those of another file.
constraints=${CONSTRAINTS:-bin/constraints.txt}
[ "$constraints" = none ] && constraints=/dev/null
[ -r "$constraints" ] || fail "CONSTRAINTS=$constraints: no such file"

install() {
    .venv/bin/python -m pip install --disable-pip-version-check \
        -c "$1" -e "$2" >.venv/install.log 2>&1
}

echo "setup: installing $1 into .venv (some minutes the first time)" >&2
if ! install "$constraints" "$1"; then
    if grep -qiE 'connection|name resolution|timed out|unreachable|proxy' \
        .venv/install.log; then
        fail "no network to the package index; see .venv/install.log"
    fi
    error=$(grep -m 1 ERROR .venv/install.log)
    [ "$constraints" = bin/constraints.txt ] ||
        fail "pip could not install: $error; see .venv/install.log"
    # Another Python or processor may not have a wheel of each tested version.
    echo "setup: the tested versions cannot be installed here ($error);" \
        "trying the newest that setup.cfg admits" >&2
    install /dev/null "$1" || fail "pip could not install:" \
        "$(grep -m 1 ERROR .venv/install.log); see .venv/install.log"
fi
touch .venv/.installed
