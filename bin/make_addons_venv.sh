#!/bin/sh
# Makes .venv-addons, where tensorflow-addons runs: sh bin/make_addons_venv.sh
# Whatever goes wrong is one line; pip's own words are in
# .venv-addons/install.log.
set -u

requirements=tests/addons/requirements.txt

fail() {
    echo "setup: $*" >&2
    exit 2
}

# TensorFlow 2.15 has no wheels for a newer one, tfnoisy takes no older one.
is_right() {
    "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null
}

python=
for candidate in ${PYTHON:-python3.11 python3}; do
    if is_right "$candidate"; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || fail "tensorflow-addons needs Python 3.11, found" \
    "$(${PYTHON:-python3} --version 2>/dev/null || echo none);" \
    "name one with PYTHON=/path/to/python3.11 make test-addons"

if ! [ -x .venv-addons/bin/python ] || ! is_right .venv-addons/bin/python; then
    "$python" -c 'import venv, ensurepip' 2>/dev/null ||
        fail "$python has no venv module; on Debian or Ubuntu:" \
            "apt install python3.11-venv"
    rm -rf .venv-addons
    "$python" -m venv .venv-addons ||
        fail "$python could not make .venv-addons"
fi

log=.venv-addons/install.log
echo "setup: installing $requirements into .venv-addons" \
    "(a minute or more the first time)" >&2
if ! .venv-addons/bin/python -m pip install --disable-pip-version-check \
    -r "$requirements" >"$log" 2>&1; then
    if grep -qiE 'connection|name resolution|timed out|unreachable|proxy' \
        "$log"; then
        fail "no network to the package index; see $log"
    fi
    fail "pip could not install: $(grep -m 1 ERROR "$log"); see $log"
fi
touch .venv-addons/.installed
