#!/bin/sh
# Writes bin/constraints.txt anew: the newest versions that setup.cfg admits,
# in an environment of their own.  Run the tests before you commit it.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check \
    -e '.[dev]'
{
    echo "# The versions that are tested; written by \`make constraints\`."
    "$folder/bin/python" -m pip freeze --exclude-editable --local
} >"$folder/constraints.txt"
mv "$folder/constraints.txt" bin/constraints.txt
