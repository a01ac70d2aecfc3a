"""The file of a noise manifest: an npz whose bytes depend on its contents.

No pickles, no compression (its bytes differ between zlib's versions) and no
times: NumPy writes 1980 for each member.
"""

import io

import numpy as np

from tfnoisy import array_file, errors
from tfnoisy.datasets import identity

FORMAT = "tfnoisy noise manifest 1"

# The fields of a manifest by how they are kept.  Those that are None or empty
# are not, so that manifests without them have the bytes that they always had.
ARRAYS = ("ids", "given_labels", "clean_labels", "source_ids")
_TEXTS = ("spec", "dataset_name", "labels_sha256", "source_sha256")
_NUMBERS = ("seed", "num_classes")
# Each is one array of bytes, see `identity.to_array`.
_LISTS = ("keys", "class_names")


def columns_of(manifest):
    """Returns {name: array} of a `NoiseManifest`."""
    columns = {}
    for field in _TEXTS:
        columns[field] = np.array(getattr(manifest, field))
    for field in _NUMBERS:
        columns[field] = np.array(getattr(manifest, field), "<i8")
    for field in ARRAYS:
        if getattr(manifest, field) is not None:
            columns[field] = getattr(manifest, field).astype("<i4")
    for field in _LISTS:
        if getattr(manifest, field) is not None:
            columns[field] = identity.to_array(getattr(manifest, field))
    if manifest.digests is not None:
        columns["digests"] = manifest.digests
    if manifest.corrections:
        columns["corrections"] = np.array(manifest.corrections)
    return columns


def fields_of(columns):
    """Returns the fields of a `NoiseManifest`, {name: value}.

    Args:
        columns: {name: array}, as `columns_of` makes them.

    Raises:
        KeyError, TypeError, ValueError: if they are of something else.
    """
    fields = {"clean_labels": None}
    fields |= {field: str(columns[field]) for field in _TEXTS}
    fields |= {field: int(columns[field]) for field in _NUMBERS}
    for field in ARRAYS:
        if field in columns:
            if columns[field].dtype.kind != "i":
                raise ValueError(f"{field} are not integers")
            fields[field] = columns[field].astype(np.int64)
    for field in _LISTS:
        if field in columns:
            fields[field] = identity.from_array(columns[field])
    if "digests" in columns:
        if columns["digests"].dtype != np.uint8:
            raise ValueError("digests are bytes")
        fields["digests"] = columns["digests"]
    fields["corrections"] = str(columns.get("corrections", ""))
    return fields


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
        columns = array_file.read(path)
    except FileNotFoundError as error:
        raise errors.UserError(f"no noise manifest at {path}") from error
    except array_file.ERRORS as error:
        raise errors.UserError(
            f"{path} is not a noise manifest, or damaged"
        ) from error
    if isinstance(columns, np.ndarray):
        raise errors.UserError(f"{path} is not a noise manifest: one array")
    if str(columns.get("format")) != FORMAT:
        raise errors.UserError(
            f"{path} is not a noise manifest: the npz lacks the format "
            f"'{FORMAT}'"
        )
    return columns
