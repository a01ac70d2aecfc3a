"""A folder as people have them: wrong labels, and files of every sort.

Of CIFAR-10N's images and the labels that people gave them, where they are
prepared; else of pictures that are drawn here.
"""

import dataclasses
import pathlib

import numpy as np
from PIL import Image

import image_kinds

CLASSES = ("bird", "cat", "deer", "dog", "frog")
# Kinds in turn, as cameras, phones and collectors name them.
_KINDS = (
    (".png", "PNG", {}),
    (".jpg", "JPEG", {"quality": 95}),
    (".JPG", "JPEG", {"quality": 95}),
    (".webp", "WEBP", {"lossless": True}),
    (".bmp", "BMP", {}),
    (".jpeg", "JPEG", {"quality": 95}),
    (".PNG", "PNG", {}),
)


@dataclasses.dataclass(frozen=True)
class DirtyFolder:
    """What was written.

    Attributes:
        path: the folder.
        truth: {path of an image from the folder on: its true class}.
        given: {path: the class that it is filed under}.
        copies: {path of a copy: path of what it is a copy of}.
        others: paths of the files that are no images, or broken ones.
    """

    path: pathlib.Path
    truth: dict
    given: dict
    copies: dict
    others: tuple

    @property
    def wrong(self):
        """The paths of the images that are filed wrongly."""
        return [p for p, name in self.given.items() if self.truth[p] != name]


def write(path, images, given_labels, clean_labels, class_names, copies=20):
    """Writes `CLASS/...`: an image a file, in kinds, names and folders of many.

    Args:
        path: the folder to make.
        images: uint8 [N, H, W, 3].
        given_labels: int [N], where they are filed.
        clean_labels: int [N], their true classes.
        class_names: of the labels.
        copies: how many images are there twice: exactly, mirrored or saved
            again as JPEG, a third of them in a class of another name.
    """
    path = pathlib.Path(path)
    truth, given, twice = {}, {}, {}
    for number, (image, label, right) in enumerate(
        zip(images, given_labels, clean_labels)
    ):
        suffix, kind, options = _KINDS[number % len(_KINDS)]
        inner = "holiday 2019/" if number % 5 == 0 else ""
        name = f"{class_names[label]}/{inner}IMG_{number:05d}{suffix}"
        drawn = Image.fromarray(image)
        options = dict(options)
        if kind == "JPEG" and number % 3 == 0:
            # As a phone held upright saves it: turned, and marked as such.
            drawn = drawn.transpose(Image.Transpose.ROTATE_90)
            options["exif"] = image_kinds.exif_of(6)
        _save(path / name, drawn, kind, options)
        truth[name], given[name] = class_names[right], class_names[label]
    names = list(given)
    for k in range(copies):
        source = names[(k * 37) % len(names)]
        image = Image.fromarray(images[(k * 37) % len(names)])
        label = class_names.index(given[source])
        if k % 3 == 0:
            label = (label + 1) % len(class_names)
        name = f"{class_names[label]}/copy of {k}.png"
        kind, options = "PNG", {}
        if k % 3 == 1:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        elif k % 3 == 2:
            kind, options = "JPEG", {"quality": 75}
            name = name.replace(".png", ".jpg")
        _save(path / name, image, kind, options)
        truth[name], given[name] = truth[source], class_names[label]
        twice[name] = source
    others = {
        f"{class_names[0]}/notes.txt": b"to be sorted",
        f"{class_names[0]}/Thumbs.db": bytes(100),
        f"{class_names[1]}/labels.csv": b"a,b\n1,2\n",
        f"{class_names[1]}/broken.jpg": (path / names[1]).read_bytes()[:120],
        f"{class_names[2]}/empty.png": b"",
    }
    for name, contents in others.items():
        (path / name).write_bytes(contents)
    return DirtyFolder(path, truth, given, twice, tuple(others))


def of_cifar10_n(path, count=2500):
    """Writes five classes of CIFAR-10 with the labels `worse` of people.

    Images that people gave one of these classes, whose true class is one of
    them: the first `count` of the training set.
    """
    from tfnoisy.datasets import load

    data = load.load("cifar10_n", "train[:20%]")
    worse = data.human_labels["worse"]
    classes = [data.class_names.index(name) for name in CLASSES]
    number_of = {label: k for k, label in enumerate(classes)}
    fits = np.isin(worse, classes) & np.isin(data.clean_labels, classes)
    rows = np.flatnonzero(fits)[:count]
    return write(
        path,
        data.images[rows],
        [number_of[k] for k in worse[rows].tolist()],
        [number_of[k] for k in data.clean_labels[rows].tolist()],
        CLASSES,
    )


def of_drawings(path, each=40, wrong=0.2, side=40):
    """Writes three classes of coloured shapes, some filed wrongly."""
    draws = np.random.default_rng(0)
    names = ("disc", "ring", "stripes")
    clean = np.arange(3 * each) % 3
    images = np.stack([_drawing(k, side, draws) for k in clean.tolist()])
    given = clean.copy()
    rows = draws.permutation(len(clean))[: round(wrong * len(clean))]
    given[rows] = (given[rows] + draws.integers(1, 3, len(rows))) % 3
    return write(path, images, given, clean, names, copies=6)


def _drawing(kind, side, draws):
    """Returns a disc, a ring or stripes, uint8 [side, side, 3]."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    y, x = y + draws.uniform(-4, 4), x + draws.uniform(-4, 4)
    radius = np.hypot(x, y) / side
    size = draws.uniform(0.25, 0.4)
    shape = {
        0: radius < size,
        1: np.abs(radius - size) < 0.07,
        2: np.sin((x + y) * draws.uniform(0.5, 0.8)) > 0,
    }[kind]
    colours = draws.integers(0, 256, (2, 3))
    colours[0] = colours[1] // 2 + np.array([60, 90, 110])
    image = np.where(shape[..., np.newaxis], colours[0], colours[1])
    noise = draws.normal(0, 8, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def _save(path, image, kind, options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, kind, **options)
