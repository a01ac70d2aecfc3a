"""The features of a data set's images, computed once and kept."""

import dataclasses
import pathlib

import numpy as np

from tfnoisy import progress
from tfnoisy.audit.features import networks, own_file, store

# Pixels that are in memory at a time, and at most as many images.
_CHUNK_BYTES, _CHUNK_IMAGES = 2**26, 1024


@dataclasses.dataclass(frozen=True, eq=False)
class Features:
    """The features of N images.

    Attributes:
        values: floats [N, D].
        name: where they are from, as a user names it.
        computed: how many of the images were computed now; the others had
            been before.
        kept_in: the path of the file that keeps them, or None.
        note: a sentence for a report, or empty.
    """

    values: np.ndarray
    name: str
    computed: int = 0
    kept_in: pathlib.Path | None = None
    note: str = ""


def of(dataset, name, *, cache_dir=None):
    """Returns the `Features` of a data set's images.

    Args:
        dataset: an `ImageDataset`.
        name: `efficientnet_lite0`, `keras:NAME`, a run folder (see
            `networks`), or a file .npy or .npz (see `own_file`).
        cache_dir: the folder that keeps what is computed; None for the
            user's cache.

    Raises:
        UserError: one line, for whatever the user can put right.
    """
    if pathlib.Path(name).suffix.lower() in (".npy", ".npz"):
        return Features(own_file.read(name, dataset), str(name))
    extractor = networks.get(name)
    values, computed, path = extract(dataset.images, extractor, cache_dir)
    return Features(values, str(name), computed, path, extractor.note)


def extract(images, extractor, cache_dir=None):
    """Computes the features of images, but for those that are kept.

    Args:
        images: uint8 [N, H, W, C], an array or `streamed.StreamedImages`.
        extractor: a `networks.Extractor`.
        cache_dir: as for `of`.

    Returns:
        (float32 [N, D], how many were computed, the path of the file that
        keeps them or None).

    Raises:
        BrokenImages: if a streamed image cannot be read; what was computed
            before is kept.
    """
    keys, computed = [], 0
    with (
        store.FeatureStore(
            cache_dir, extractor.fingerprint, extractor.size
        ) as kept,
        progress.Progress("features", len(images)) as bar,
    ):
        for pixels in _chunks(images):
            here = [store.key_of(image) for image in pixels]
            keys += here
            # Each that is not there yet, once.
            new = {key: row for row, key in enumerate(here) if key not in kept}
            bar.update(len(here) - len(new))
            rows = list(new.values())
            for first in range(0, len(rows), extractor.batch_size):
                batch = rows[first : first + extractor.batch_size]
                kept.append(
                    [here[row] for row in batch], extractor(pixels[batch])
                )
                computed += len(batch)
                bar.update(len(batch))
        return kept.values(keys), computed, kept.path


def _chunks(images):
    """Yields the images, read, a part at a time."""
    size = max(int(np.prod(images.shape[1:])), 1)
    step = min(max(_CHUNK_BYTES // size, 1), _CHUNK_IMAGES)
    for first in range(0, len(images), step):
        yield images[first : first + step]
