"""Image data sets of Hugging Face's `datasets`, on this machine's disk.

A folder that `save_to_disk` wrote, or one of parquet files whose names begin
with their split, `train-00000-of-00002.parquet` or `data/test.parquet`.
Nothing is looked up in the network.  Needs `pip install tfnoisy[hf]`.
"""

import collections
import hashlib
import os
import pathlib

import numpy as np

from tfnoisy import errors, progress
from tfnoisy.datasets import arrays, dataset, problems
from tfnoisy.datasets import splits as split_texts
from tfnoisy.datasets.images import headers, pillow_images

_LABELS = ("label", "labels", "given_label", "fine_label", "class")
_SHARE_SCALE = 2**64


def read_splits(splits, data_dir="", *, image_size=None, test_share=0.0):
    """Reads splits of a data set on disk.

    Args:
        splits: texts in TFDS's slicing syntax.
        data_dir: the folder.
        image_size: height and width to resize to; None for the images' own.
        test_share: where there is no test part, the share of `train` that is
            held out for it, chosen by the images' contents.

    Returns:
        {split: `ImageDataset`}; ids are rows of the part as it is stored.

    Raises:
        DataError: a list of all problems: images that cannot be read, labels
            that are missing, images of several sizes.
        UserError: if it is no such data set, or `datasets` is not installed.
    """
    if not data_dir:
        raise errors.UserError(
            "--dataset_name=huggingface needs --data_dir=DIR, a folder of "
            "save_to_disk or of parquet files"
        )
    parts = _open(data_dir)
    if "train" not in parts:
        raise errors.UserError(
            f"{data_dir} has no split train; it has {', '.join(sorted(parts))}"
        )
    image, label, names = _columns(data_dir, parts["train"])
    wanted = list(dict.fromkeys(map(split_texts.base, splits)))
    held_out = test_share and "test" in wanted and "test" not in parts
    read, notes, faults = {}, [], []
    for name in dict.fromkeys([*(["train"] if held_out else []), *wanted]):
        if name == "test" and held_out:
            continue
        if name not in parts:
            raise errors.UserError(
                f"{data_dir} has no split {name}; it has "
                f"{', '.join(sorted(parts))}"
            )
        read[name] = _read(
            parts[name], name, image, label, names, image_size, faults
        )
    sizes = collections.Counter(
        pixels.shape for part in read.values() for pixels in part.images
    )
    if len(sizes) > 1:
        shown = ", ".join(
            f"{count:,} of {w}x{h}" for (h, w, _), count in sizes.most_common(3)
        )
        faults.insert(
            0,
            f"the images are of {len(sizes)} sizes ({shown}, ... pixels); give "
            "--image_size, e.g. --image_size=64, to resize all",
        )
    problems.refuse(data_dir, faults)
    if held_out:
        read["train"], read["test"] = _hold_out(read["train"], test_share)
        notes.append(
            f"there is no test part: {len(read['test'].ids):,} images "
            f"({test_share:.0%}, chosen by their contents) are held out for "
            "it, with given labels that may be wrong"
        )
    return {split: _dataset(split, read, names, notes) for split in splits}


class _Part:
    """What was read of a part: images, labels, ids, digests, as lists."""

    def __init__(self):
        self.images, self.labels, self.ids, self.digests = [], [], [], []

    def take(self, mask):
        """Returns the rows of a mask."""
        part = _Part()
        for name in ("images", "labels", "ids", "digests"):
            values = zip(getattr(self, name), mask)
            setattr(part, name, [value for value, yes in values if yes])
        return part


def _library():
    # It would ask its hub otherwise.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        import datasets
    except ImportError as error:
        raise errors.UserError(
            f"--dataset_name=huggingface needs the package datasets ({error}): "
            "pip install 'tfnoisy[hf]'"
        ) from error
    return datasets


def _open(data_dir):
    """Returns {split: `datasets.Dataset`}."""
    library = _library()
    folder = pathlib.Path(data_dir).expanduser()
    files = sorted(folder.rglob("*.parquet"))
    try:
        if files:
            by_split = {}
            for file in files:
                split = file.name.split(".")[0].split("-")[0]
                by_split.setdefault(split, []).append(str(file))
            return {
                split: library.Dataset.from_parquet(paths)
                for split, paths in by_split.items()
            }
        found = library.load_from_disk(str(folder))
    except (OSError, ValueError, KeyError, TypeError) as error:
        told = str(error).strip().splitlines() or [type(error).__name__]
        raise errors.UserError(
            f"--data_dir={data_dir} is no data set of Hugging Face: {told[0]}"
        ) from error
    except library.exceptions.DatasetsError as error:
        told = str(error).strip().splitlines() or [type(error).__name__]
        raise errors.UserError(
            f"--data_dir={data_dir} cannot be read: {told[0]}"
        ) from error
    if isinstance(found, library.DatasetDict):
        return dict(found)
    return {"train": found}


def _columns(data_dir, part):
    """Returns the image's and the label's column, and the class names."""
    library = _library()
    features = part.features
    images = [n for n, f in features.items() if isinstance(f, library.Image)]
    classes = [
        n for n, f in features.items() if isinstance(f, library.ClassLabel)
    ]
    plain = [n for n in _LABELS if n in features]
    labels = [n for n in plain if n in classes] or classes[:1] or plain
    if len(images) != 1 or not labels or len(classes) > 1 > len(plain):
        raise errors.UserError(
            f"{data_dir} needs one column of images and one of labels; its "
            f"columns are {', '.join(features)}"
        )
    label = labels[0]
    if label in classes:
        return images[0], label, list(features[label].names)
    found = {value for value in part[label] if value not in (None, "")}
    return images[0], label, sorted(map(str, found))


def _read(part, name, image, label, names, image_size, faults):
    """Returns the `_Part` of a split; what is wrong is added to the faults."""
    library = _library()
    part = part.cast_column(image, library.Image(decode=False))
    number_of = {text: number for number, text in enumerate(names)}
    read = _Part()
    rows = progress.over(part, f"reading {name}", len(part))
    for row, example in enumerate(rows):
        where = f"{name}, row {row}"
        number = example[label]
        if isinstance(part.features[label], library.ClassLabel):
            number = -1 if number is None else int(number)
        else:
            number = number_of.get(str(number), -1)
        if not 0 <= number < len(names):
            faults.append(f"{where}: no label, or one of no class")
            continue
        try:
            contents = _contents(example[image])
            pixels = pillow_images.pixels(contents)
        except (OSError, headers.ImageFault, TypeError) as error:
            faults.append(f"{where}: {str(error) or 'no image'}")
            continue
        if image_size:
            pixels = np.asarray(arrays.resize(pixels, image_size))
        read.images.append(pixels)
        read.labels.append(number)
        read.ids.append(row)
        read.digests.append(hashlib.sha256(contents).digest())
    return read


def _contents(cell):
    """Returns the bytes of an image's file."""
    if cell["bytes"] is not None:
        return cell["bytes"]
    return pathlib.Path(cell["path"]).read_bytes()


def _hold_out(part, share):
    """Returns (train, test): by contents, as of one's own folder."""
    chosen = [
        int.from_bytes(digest[:8], "big") < share * _SHARE_SCALE
        for digest in part.digests
    ]
    return part.take([not yes for yes in chosen]), part.take(chosen)


def _dataset(split, read, names, notes):
    part = read[split_texts.base(split)]
    start, stop = split_texts.bounds(split, len(part.ids))
    return dataset.ImageDataset(
        name="huggingface",
        images=np.stack(part.images[start:stop]),
        given_labels=np.array(part.labels[start:stop], np.int64),
        clean_labels=None,
        ids=np.array(part.ids[start:stop], np.int64),
        class_names=tuple(names),
        digests=np.frombuffer(
            b"".join(part.digests[start:stop]), np.uint8
        ).reshape(-1, 32),
        notes=tuple(notes),
    )
