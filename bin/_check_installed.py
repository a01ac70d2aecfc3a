"""Says in one line how to run a script where tfnoisy is not installed."""

import importlib.util
import pathlib
import shutil
import sys


def _remedy(script):
    root = script.resolve().parents[1]
    python = root / ".venv" / "bin" / "python"
    if python.exists():
        return f"{python} {script}"
    if shutil.which("make"):
        return f"make -C {root} .venv/.installed, then {python} {script}"
    return f"python3 -m pip install {root}, then try again"


if importlib.util.find_spec("tfnoisy") is None:
    script = pathlib.Path(sys.argv[0])
    sys.exit(
        f"{script.name}: tfnoisy is not installed for {sys.executable}; say "
        f"{_remedy(script)}"
    )
