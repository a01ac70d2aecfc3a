"""Files that are not what they should be, for the table in `odd_inputs`."""

import io
import json
import pathlib
import shutil
import struct
import zipfile

import numpy as np
from PIL import Image


def write(folder):
    """Writes arrays, tables and texts that no reader should accept.

    Args:
        folder: where, an empty folder.
    """
    folder = pathlib.Path(folder)
    (folder / "folder").mkdir()
    (folder / "empty").touch()
    (folder / "text.txt").write_text("hello\n")
    (folder / "binary").write_bytes(bytes(range(256)) * 4)
    probabilities = np.full([1437, 10], 0.1)
    arrays = {
        "complex": probabilities * (1 + 0j),
        "strings": probabilities.astype(str),
        "objects": probabilities[:2].astype(object),
        "nan": probabilities * np.nan,
        "negative": probabilities - 1,
        "three_axes": probabilities[None],
        "one_axis": probabilities[:, 0],
        "scalar": np.array(0.1),
        "few_rows": probabilities[:3],
        "no_rows": probabilities[:0],
        "few_columns": probabilities[:, :3],
        "dates": probabilities.astype("datetime64[s]"),
        "booleans": probabilities > 1,
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=True)
    good = _bytes(np.save, probabilities)
    (folder / "npy_named.npz").write_bytes(good)
    (folder / "half.npy").write_bytes(good[: len(good) // 2])
    (folder / "no_values.npy").write_bytes(good[:128])
    (folder / "empty.npy").touch()
    (folder / "text.npy").write_text("0.1 0.9\n")
    (folder / "huge_header.npy").write_bytes(header((10**12, 10)) + bytes(80))
    (folder / "minus_header.npy").write_bytes(header((-1, 10)) + bytes(80))
    zipped = _bytes(np.savez, pred_probs=probabilities, ids=np.arange(1437))
    (folder / "npz_named.npy").write_bytes(zipped)
    (folder / "half.npz").write_bytes(zipped[: len(zipped) // 2])
    (folder / "empty.npz").touch()
    np.savez(folder / "other_names.npz", a=probabilities)
    np.savez(
        folder / "more_ids.npz", pred_probs=probabilities, ids=np.arange(1440)
    )
    np.savez(
        folder / "same_ids.npz",
        pred_probs=probabilities,
        ids=np.zeros(1437, int),
    )
    with zipfile.ZipFile(folder / "no_arrays.npz", "w") as file:
        file.writestr("pred_probs.txt", "0.1")
    _write_tables(folder)


def _write_tables(folder):
    (folder / "wide.csv").write_text(f"path,given_label\n{'a' * 200_000},1\n")
    (folder / "quoted.csv").write_text('path,given_label\n"a.png,1\n')
    (folder / "header.csv").write_text("path,given_label\n")
    (folder / "good.csv").write_text(
        "path,given_label,action\ncat/0.png,cat,keep\n"
    )
    (folder / "no_label.csv").write_text("path,colour\na.png,red\n")
    (folder / "surplus.csv").write_text("path,given_label\na.png,crane, bird\n")
    (folder / "missing_files.csv").write_text(
        "path,given_label\nnone.png,cat\n"
    )
    (folder / "nul.csv").write_bytes(b"path,given_label\na\0.png,cat\n")
    (folder / "utf16.csv").write_bytes(
        "path,given_label\na.png,cat\n".encode("utf-16")
    )
    (folder / "unknown.flags").write_text("--no_such_flag=1\n")
    (folder / "plugin_syntax.py").write_text("def broken(:\n")
    (folder / "plugin_raises.py").write_text("raise RuntimeError('no')\n")
    for number, name in enumerate(("cat", "cat", "dog", "dog")):
        (folder / "images" / name).mkdir(parents=True, exist_ok=True)
        image = Image.new("RGB", (4, 4), (60 * number, 0, 0))
        image.save(folder / "images" / name / f"{number}.png")


def _bytes(save, *args, **kwargs):
    buffer = io.BytesIO()
    save(buffer, *args, **kwargs)
    return buffer.getvalue()


def header(shape):
    """Returns what precedes the values of an array of floats in a .npy."""
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}"
    text = text.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


# What is done to a file of a run folder: the run's name, the file, its bytes
# as they become, of those that they were.
RUNS = {
    "results_empty": ("results.json", lambda _: b""),
    "results_half": ("results.json", lambda old: old[: len(old) // 2]),
    "results_list": ("results.json", lambda _: b"[1, 2]"),
    "results_number": ("results.json", lambda _: b"7"),
    "results_null": ("results.json", lambda _: b"null"),
    "results_binary": ("results.json", lambda _: bytes(range(256))),
    "results_other": ("results.json", lambda _: b'{"test": "good"}'),
    "results_types": (
        "results.json",
        lambda old: json.dumps({k: [] for k in json.loads(old)}).encode(),
    ),
    "results_deep": ("results.json", lambda _: b"[" * 100_000),
    "results_digits": ("results.json", lambda _: b"9" * 5000),
    "flags_empty": ("flags.flags", lambda _: b""),
    "flags_half": ("flags.flags", lambda old: old[: len(old) // 2]),
    "flags_binary": ("flags.flags", lambda _: bytes(range(256))),
    "flags_words": ("flags.flags", lambda _: b"batch size: 3\n"),
    "flags_values": (
        "flags.flags",
        lambda old: old.replace(b"=", b"=none of these"),
    ),
    "manifest_empty": ("noise_manifest.npz", lambda _: b""),
    "manifest_half": ("noise_manifest.npz", lambda old: old[: len(old) // 2]),
    "manifest_text": ("noise_manifest.npz", lambda _: b"given labels\n"),
    "manifest_fractions": (
        "noise_manifest.npz",
        lambda old: _changed(old, "given_labels", lambda a: a + 0.5),
    ),
    "manifest_strings": (
        "noise_manifest.npz",
        lambda old: _changed(old, "given_labels", lambda a: a.astype(str)),
    ),
    "manifest_short": (
        "noise_manifest.npz",
        lambda old: _changed(old, "given_labels", lambda a: a[:3]),
    ),
    "evidence_empty": ("evidence.npz", lambda _: b""),
    "evidence_half": ("evidence.npz", lambda old: old[: len(old) // 2]),
    "evidence_text": ("evidence.npz", lambda _: b"evidence\n"),
    "evidence_other": (
        "evidence.npz",
        lambda _: _bytes(np.savez, a=np.arange(3)),
    ),
    "evidence_short": (
        "evidence.npz",
        lambda old: _changed(old, "ids", lambda a: a[:3]),
    ),
    "evidence_strings": (
        "evidence.npz",
        lambda old: _changed(old, "ids", lambda a: a.astype(str)),
    ),
}


def _changed(old, name, change):
    with np.load(io.BytesIO(old)) as file:
        arrays = dict(file)
    (name,) = [key for key in arrays if key.endswith(name)]
    arrays[name] = change(arrays[name])
    return _bytes(np.savez, **arrays)


def damage_runs(run, folder):
    """Copies a run for each of `RUNS`, with one file changed.

    Args:
        run: a finished run folder that has evidence.
        folder: where the copies go, by the names in `RUNS`; one more, `gone`,
            has no checkpoints, and `no_data` has them without their values.
    """
    folder = pathlib.Path(folder)
    for name, (file, change) in RUNS.items():
        copy = shutil.copytree(run, folder / name)
        path = copy / file
        path.write_bytes(change(path.read_bytes()))
    gone = shutil.copytree(run, folder / "gone")
    shutil.rmtree(gone / "checkpoints")
    cut = shutil.copytree(run, folder / "no_data")
    for path in (cut / "checkpoints").glob("*.data-*"):
        path.write_bytes(path.read_bytes()[:100])
    cut = shutil.copytree(run, folder / "no_index")
    for path in (cut / "checkpoints").glob("*.index"):
        path.write_bytes(b"")
