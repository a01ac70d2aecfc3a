"""Where the files that ship with tfnoisy are: presets and weights."""

import pathlib

_PACKAGE = pathlib.Path(__file__).resolve().parent


def shipped(relative):
    """Returns the path of a shipped file or folder, e.g. `data/mentornet_pd`.

    In a checkout `flags/` and `data/` stand beside the package, in an
    installed wheel inside it.

    Raises:
        FileNotFoundError: if it is in neither place.
    """
    for root in (_PACKAGE, _PACKAGE.parent):
        if (root / relative).exists():
            return root / relative
    raise FileNotFoundError(f"tfnoisy ships no {relative}")
