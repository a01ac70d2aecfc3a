"""Says in one line how to run a script where tfnoisy is not installed."""

import importlib.util
import os
import pathlib
import sys


def _remedy(script):
    """Returns what to type, from the folder that the user is in."""
    root = pathlib.Path(os.path.relpath(script.resolve().parents[1]))
    python = root / ".venv" / "bin" / "python"
    if not python.exists():
        install = f"make -C {root} .venv/.installed"
        return f"say `{install}`, then `{python} {script}`"
    return f"say `{python} {script}`, or `. {python.parent / 'activate'}` first"


if importlib.util.find_spec("tfnoisy") is None:
    script = pathlib.Path(sys.argv[0])
    print(
        f"{script.name}: tfnoisy is not installed for {sys.executable}: "
        f"{_remedy(script)}",
        file=sys.stderr,
    )
    sys.exit(2)
