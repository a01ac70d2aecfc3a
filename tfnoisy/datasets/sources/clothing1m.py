"""Clothing1M: a million photographs of clothes, labelled by their shops.

Xiao et al., "Learning from massive noisy labeled data for image
classification", CVPR 2015.  The published lists lie in `DIR` or in
`DIR/annotations`, the images in `DIR/images/0` to `DIR/images/9` or, as
DivideMix has them, in `DIR/0` to `DIR/9`:

    noisy_label_kv.txt, clean_label_kv.txt      lines of `images/... label`
    noisy_train_key_list.txt, clean_train_..., clean_val_..., clean_test_...
                                                lines of `images/...`
    category_names_eng.txt                      14 names, may be left out
"""

import pathlib

from tfnoisy import errors
from tfnoisy.datasets import splits
from tfnoisy.datasets.images import streamed
from tfnoisy.datasets.sources import list_parsing, published_list
from tfnoisy.datasets.sources import listing as listing_lib

NUM_CLASSES = 14

_PREFIX = "images/"
_NAMES = "category_names_eng.txt"
_NOISY = "noisy_label_kv.txt"
_CLEAN = "clean_label_kv.txt"
# No image of `train` is in another split or has a clean label.
_SPLITS = {
    "train": ("noisy_train_key_list.txt", _NOISY),
    "val": ("clean_val_key_list.txt", _CLEAN),
    "test": ("clean_test_key_list.txt", _CLEAN),
    "clean_train": ("clean_train_key_list.txt", _CLEAN),
}


def read(
    data_dir,
    split,
    *,
    image_size=None,
    cache_mib=streamed.CACHE_MIB,
    skip_broken=False,
):
    """Reads a split.

    Args:
        data_dir: DIR, see above.
        split: `train` (a million noisy labels), `val`, `test` or
            `clean_train` (labelled by hand), or a slice of one.
        image_size: see `published_list.load`; DivideMix has 256.
        cache_mib: likewise.
        skip_broken: likewise.

    Returns:
        An `ImageDataset`.  Ids are positions in the list of the split; the
        clean labels of `train` are None.

    Raises:
        UserError: for whatever the user can put right.
    """
    name = splits.base(split)
    if name not in _SPLITS:
        raise errors.UserError(
            f"clothing1m has no split {name!r}; it has {', '.join(_SPLITS)}"
        )
    if not data_dir:
        raise errors.UserError(
            "--dataset_name=clothing1m needs --data_dir=DIR with "
            f"DIR/{_SPLITS['train'][0]}, DIR/{_NOISY} and DIR/images"
        )
    problems = []
    listing = _listing(pathlib.Path(data_dir).expanduser(), name, problems)
    return published_list.load(
        "clothing1m",
        data_dir,
        listing,
        split,
        image_size,
        problems,
        cache_mib,
        skip_broken,
    )


def _listing(directory, split, problems):
    root = directory / _PREFIX
    if not root.is_dir():
        root = directory
    key_list, label_list = _SPLITS[split]
    labelled = list_parsing.read_labels(
        _find(directory, label_list),
        root,
        problems,
        prefix=_PREFIX,
        clean=label_list == _CLEAN,
    )
    list_parsing.check_range(labelled, NUM_CLASSES, problems)
    rows = list_parsing.read_keys(
        _find(directory, key_list), labelled, problems, prefix=_PREFIX
    )
    list_parsing.check_paths(rows, problems)
    class_names = _class_names(directory, problems)
    if split == "train":
        list_parsing.check_classes(rows, class_names, problems)
    return listing_lib.Listing(class_names, {split: rows})


def _find(directory, name):
    other = directory / "annotations" / name
    return other if other.is_file() else directory / name


def _class_names(directory, problems):
    file = _find(directory, _NAMES)
    if not file.is_file():
        return tuple(map(str, range(NUM_CLASSES)))
    names = tuple(text for _, text in list_parsing.text_lines(file))
    if len(names) != NUM_CLASSES:
        problems.append(
            f"{file.name}: {len(names)} names for {NUM_CLASSES} classes"
        )
    return names
