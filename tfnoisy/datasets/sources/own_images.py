"""From a survey of an own data set to its images, all problems in one list."""

import collections

import numpy as np

from tfnoisy.datasets import dataset, splits
from tfnoisy.datasets import problems as problems_lib
from tfnoisy.datasets.images import files as image_files
from tfnoisy.datasets.images import streamed
from tfnoisy.datasets.sources import survey


class Reader:
    """Reads the pixels that a survey found, all problems in one list."""

    def __init__(
        self,
        source,
        surveyed,
        image_size,
        cache_mib,
        skip_broken=None,
        shape=None,
    ):
        """Decides on the images' shape.

        Args:
            source: what messages call the data.
            surveyed: a `survey.Survey`.
            image_size: as for `read_splits`.
            cache_mib: likewise.
            skip_broken: likewise; None if that is not offered.
            shape: (H, W, C) that images must have; by the training images if
                None.
        """
        self._source = source
        self._survey = surveyed
        self._cache_mib = cache_mib
        self._skip_broken = skip_broken
        self._shape = shape or self._decided_shape(image_size)
        if image_size is None and self._shape:
            self._check_sizes(shape)

    def _decided_shape(self, image_size):
        parts = self._survey.parts
        training = parts.get("train") or next(iter(parts.values()), None)
        if not training:
            return None
        looks = [finding.look for finding in training.findings]
        channels = 1 if all(look.grey for look in looks) else 3
        width, height = (image_size, image_size)
        if image_size is None:
            width, height = looks[0].size
        return height, width, channels

    def _check_sizes(self, given):
        height, width = self._shape[:2]
        sizes = collections.Counter(
            finding.look.size
            for part in self._survey.parts.values()
            for finding in part.findings
        )
        if given and set(sizes) - {(width, height)}:
            other = (sizes.keys() - {(width, height)}).pop()
            self._survey.problems.append(
                f"images of {other[0]}x{other[1]} pixels where the training "
                f"images have {width}x{height}; give --image_size to resize "
                "all"
            )
        elif len(sizes) > 1:
            shown = ", ".join(
                f"{count:,} of {w}x{h}"
                for (w, h), count in sizes.most_common(3)
            )
            self._survey.problems.append(
                f"the images are of {len(sizes)} sizes ({shown}"
                f"{', ...' * (len(sizes) > 3)} pixels); give --image_size, "
                "e.g. --image_size=64, to resize all"
            )

    def read(self, wanted, name="folder", mirror=True):
        """Returns {split: `ImageDataset`}.

        Raises:
            DataError: for whatever is wrong with the data.
        """
        problems = self._survey.problems
        for split in wanted:
            if splits.base(split) not in self._survey.parts:
                problems.append(
                    f"there is no {splits.base(split)} part; --test_share=0.2 "
                    "would hold out a fifth"
                )
        images = {}
        if not problems and not self._survey.small:
            images = {split: self._pixels(split) for split in wanted}
        faults = self._survey.faults
        small = self._survey.small
        if problems or small or (faults and not self._skip_broken):
            self._refuse(problems, small, faults)
        notes = [*self._survey.notes, *survey.skipped_notes(len(faults))]
        notes += problems_lib.listed(self._survey.repeated)
        return {
            split: self._dataset(name, mirror, tuple(notes), *images[split])
            for split in wanted
        }

    def _refuse(self, problems, small, faults):
        remedy = ""
        if self._skip_broken is False and (faults or small):
            # Classes are left out as long as two remain.
            left = len(self._survey.class_names) - len(small)
            remedy = survey.remedy(len(faults), len(small) if left > 1 else 0)
        problems_lib.refuse(
            self._source,
            [*problems, *small],
            # Those that are skipped are not in the way.
            [] if self._skip_broken else faults,
            self._survey.repeated,
            remedy=remedy,
        )

    def _pixels(self, split):
        """Returns the part of a slice, its first row and its images.

        Whatever cannot be decoded is added to the faults and left out.
        """
        base = splits.base(split)
        part = self._survey.parts[base]
        start, stop = splits.bounds(split, len(part))
        rows = np.arange(len(part))
        part = part.take((rows >= start) & (rows < stop))
        images = self._images(part)
        if images.nbytes > self._cache_mib * 2**20:
            return part, start, images
        try:
            return part, start, images[:]
        except streamed.BrokenImages:
            sound = np.ones(len(part), bool)
            sound[images.broken_rows()] = False
            for row, yes in zip(part.rows, sound):
                if not yes:
                    self._survey.skip(base, row, "broken image")
            if not self._skip_broken or not sound.any():
                return part, start, images
            part = part.take(sound)
            return part, start, self._images(part)[:]

    def _images(self, part):
        rows = part.rows
        return streamed.StreamedImages(
            image_files.FileImages(
                self._source,
                [row.path for row in rows],
                self._shape,
                where=lambda k: rows[k].where,
                plain=[finding.look.is_plain for finding in part.findings],
            )
        )

    def _dataset(self, name, mirror, notes, part, start, images):
        clean = [row.clean for row in part.rows]
        digests = b"".join(finding.digest for finding in part.findings)
        return dataset.ImageDataset(
            name=name,
            images=images,
            given_labels=np.array([row.given for row in part.rows], np.int64),
            clean_labels=None if None in clean else np.array(clean, np.int64),
            ids=np.arange(start, start + len(part)),
            class_names=self._survey.class_names,
            mirror=mirror,
            paths=tuple(row.path for row in part.rows),
            keys=tuple(row.key for row in part.rows),
            digests=np.frombuffer(digests, np.uint8).reshape([-1, 32]),
            notes=notes,
            skipped=tuple(self._survey.skipped),
        )
