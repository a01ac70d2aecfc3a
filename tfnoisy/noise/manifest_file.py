"""The file of a noise manifest: an npz whose bytes depend on its contents.

No pickles, no compression (its bytes differ between zlib's versions) and no
times: NumPy writes 1980 for each member.
"""

import io
import zipfile

import numpy as np

from tfnoisy import errors

FORMAT = "tfnoisy noise manifest 1"


def to_bytes(columns):
    """Returns the file's bytes of {name: array}."""
    buffer = io.BytesIO()
    np.savez(buffer, format=np.array(FORMAT), **columns)
    return buffer.getvalue()


def read(path):
    """Returns {name: array} of a manifest's file.

    Raises:
        UserError: if the file is missing, damaged or something else.
    """
    try:
        with open(path, "rb") as file, zipfile.ZipFile(file):
            file.seek(0)
            archive = np.load(file, allow_pickle=False)
            columns = {name: archive[name] for name in archive.files}
    except FileNotFoundError as error:
        raise errors.UserError(f"no noise manifest at {path}") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise errors.UserError(
            f"{path} is not a noise manifest, or damaged"
        ) from error
    if str(columns.get("format")) != FORMAT:
        raise errors.UserError(
            f"{path} is not a noise manifest: the npz lacks the format "
            f"'{FORMAT}'"
        )
    return columns
