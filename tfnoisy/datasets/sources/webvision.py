"""WebVision 1.0: 2.4 million images that Google and Flickr found for words.

Li et al., "WebVision Database: Visual Learning and Understanding from Web
Data", 2017.  DIR is the folder of DivideMix's `--data_path`:

    info/train_filelist_google.txt      lines of `google/... label`
    info/train_filelist_flickr.txt      likewise
    info/val_filelist.txt               likewise, of files in val_images_256/
    info/synsets.txt                    a line for each class, may be left out
    imagenet/val/CLASS/*                ImageNet's validation set, CLASS the
                                        synset or WebVision's number
    probe_N/CLASS/*                     N trusted images, such as IEG's ten of
                                        each of 50 classes of ImageNet's
                                        training set, probe_500

`webvision` (or `webvision/mini`) is what DivideMix and IEG train on: the first
50 classes of the Google images.  `webvision/google` has all classes, and
`webvision/full` the Flickr images too.
"""

import functools
import operator
import pathlib
import re

from tfnoisy import errors
from tfnoisy.datasets import splits
from tfnoisy.datasets.images import streamed
from tfnoisy.datasets.sources import list_parsing, published_list
from tfnoisy.datasets.sources import listing as listing_lib

MINI_CLASSES = 50

_GOOGLE = "train_filelist_google.txt"
_FLICKR = "train_filelist_flickr.txt"
_TRAIN = {
    "mini": (_GOOGLE,),
    "google": (_GOOGLE,),
    "full": (_GOOGLE, _FLICKR),
}
_SPLITS = ("train", "val", "imagenet")
_PROBE = re.compile(r"probe_\d+")
_SUFFIXES = (".jpeg", ".jpg", ".png")


def read(
    name,
    data_dir,
    split,
    *,
    image_size=None,
    cache_mib=streamed.CACHE_MIB,
    skip_broken=False,
):
    """Reads a split.

    Args:
        name: `webvision`, with `/mini`, `/google` or `/full` behind it or not.
        data_dir: DIR, see above.
        split: `train`, `val`, `imagenet` (ImageNet's validation images of
            these classes), `probe_N` or a slice of one.
        image_size: see `published_list.load`; DivideMix has 320.
        cache_mib: likewise.
        skip_broken: likewise.

    Returns:
        An `ImageDataset`.  Ids are positions in the list of the split, classes
        that are left out not counted; the clean labels of `train` are None.

    Raises:
        UserError: for whatever the user can put right.
    """
    part = name.partition("/")[2] or "mini"
    if part not in _TRAIN:
        raise errors.UserError(
            f"webvision has the parts {', '.join(_TRAIN)}, not {part!r}: say "
            "--dataset_name=webvision or webvision/full"
        )
    base = splits.base(split)
    if base not in _SPLITS and not _PROBE.fullmatch(base):
        raise errors.UserError(
            f"{name} has no split {base!r}; it has {', '.join(_SPLITS)}: "
            "say --test_split=val"
        )
    if not data_dir:
        raise errors.UserError(
            f"--dataset_name={name} needs --data_dir=DIR with "
            f"DIR/info/{_GOOGLE} and the folders that it names"
        )
    problems = []
    listing = _listing(
        pathlib.Path(data_dir).expanduser(), part, base, problems
    )
    return published_list.load(
        name,
        data_dir,
        listing,
        split,
        image_size,
        problems,
        cache_mib,
        skip_broken,
    )


def _listing(directory, part, split, problems):
    names = _synsets(directory)
    if split == "train" or not names:
        rows = _training(directory, part, problems)
        names = names or _numbers(rows)
    if split == "val":
        rows = list_parsing.read_labels(
            directory / "info" / "val_filelist.txt",
            directory / "val_images_256",
            problems,
            clean=True,
        )
    kept = names[:MINI_CLASSES] if part == "mini" else names
    folder = {"imagenet": "imagenet/val"}.get(split, split)
    if split not in ("train", "val"):
        rows = _by_class(split, directory / folder, kept, problems)
    else:
        list_parsing.check_range(rows, len(names), problems)
        rows = rows.take(rows.labels < len(kept))
        list_parsing.check_paths(rows, problems)
    if split == "train":
        list_parsing.check_classes(rows, kept, problems)
    return listing_lib.Listing(kept, {split: rows})


def _synsets(directory):
    """Returns names such as `n01440764 tench`, none without their file."""
    file = directory / "info" / "synsets.txt"
    if not file.is_file():
        return ()
    # A line is `n01440764 tench, Tinca tinca`.  There are two kinds of
    # `crane`: only the synset tells them apart.
    return tuple(
        text.split(",")[0] for _, text in list_parsing.text_lines(file)
    )


def _numbers(rows):
    return tuple(map(str, range(rows.labels.max(initial=-1) + 1)))


def _training(directory, part, problems):
    lists = [
        list_parsing.read_labels(directory / "info" / file, directory, problems)
        for file in _TRAIN[part]
    ]
    return functools.reduce(operator.add, lists)


def _by_class(split, root, class_names, problems):
    """Lists the images of folders CLASS/*, their labels known to be clean."""
    if not root.is_dir():
        what = "trusted images"
        if split == "imagenet":
            what = "ImageNet's validation images"
        raise errors.UserError(
            f"{root} is not a folder: the split {split} has {what} in CLASS/*, "
            "CLASS the synset or the number of the class"
        )
    paths, labels = [], []
    for label, name in enumerate(class_names):
        synset = name.split()[0]
        folder = synset if (root / synset).is_dir() else str(label)
        found = [
            f"{folder}/{file.name}"
            for file in sorted((root / folder).glob("*"))
            if file.suffix.lower() in _SUFFIXES
        ]
        if not found:
            problems.append(
                f"{root}: no images of class {label} in {synset} or {label}"
            )
        paths += found
        labels += [label] * len(found)
    return published_list.ImageList.of(root, paths, labels, clean=True)
