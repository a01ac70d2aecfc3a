"""Writes the tables of the READMEs that come from data/results.

python -m tfnoisy.cli.document_results          # writes them
python -m tfnoisy.cli.document_results --check  # says if one is old

What they hold is measured again by bin/reproduce.py.
"""

import pathlib
import sys

from tfnoisy.cli import generated_file
from tfnoisy.reproduction import measured, tables
from tfnoisy.reproduction import rows as rows_lib

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_COMMAND = "python -m tfnoisy.cli.document_results"


def main(words: list[str]) -> int:
    """Writes the tables, or says whether they are up to date."""
    rows = rows_lib.load()
    found = {name: measured.of(row) for name, row in rows.rows.items()}
    code = 0
    for readme in sorted({table.readme for table in rows.tables.values()}):
        path = _ROOT / readme
        text = tables.fill(path.read_text(), rows, found)
        code |= generated_file.main(path, text, _COMMAND, words)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
