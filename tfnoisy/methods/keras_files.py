"""Saving, loading and exporting of all methods, as Keras has them."""

import threading

import keras

from tfnoisy.methods import classifier as classifier_lib
from tfnoisy.methods import configuration, students


class Files:
    """What `base.Method` has of a `keras.Model` that goes into files."""

    def __new__(cls, *args, **kwargs):
        """Keeps the arguments of the constructor, for `get_config`."""
        model = super().__new__(cls, *args, **kwargs)
        # Set past Keras, which would look into them for weights.
        for name, value in {
            "_arguments": configuration.Arguments(cls, args, kwargs),
            "_observed": threading.local(),
            "_compiled_with": configuration.Compilation(),
            "executions": {},
        }.items():
            object.__setattr__(model, name, value)
        return model

    def get_compile_config(self):
        """Returns the arguments of `compile`, for a file."""
        if not self.compiled:
            return {}
        return configuration.serialised(self._compiled_with.values)

    def compile_from_config(self, config):
        """Compiles with what `get_compile_config` returned."""
        self.compile(**configuration.deserialised(config))

    def get_config(self):
        """Returns the arguments of the constructor, for a file.

        What a method has learnt is not in it; nor is a `probe`, which `fit`
        takes again.
        """
        replaced = {"student": self.student, "name": self.name}
        if self.num_ids is not None:
            replaced["num_ids"] = self.num_ids
        return self._arguments.config(("probe",), **replaced)

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Returns a method with new weights, made as `get_config` says."""
        with keras.saving.custom_object_scope(custom_objects or {}):
            return cls(**configuration.deserialised(config))

    def get_build_config(self):
        """Returns None: a method is built by its constructor."""
        return None

    def build_from_config(self, config):
        """Does nothing, see `get_build_config`."""

    def evidence_frame(self):
        """Returns `evidence` as a `pandas.DataFrame`, None if there is none.

        Its index are the ids: positions in the arrays that `fit` was given.
        """
        import pandas as pd

        evidence = self.evidence()
        if evidence is None:
            return None
        ids = pd.Index(evidence["ids"], name="id")
        columns = {k: v for k, v in evidence.items() if k != "ids"}
        return pd.DataFrame(columns, index=ids)

    def classifier(self, logits=False):
        """Returns the trained classifier, a plain `keras.Model`.

        It has the weights that the method is evaluated with: their moving
        averages, or both networks of a pair.  This is what to save for use;
        the student has the raw weights.

        Args:
            logits: whether it gives logits in place of probabilities.

        Returns:
            A model of images to probabilities [N, C], as those of `predict`,
            in float32 and with weights of its own.

        Raises:
            ArgumentError: if the student is not built.
        """
        students.refuse_unbuilt(self.student)
        return classifier_lib.build(self, logits)

    def export(self, filepath, format="tf_saved_model", **kwargs):
        """Exports `classifier()`, as `keras.Model.export`.

        Args:
            filepath: where to.
            format: as for Keras: `tf_saved_model`, `onnx`, `litert`, ...
            **kwargs: as for Keras.
        """
        return self.classifier().export(filepath, format=format, **kwargs)
