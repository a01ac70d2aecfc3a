"""The data of a run: loaded, its noise applied, a share held out."""

import dataclasses
import typing

import numpy as np

from tfnoisy import errors, randomness
from tfnoisy.augment import standard, strong
from tfnoisy.datasets import dataset as dataset_lib
from tfnoisy.datasets import load as dataset_load
from tfnoisy.datasets import long_tail, pipeline
from tfnoisy.datasets import probe as probe_lib
from tfnoisy.datasets import splits as split_texts
from tfnoisy.datasets.images import streamed
from tfnoisy.noise import joining
from tfnoisy.noise import manifest as noise_manifest
from tfnoisy.runs import corrected, flag_values


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Which data, by the names of the scripts' flags.

    Attributes:
        dataset_name: see `datasets.load.load`.
        data_dir: likewise.
        labels_csv: likewise.
        image_size: likewise, 0 for the images' own.
        cache_mib: likewise.
        test_share: likewise.
        min_class_images: likewise.
        skip_broken: likewise.
        corrections: a file of people's decisions, see `datasets.corrections`;
            empty for none.
        train_split: the training examples, in TFDS's slicing syntax.
        test_split: the clean test examples.
        noise: what is done to the training labels, see `noise.spec`.
        noise_seed: of these draws.
        noise_manifest: a manifest's file to use in place of `noise`.
        holdout: share of the noisy training data kept for selection.
        augment: the name of an augmentation, see `augment.standard`.
        aug_type: the name of a strong augmentation, see `strong_view`, or
            empty for none.
        probe_dataset_hold_ratio: share of the training set held out as
            trusted before the noise; 0 for none.
        probe_dir: in place of it, a folder of trusted images.
        probe_csv: likewise, a CSV that names them.
        probe_split: likewise, a split whose labels are known to be clean.
        imbalance: the share of the largest class's training images that the
            last class keeps, see `datasets.long_tail`; 0 to keep all.
        seed: of everything but the noise.
    """

    dataset_name: str
    data_dir: str = ""
    labels_csv: str = ""
    image_size: int = 0
    cache_mib: int = streamed.CACHE_MIB
    test_share: float = 0.2
    min_class_images: int = 1
    skip_broken: bool = False
    corrections: str = ""
    train_split: str = "train"
    test_split: str = "test"
    noise: str = "none"
    noise_seed: int = 0
    noise_manifest: str = ""
    holdout: float = 0.0
    augment: str = "standard"
    aug_type: str = ""
    probe_dataset_hold_ratio: float = 0.0
    probe_dir: str = ""
    probe_csv: str = ""
    probe_split: str = ""
    imbalance: float = 0.0
    seed: int = 0

    # Whether corrections that do not fit are left out, not refused.
    lenient: typing.ClassVar[bool] = False

    @classmethod
    def from_flags(cls, values):
        """Returns the options that a run folder's flags record.

        Args:
            values: {flag name: value as text}; flags that are no option are
                ignored.

        Raises:
            UserError: for a text that is no value of its option.
        """
        return cls(**flag_values.of_dataclass(cls, values))


class RecordedOptions(DataOptions):
    """The options of a run whose data may have changed since."""

    lenient = True


@dataclasses.dataclass(frozen=True)
class Data:
    """The data of an experiment, noise applied.

    Attributes:
        train: the training `ImageDataset`, given labels noisy.
        holdout: likewise, kept for selection, or None.
        test: the test `ImageDataset`.
        manifest: the `NoiseManifest` of train and holdout together.
        augmentation: the views.
        strong: the strong view, or None.
        probe: the trusted `ImageDataset`, or None.
    """

    train: dataset_lib.ImageDataset
    holdout: dataset_lib.ImageDataset | None
    test: dataset_lib.ImageDataset
    manifest: noise_manifest.NoiseManifest
    augmentation: standard.Augmentation
    strong: standard.Augmentation | None = None
    probe: dataset_lib.ImageDataset | None = None

    def training(self, batch_size, seed):
        """Returns the `pipeline.TrainingData` of a run."""
        return pipeline.TrainingData(
            self.train,
            self.augmentation,
            batch_size,
            seed,
            self.strong,
            self.probe,
        )


def load(options):
    """Loads a run's data and applies its noise.

    Args:
        options: a `DataOptions`.

    Returns:
        A `Data`.

    Raises:
        UserError: for anything that the user can put right.
    """
    if not 0.0 <= options.holdout < 1.0:
        raise errors.UserError(
            f"--holdout is a share in [0, 1), not {options.holdout}"
        )
    _check_noise(options)
    loaded = load_splits(options, [options.train_split, options.test_split])
    train = loaded[options.train_split]
    probe, rest = _probe(options, train)
    train, manifest = _with_noise(options, train, rest)
    held_out, train = split_off(train, options.holdout, options.seed)
    test = loaded[options.test_split]
    if test.images.shape[1:] != train.images.shape[1:]:
        raise errors.UserError(
            f"training images are {train.images.shape[1:]}, test images "
            f"{test.images.shape[1:]}: set --image_size"
        )
    if test.clean_labels is not None and (test.clean_labels < 0).any():
        # An image of no class cannot be judged.
        test = test.take(test.clean_labels >= 0)
    shape = train.images.shape[1:]
    augmentation = standard.get(options.augment, shape, train.mirror)
    view = None
    if options.aug_type:
        view = strong_view(options.aug_type, augmentation, shape, train.mirror)
    return Data(train, held_out, test, manifest, augmentation, view, probe)


def load_training(options):
    """Loads the training examples alone, all of them, and applies the noise.

    Args:
        options: a `DataOptions`.  An own folder without a test part keeps all
            of its images.

    Returns:
        An `ImageDataset`.

    Raises:
        UserError: for anything that the user can put right.
    """
    _check_noise(options)
    options = dataclasses.replace(options, test_share=0.0)
    train = load_split(options, options.train_split)
    return _with_noise(options, train, train)[0]


def _check_noise(options):
    if options.noise.startswith("dividemix") and options.train_split != "train":
        raise errors.UserError(
            f"--noise={options.noise} is made for the whole training set, not "
            f"for --train_split={options.train_split}; make it for the whole "
            "and pass its --noise_manifest"
        )


def _with_noise(options, train, part):
    """Returns a part of the training examples with its noise, and the manifest.

    Args:
        options: a `DataOptions`.
        train: the `ImageDataset` that the noise is made for.
        part: the examples of it that are wanted.
    """

    def load_source(name):
        return dataset_load.load(
            name, "train", image_size=options.image_size or 32
        )

    if options.noise_manifest:
        manifest = noise_manifest.NoiseManifest.load(options.noise_manifest)
        if options.noise not in ("none", manifest.spec):
            raise errors.UserError(
                f"--noise={options.noise} contradicts --noise_manifest, which "
                f"is of {manifest.spec}; give one of the two"
            )
    else:
        manifest = noise_manifest.inject(
            train, options.noise, options.noise_seed, load_source
        )
    manifest = manifest.part(part)
    if options.corrections:
        manifest = dataclasses.replace(manifest, corrections=train.notes[-1])
    return manifest.apply(part, load_source), manifest


def strong_view(name, augmentation, image_shape, mirror):
    """Returns a strong augmentation by a name of `--aug_type`.

    Args:
        name: `autoaug` or `randaug` (IEG's), `default` (the standard view once
            more), or any name of `augment.strong`.
        augmentation: the standard one.
        image_shape: (H, W, C) of the images.
        mirror: whether a flipped image keeps its class.

    Raises:
        UserError: for a name that does not exist, or does not go with the
            standard one.
    """
    if name == "default":
        if augmentation.view_shape != image_shape:
            raise errors.UserError(
                f"--aug_type=default would crop what --augment="
                f"{augmentation.name} has cropped: take another one of the two"
            )
        return augmentation
    view = strong.get(name, augmentation.view_shape, mirror)
    # What comes first sees the image, which the standard one then crops.
    return strong.get(name, image_shape, mirror) if view.comes_first else view


def _probe(options, train):
    """Returns the probe set, or None, and the other training examples."""
    if options.probe_dir or options.probe_csv:
        probe = probe_lib.read(
            options.probe_dir,
            options.probe_csv,
            train,
            image_size=options.image_size or None,
            seed=options.seed,
        )
        return probe, train
    if options.probe_split:
        split = load_split(options, options.probe_split)
        return probe_lib.of_split(split, train, options.seed), train
    if not options.probe_dataset_hold_ratio:
        return None, train
    return probe_lib.hold_out(
        train, options.probe_dataset_hold_ratio, options.seed
    )


def load_split(options, split):
    """Returns one split, an `ImageDataset`, as `load_splits` does.

    Args:
        options: a `DataOptions`.
        split: in TFDS's slicing syntax.
    """
    return load_splits(options, [split])[split]


def load_splits(options, splits):
    """Returns splits as files and corrections have them.

    Args:
        options: a `DataOptions`.
        splits: texts in TFDS's slicing syntax.

    Returns:
        {split: `ImageDataset`}.
    """
    loaded = dataset_load.load_splits(
        options.dataset_name,
        splits,
        data_dir=options.data_dir,
        labels_csv=options.labels_csv,
        image_size=options.image_size or None,
        cache_mib=options.cache_mib,
        test_share=options.test_share,
        min_class_images=options.min_class_images,
        skip_broken=options.skip_broken,
    )
    if options.imbalance:
        loaded = {
            split: long_tail.of(data, options.imbalance)
            if split_texts.base(split) == "train"
            else data
            for split, data in loaded.items()
        }
    return corrected.correct(
        options.corrections, loaded, lenient=options.lenient
    )


def load_recorded(options, path):
    """Returns the training examples of a run, wherever their files are now.

    Args:
        options: the run's `DataOptions`.
        path: of its noise manifest.

    Returns:
        The `ImageDataset` of those that are still there, with the labels and
        ids that they had in the run; and lines on what became of the others.

    Raises:
        UserError: if the data are no longer those of the run.
    """
    manifest = noise_manifest.NoiseManifest.load(path)
    data = load_split(options, options.train_split)
    if manifest.keys is None or data.keys is None:
        return load(options).train, ()
    if len(data) != len(manifest.ids):
        # A slice of a folder that has changed is another slice.
        data = load_split(options, options.train_split.partition("[")[0])
    train, notes = joining.follow(manifest, data)
    count = round(options.holdout * len(manifest.ids))
    draws = randomness.uniform_by_id(
        options.seed, "holdout", int(manifest.ids.max()) + 1, 1
    ).numpy()[manifest.ids, 0]
    held_out = manifest.ids[np.argsort(draws, kind="stable")[:count]]
    return train.take(~np.isin(train.ids, held_out)), notes


def split_off(dataset, share, seed):
    """Splits off a random share of a data set, chosen by id.

    Args:
        dataset: an `ImageDataset`.
        share: in [0, 1); round(share * N) examples are split off.
        seed: the run's seed.

    Returns:
        (the share or None if it is empty, the rest).
    """
    count = round(share * len(dataset))
    if not share:
        return None, dataset
    if not 0 < count < len(dataset):
        raise errors.UserError(
            f"--holdout={share} of {len(dataset)} examples is {count}: it must "
            "leave some on both sides"
        )
    chosen = np.zeros(len(dataset), bool)
    chosen[by_lot(dataset, "holdout", seed)[:count]] = True
    return dataset.take(chosen), dataset.take(~chosen)


def steps_of(num_epochs, num_examples, batch_size):
    """Returns how many batches make so many passes, rounded up."""
    return -(-int(num_epochs * num_examples) // batch_size)


def by_lot(dataset, stream, seed):
    """Returns the rows of a data set in a random order, int64 [N].

    Args:
        dataset: an `ImageDataset`.
        stream: a name in `randomness.STREAMS`.
        seed: the run's seed.
    """
    draws = randomness.uniform_by_id(seed, stream, dataset.num_ids, 1)
    return np.argsort(draws.numpy()[dataset.ids, 0], kind="stable")
