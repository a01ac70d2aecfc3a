"""The data sets beside those of TFDS.

@datasets.register("my_data")
def my_data(split, image_size=None):
    ...
"""

import dataclasses

from tfnoisy import registry


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataSet(registry.Entry):
    """A data set: a function that returns a split, an `ImageDataset`.

    It is called with keyword arguments: `split`, and those of `name` and the
    options of `datasets.load.load` that it names.  An option that it does not
    name is refused.  A function that names `splits` in place of `split` reads
    several at once, {split: `ImageDataset`}, and can so tell what is wrong
    with all of them.
    """


DATASETS = registry.Registry(
    "data set",
    DataSet,
    [
        DataSet(name=name, target=f"tfnoisy.datasets.sources.{name}:{function}")
        for name, function in {
            "digits": "read",
            "folder": "read_splits",
            "clothing1m": "read",
            "webvision": "read",
        }.items()
    ]
    + [
        DataSet(
            name="huggingface",
            target="tfnoisy.datasets.sources.hugging_face:read_splits",
        )
    ],
)

register = DATASETS.register
