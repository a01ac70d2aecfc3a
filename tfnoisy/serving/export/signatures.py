"""What a served model answers: the signatures, as TensorFlow functions.

    serving_default  images       float32 [N, H, W, C], 0..255
    serving_uint8    images       uint8 [N, H, W, C]
    serving_bytes    image_bytes  string [N], PNG or JPEG files
    features         images       float32 [N, H, W, C], 0..255

Pixels are 0..255, not 0..1, and N is at least 1.  A signature has one type.
The default's is float32: whole numbers and decimals in a REST request both
turn into it, where a signature of uint8 would refuse the decimals.
`serving_uint8` is the same function for callers that count their bytes, a
fourth as many over gRPC.

All but `features` give

    probabilities        float32 [N, C]
    class_ids            int64 [N], the most likely class
    class_names          string [N], its name
    top_k_probabilities  float32 [N, k], falling
    top_k_class_ids      int64 [N, k]
    top_k_class_names    string [N, k]

and `features` what the last layer sees, float32 [N, F]; of two networks that
judge together both, one after the other.
"""

import keras
import tensorflow as tf

from tfnoisy import output_file
from tfnoisy.datasets.images import decoding
from tfnoisy.nets import registry


class Classifier:
    """A trained network from pixels or files to named classes.

    Attributes:
        network: as given.
        names: the table of class names, by class id.
        image_shape: (H, W, C).
        num_classes: the length of `probabilities`.
        top_k: how many classes an answer names.
    """

    def __init__(
        self, network, view, image_shape, labels_file, top_k, crop=False
    ):
        """Puts a network between its evaluation view and its answers.

        Args:
            network: a built `keras.Model` of logits [N, num_classes], or a
                `nets.pair.Pair`, with the weights to be served.
            view: an `Augmentation`'s evaluation view.
            image_shape: (H, W, C) of the images it was trained on.
            labels_file: the class names, a line each.
            top_k: how many classes an answer names.
            crop: whether files are cropped to the image's proportions.
        """
        self.network = network
        self._view = view
        self._parts = [
            registry.features(part)
            for part in getattr(network, "networks", [network])
        ]
        self.image_shape = tuple(image_shape)
        self.num_classes = network.output_shape[-1]
        self.top_k = top_k
        self._crop = crop
        self.names = tf.lookup.StaticHashTable(
            tf.lookup.TextFileInitializer(
                str(labels_file),
                tf.int64,
                tf.lookup.TextFileIndex.LINE_NUMBER,
                tf.string,
                tf.lookup.TextFileIndex.WHOLE_LINE,
            ),
            default_value="",
        )

    def signatures(self):
        """Returns {name: (function, `tf.TensorSpec` of its argument)}."""

        def pixels(dtype):
            return tf.TensorSpec([None, *self.image_shape], dtype, "images")

        return {
            "serving_default": (self.classify, pixels(tf.float32)),
            "serving_uint8": (self.classify, pixels(tf.uint8)),
            "serving_bytes": (
                self.classify_files,
                tf.TensorSpec([None], tf.string, "image_bytes"),
            ),
            "features": (self.features, pixels(tf.float32)),
        }

    def save(self, path):
        """Writes the SavedModel into a folder."""
        archive = keras.export.ExportArchive()
        archive.track(self.names)
        for name, (function, spec) in self.signatures().items():
            archive.add_endpoint(name, function, [spec])
        archive.write_out(str(path), verbose=False)

    def logits(self, images):
        """Returns the logits [N, C] of images of any type, 0..255."""
        return self.network(self._seen(images), training=False)

    def probabilities(self, images):
        """Returns {probabilities} alone, without the names."""
        return {"probabilities": tf.nn.softmax(self.logits(images))}

    def classify(self, images):
        """Returns the answer, see above, to images [N, H, W, C], 0..255."""
        logits = self.logits(images)
        probabilities = tf.nn.softmax(logits)
        # By logits, whose order rounding to probabilities may undo.
        ids = tf.math.top_k(logits, self.top_k).indices
        top_probabilities = tf.gather(probabilities, ids, batch_dims=1)
        ids = tf.cast(ids, tf.int64)
        names = self.names.lookup(ids)
        return {
            "probabilities": probabilities,
            "class_ids": ids[:, 0],
            "class_names": names[:, 0],
            "top_k_probabilities": top_probabilities,
            "top_k_class_ids": ids,
            "top_k_class_names": names,
        }

    def classify_files(self, image_bytes):
        """Returns the answer to the contents of PNG or JPEG files [N]."""
        # Only the CPU decodes; a GPU gets the batch and not single images.
        with tf.device("CPU:0"):
            images = tf.map_fn(
                lambda file: decoding.decode(
                    file, self.image_shape, self._crop
                ),
                image_bytes,
                fn_output_signature=tf.TensorSpec(self.image_shape, tf.uint8),
            )
        return self.classify(images)

    def features(self, images):
        """Returns {features}: what the last layer sees, float32 [N, F]."""
        seen = self._seen(images)
        parts = [part(seen, training=False) for part in self._parts]
        return {"features": tf.concat(parts, axis=-1)}

    def _seen(self, images):
        """Returns the evaluation view; refuses images of another size.

        A server does not compare a request with the shape of its signature,
        and most networks would give some answer.
        """
        return self._view(tf.ensure_shape(images, [None, *self.image_shape]))


def write_labels(path, names):
    """Writes class names to a file as `Classifier` reads them.

    Args:
        path: the file.
        names: of the classes, in order; without line ends.
    """
    output_file.write(path, "".join(f"{name}\n" for name in names))
