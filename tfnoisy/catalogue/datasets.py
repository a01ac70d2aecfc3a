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

    It is called with keyword arguments: `split`, and those of `name`,
    `data_dir`, `labels_csv`, `image_size` and `cache_mib` that it names; see
    `datasets.load.load`.  An option that it does not name is refused.
    """


DATASETS = registry.Registry(
    "data set",
    DataSet,
    [
        DataSet(name=name, target=f"tfnoisy.datasets.sources.{name}:read")
        for name in ("digits", "folder", "clothing1m", "webvision")
    ],
)

register = DATASETS.register
