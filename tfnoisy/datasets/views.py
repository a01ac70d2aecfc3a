"""What a training batch shows of its images, and where that is computed.

On the host as a rule, ahead of the steps.  A GPU would wait for it: there the
views of one image each are computed within the step.  Then the host names
rows and draws, the same ones in the same order, and the pixels of the whole
data set lie on the device; or, where they are too many, it sends them cropped,
as bytes, and the step makes numbers of them.
"""

import dataclasses

import tensorflow as tf

from tfnoisy.augment import standard

# Where a view is computed: HOST; DEVICE, from pixels that lie on it; FINISHED,
# moved on the host and finished in the step.
HOST, DEVICE, FINISHED = "host", "device", "finished"


@dataclasses.dataclass(frozen=True)
class Views:
    """The views that a batch has of each image.

    Attributes:
        augmentation: of the training views.
        num_views: V, how many of them.
        strong: an `Augmentation` that makes one more view, of an image moved
            by the first `augmentation`, or one of the image itself, if it
            comes first, see there; or None.
    """

    augmentation: standard.Augmentation
    num_views: int = 1
    strong: standard.Augmentation | None = None

    def of(self, pixels, draws):
        """Returns the finished views, see `move` and `finish`."""
        return self.finish(self.move(pixels, draws), draws)

    def move(self, pixels, draws):
        """Moves the pixels.

        Args:
            pixels: uint8 [b, H, W, C].
            draws: {augment: float32 [b, M * augmentation.num_draws],
                augment_strong: float32 [b, strong.num_draws], if there is
                one}; the last of the M movements is the strong view's, the
                first V are the training views'.

        Returns:
            {images: a tuple of V tensors uint8 [b, H, W, C], and
            images_strong}, of the views' shape.
        """
        parts = self._parts(draws)
        moved = {
            "images": tuple(
                self.augmentation.move(pixels, part)
                for part in parts[: self.num_views]
            )
        }
        if self.strong is not None:
            steps = [
                (self.augmentation.move, parts[-1]),
                (self.strong.move, draws["augment_strong"]),
            ]
            for step, drawn in steps[:: -1 if self.strong.comes_first else 1]:
                pixels = step(pixels, drawn)
            moved["images_strong"] = pixels
        return moved

    def finish(self, moved, draws):
        """Makes numbers of moved pixels.

        Args:
            moved: of `move`.
            draws: likewise.

        Returns:
            {images: float32 [b, H, W, C], or [b, V, H, W, C] for several, and
            images_strong}.
        """
        parts = self._parts(draws)
        finished = [
            self.augmentation.finish(each, part)
            for each, part in zip(moved["images"], parts)
        ]
        views = {
            "images": finished[0]
            if self.num_views == 1
            else tf.stack(finished, 1)
        }
        if self.strong is not None:
            if self.strong.comes_first:
                last, drawn = self.augmentation, parts[-1]
            else:
                last, drawn = self.strong, draws["augment_strong"]
            views["images_strong"] = last.finish(moved["images_strong"], drawn)
        return views

    def _parts(self, draws):
        each = self.augmentation.num_draws
        count = draws["augment"].shape[1] // each if each else self.num_views
        return tf.split(draws["augment"], count, axis=1)


class InStep:
    """Computes, within the step, what the host has left of one view.

    Attributes:
        place: DEVICE or FINISHED.
    """

    def __init__(
        self,
        dataset,
        augmentation,
        device=None,
        place=DEVICE,
        jit_compile=False,
    ):
        """Puts the pixels on the device, if they are to lie there.

        Args:
            dataset: an `ImageDataset`; for DEVICE its images are an array.
            augmentation: its training view is used.
            device: the name of the step's device; None for TensorFlow's
                choice.
            place: DEVICE or FINISHED.
            jit_compile: whether XLA compiles the view, where it can: on a GPU
                it makes a few kernels of some dozens.  Without it a CPU keeps
                the very operations of the host's path, and its bits.
        """
        self.place = place
        self._views = Views(augmentation)
        self._pixels = None
        if place == DEVICE:
            with tf.device(device):
                self._pixels = tf.constant(dataset.images)
        self._see = self._seen
        if jit_compile:
            with tf.device(device):
                self._see = self._by_xla(dataset.images[:1])

    def left(self, read, row, draws):
        """Returns the part of a batch that stands for its images.

        Args:
            read: rows -> uint8 [b, H, W, C].
            row: int32 [b].
            draws: as for `Views.move`.
        """
        if self.place == DEVICE:
            return {"unseen": {"rows": row, "draws": draws}}
        moved = self._views.move(read(row), draws)
        return {"unseen": {"moved": moved, "draws": draws}}

    def __call__(self, batch):
        """Returns the batch with its `images`.

        Args:
            batch: a dictionary; one that has its images already is returned
                as it is.
        """
        if "unseen" not in batch:
            return batch
        rest = {k: v for k, v in batch.items() if k != "unseen"}
        return {**self._see(batch["unseen"]), **rest}

    def _by_xla(self, images):
        """Returns what XLA makes of `_seen`, or else `_seen`."""
        compiled = tf.function(self._seen, jit_compile=True, autograph=False)
        row = tf.zeros([1], tf.int32)
        draws = {"augment": tf.zeros([1, self._views.augmentation.num_draws])}
        try:
            compiled(self.left(lambda _: images, row, draws)["unseen"])
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError):
            # A view of a plugin may have what XLA does not know.
            return self._seen
        return compiled

    def _seen(self, unseen):
        draws = unseen["draws"]
        moved = unseen.get("moved")
        if moved is None:
            pixels = tf.gather(self._pixels, unseen["rows"])
            moved = self._views.move(pixels, draws)
        return self._views.finish(moved, draws)
