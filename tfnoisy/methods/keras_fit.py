"""`compile`, `fit` and `evaluate` of all methods, as Keras has them.

They behave as those of `keras.Model`, or refuse with the remedy.
"""

import keras
import tensorflow as tf

from tfnoisy import errors
from tfnoisy.methods import batches
from tfnoisy.methods import losses as losses_lib
from tfnoisy.methods.fitting import (
    arrays,
    checks,
    evaluation,
    loop,
    sources,
)

# Marks the values of compiled metrics among a step's logs.
_METRIC = "metric/"


def _hits(labels, probabilities):
    """Returns 1 where the most likely class is the label, [B]."""
    if len(labels.shape) == 2 and labels.shape[1] != 1:
        return losses_lib.hits(labels, probabilities)
    labels = tf.reshape(tf.cast(labels, tf.int64), [-1])
    return tf.cast(labels == tf.argmax(probabilities, -1), tf.float32)


class Accuracy(keras.metrics.MeanMetricWrapper):
    """The share of right answers, for labels [B] and [B, C] alike."""

    def __init__(self, name="accuracy", dtype=None):
        super().__init__(fn=_hits, name=name, dtype=dtype)
        # By which callbacks know that more is better.
        self._direction = "up"


class Fitting:
    """What `base.Method` has of a `keras.Model` that is trained.

    Attributes:
        takes_sample_weights: whether the loss has a place for the weights of
            examples that a user gives.
        trains_in_epochs: whether the method looks at all of its data between
            epochs, and says itself when one ends.
        epoch_passes: how often an epoch goes through the data in batches of
            which the last one may be short: 2 where two networks are trained
            one after the other; None where batches cross the borders of
            epochs, or a script of the method's own counts them.
        needs_probe: whether it needs trusted images beside the others.
        uses_strong_view: whether it needs a second view of each image.
        sees_one_view: whether it has stages whose batches show one weak view
            of each image and come from `TrainingData.batches`, `whole_pass`
            or `full_batches` as they are: the step itself can compute that
            view.
        own_batch_size: its batch size, where that is an argument of its own.
        probe: trusted (images, labels) that `fit` takes if it is given none.
    """

    takes_sample_weights = False
    trains_in_epochs = False
    epoch_passes: int | None = None
    needs_probe = False
    uses_strong_view = False
    sees_one_view = True
    own_batch_size = None
    probe = None

    @classmethod
    def steps_of_run(cls, num_epochs, num_examples, batch_size, arguments):
        """Returns the steps of a run of a method with `epoch_passes`.

        Args:
            num_epochs: an int.
            num_examples: N.
            batch_size: examples of a step, of all replicas.
            arguments: {name: value} of the method's own.
        """
        return num_epochs * cls.epoch_passes * -(-num_examples // batch_size)

    def compile(
        self,
        optimizer="rmsprop",
        loss=None,
        loss_weights=None,
        metrics=None,
        weighted_metrics=None,
        run_eagerly=False,
        steps_per_execution=1,
        jit_compile=False,
        auto_scale_loss=True,
    ):
        """Sets the optimiser and creates its state.

        Args:
            optimizer: a Keras optimiser or its name; the published results
                are those of `tfnoisy.training.optimizer.TF1Momentum`.
            loss: None: a method computes its own.
            loss_weights: None.
            metrics: as for Keras; they see labels as they were given, and
                probabilities.  `loss` and `accuracy` are always there.
            weighted_metrics: as for Keras.
            run_eagerly: as for Keras.
            steps_per_execution: as for Keras.
            jit_compile: whether XLA compiles the training step.
            auto_scale_loss: whether the optimiser of a student in float16 is
                made to scale the loss.

        Raises:
            ArgumentError: for a loss, or an optimiser that the method cannot
                use.
        """
        if loss is not None or loss_weights is not None:
            raise errors.ArgumentError(
                f"{type(self).__name__} computes its own loss: leave out loss "
                "and loss_weights"
            )
        checks.refuse(
            checks.counts(steps_per_execution=(steps_per_execution, 1))
        )
        optimizer = keras.optimizers.get(optimizer)
        self._compiled_with.values = {
            "optimizer": optimizer,
            "metrics": keras.tree.flatten(metrics),
            "weighted_metrics": keras.tree.flatten(weighted_metrics),
            "run_eagerly": run_eagerly,
            "steps_per_execution": steps_per_execution,
            "jit_compile": jit_compile,
            "auto_scale_loss": auto_scale_loss,
        }
        self.check_optimizer(optimizer)
        if auto_scale_loss:
            optimizer = self.scaled_optimizer(optimizer)
        metrics = _flat(metrics)
        weighted = _flat(weighted_metrics, Accuracy("weighted_accuracy"))
        self._compiled_with.names_metrics = bool(metrics or weighted)
        names = [getattr(m, "name", None) for m in metrics]
        if "accuracy" not in names:
            metrics = [Accuracy(), *metrics]
        super().compile(
            optimizer=optimizer,
            metrics=metrics,
            weighted_metrics=weighted or None,
            run_eagerly=run_eagerly,
            steps_per_execution=steps_per_execution,
            jit_compile=jit_compile,
            auto_scale_loss=False,
        )
        self.executions.clear()
        self.settle_weights()

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        validation_split=0.0,
        validation_data=None,
        shuffle=True,
        class_weight=None,
        sample_weight=None,
        initial_epoch=0,
        steps_per_epoch=None,
        validation_steps=None,
        validation_batch_size=None,
        validation_freq=1,
        *,
        augment=None,
        probe=None,
    ):
        """Trains, as `keras.Model.fit`.

        Batches of arrays are full and cross the borders of epochs, as in the
        scripts: an epoch has ceil(N / batch_size) of them.  Their order
        depends on the method's `seed` and the number of the epoch alone, so
        that training goes on exactly where it stopped.

        Args:
            x: images [N, H, W, C], as the student takes them; batches (images,
                labels) or {images, labels, ids}, as a `tf.data.Dataset`, a
                `keras.utils.PyDataset` or a generator; or an `ImageDataset`
                or `pipeline.TrainingData` of tfnoisy.
            y: given labels of arrays, integers [N] or probabilities [N, C].
            batch_size: as for Keras.
            epochs: as for Keras.
            verbose: as for Keras.
            callbacks: as for Keras.
            validation_split: as for Keras.
            validation_data: as for Keras, or an `ImageDataset`.
            shuffle: as for Keras.
            class_weight: as for Keras, if the method `takes_sample_weights`.
            sample_weight: likewise.
            initial_epoch: as for Keras.
            steps_per_epoch: as for Keras.
            validation_steps: as for Keras.
            validation_batch_size: as for Keras.
            validation_freq: as for Keras.
            augment: the random view of each image, see
                `fitting.views.training_view`; of an `ImageDataset` the name
                of one in `augment.standard`.
            probe: trusted (images, labels) for the methods that need some.

        Returns:
            A `keras.callbacks.History`.

        Raises:
            ArgumentError: with a line for each thing that is wrong.
        """
        self._assert_compile_called("fit")
        checks.refuse(
            checks.counts(
                batch_size=(batch_size, 1),
                epochs=(epochs, 0),
                initial_epoch=(initial_epoch, 0),
                steps_per_epoch=(steps_per_epoch, 1),
                validation_steps=(validation_steps, 1),
                validation_batch_size=(validation_batch_size, 1),
            )
        )
        if validation_split and validation_data is None:
            (x, y, sample_weight), validation_data = evaluation.split(
                (x, y, sample_weight), validation_split
            )
        arguments = arrays.Arguments(
            sample_weight, class_weight, batch_size, shuffle, augment, probe
        )
        source = sources.make(self, x, y, arguments, steps_per_epoch)
        validation = evaluation.Validation(
            self,
            validation_data,
            validation_batch_size or batch_size,
            validation_steps,
            validation_freq,
            augment,
        )
        self.build_metrics(source.sparse)
        fit = loop.Fit(
            self, source, callbacks=callbacks, verbose=verbose, epochs=epochs
        )
        return fit.run(initial_epoch, validation)

    def evaluate(
        self,
        x=None,
        y=None,
        batch_size=None,
        verbose="auto",
        sample_weight=None,
        steps=None,
        callbacks=None,
        return_dict=False,
        **kwargs,
    ):
        """Judges the evaluated weights, as `keras.Model.evaluate`.

        Args:
            x: as for `fit`.
            y: as for `fit`.
            batch_size: as for Keras.
            verbose: as for Keras.
            sample_weight: as for Keras.
            steps: as for Keras.
            callbacks: as for Keras.
            return_dict: as for Keras.
            **kwargs: as for Keras.

        Returns:
            The mean cross-entropy, the accuracy and the compiled metrics.

        Raises:
            ArgumentError: with a line for each thing that is wrong.
        """
        self._assert_compile_called("evaluate")
        checks.refuse(
            checks.counts(batch_size=(batch_size, 1), steps=(steps, 1))
        )
        data = evaluation.prepared(self, x, y, sample_weight, batch_size)
        if steps is None and data.is_endless:
            raise errors.ArgumentError(
                "the data set has no end: give evaluate steps"
            )
        return self.evaluate_prepared(
            data,
            verbose=verbose,
            steps=steps,
            callbacks=callbacks,
            return_dict=return_dict,
            **kwargs,
        )

    def evaluate_prepared(self, data, return_dict=True, **kwargs):
        """Judges data that have been checked.

        Args:
            data: an `evaluation.Data`.
            return_dict: as for `evaluate`.
            **kwargs: as for `evaluate`.
        """
        self.build_metrics(data.sparse)
        with data.explaining():
            return super().evaluate(
                **data.arguments, return_dict=return_dict, **kwargs
            )

    def predict(
        self, x, batch_size=None, verbose="auto", steps=None, callbacks=None
    ):
        """Returns class probabilities [N, C], as `keras.Model.predict`.

        Args:
            x: images [N, H, W, C], or batches of them.
            batch_size: as for Keras.
            verbose: as for Keras.
            steps: as for Keras.
            callbacks: as for Keras.

        Raises:
            ArgumentError: with a line for each thing that is wrong.
        """
        checks.refuse(
            checks.counts(batch_size=(batch_size, 1), steps=(steps, 1))
        )
        x = evaluation.images_of(self, x)
        return super().predict(x, batch_size, verbose, steps, callbacks)

    def predict_on_batch(self, x):
        """Returns class probabilities [B, C] of one batch of images."""
        return super().predict_on_batch(evaluation.images_of(self, x))

    def train_on_batch(
        self,
        x,
        y=None,
        sample_weight=None,
        class_weight=None,
        return_dict=False,
    ):
        """One update on one batch, as `keras.Model.train_on_batch`.

        Raises:
            ArgumentError: also for a method that needs more than images and
                labels.
        """
        if self.needs_probe or self.trains_in_epochs:
            raise errors.ArgumentError(
                f"{type(self).__name__} needs more than one batch of images "
                "and labels: use fit"
            )
        for name, given in {
            "sample_weight": sample_weight,
            "class_weight": class_weight,
        }.items():
            if given is not None:
                self.refuse_weights(name)
        x, y, sparse = evaluation.batch(self, x, y)
        self.build_metrics(sparse)
        return super().train_on_batch(
            x, y, sample_weight, class_weight, return_dict
        )

    def test_on_batch(self, x, y=None, sample_weight=None, return_dict=False):
        """Judges one batch, as `keras.Model.test_on_batch`."""
        x, y, sparse = evaluation.batch(self, x, y)
        self.build_metrics(sparse)
        return super().test_on_batch(x, y, sample_weight, return_dict)

    def test_step(self, batch):
        """One batch of Keras's `evaluate`; returns means over all so far.

        Args:
            batch: as for `train_step`; a `mask` [B] in it says which rows
                count, 1, and which do not, 0.
        """
        images, labels = self.unpack(batch)
        logits = self.evaluation_logits(images)
        weights = batches.part(batch, "sample_weight")
        mask = batch.get("mask") if isinstance(batch, dict) else None
        if mask is not None:
            logits, labels = (
                tf.boolean_mask(rows, mask > 0) for rows in (logits, labels)
            )
            if weights is not None:
                weights = tf.boolean_mask(weights, mask > 0)
        losses = losses_lib.cross_entropy(labels, logits)
        if weights is not None:
            losses *= tf.reshape(tf.cast(weights, losses.dtype), [-1])
        # Keras's own, of the loss.
        self.metrics[0].update_state(losses)
        return self.compute_metrics(
            images,
            self._as_given(labels),
            tf.nn.softmax(logits),
            sample_weight=weights,
        )

    def predict_step(self, batch):
        """One batch of Keras's `predict`: class probabilities [B, C]."""
        images = batches.part(batch, "images")
        return tf.nn.softmax(self.evaluation_logits(self.as_inputs(images)))

    def training_accuracy(self, labels, logits=None, probabilities=None):
        """Returns the accuracy of a training batch, a scalar.

        Compiled metrics look at the same labels and predictions.

        Args:
            labels: [B, C].
            logits: [B, C].
            probabilities: [B, C], in place of logits.
        """
        if probabilities is None:
            self._observed.value = labels, tf.nn.softmax(logits)
            return losses_lib.accuracy(labels, logits)
        self._observed.value = labels, probabilities
        return losses_lib.accuracy(labels, probabilities)

    def observed_metrics(self, batch):
        """Updates the compiled metrics by the batch just trained on.

        Args:
            batch: what `train_step` got.

        Returns:
            {name: value so far}, with names for `split_logs`.
        """
        observed = getattr(self._observed, "value", None)
        self._observed.value = None
        if observed is None or not self._compiled_with.names_metrics:
            return {}
        labels, probabilities = observed
        self.compute_metrics(
            None,
            self._as_given(labels),
            probabilities,
            sample_weight=batches.part(batch, "sample_weight"),
        )
        return {_METRIC + k: v for k, v in self.metric_results().items()}

    def metric_results(self):
        """Returns {name: value so far} of the metrics that a user compiled."""
        if not self._compiled_with.names_metrics:
            return {}
        results = self.get_metrics_result()
        results.pop("loss")
        return results

    def split_logs(self, logs):
        """Returns a step's own logs, and {name: last value} of its metrics."""
        own = {k: v for k, v in logs.items() if not k.startswith(_METRIC)}
        return own, {
            k.removeprefix(_METRIC): v[-1]
            for k, v in logs.items()
            if k.startswith(_METRIC)
        }

    def build_metrics(self, sparse):
        """Creates the compiled metrics, which Keras could not by itself.

        Args:
            sparse: whether labels are integers; the metrics see them as they
                were when these were created.
        """
        unbuilt = [m for m in self.metrics if not getattr(m, "built", True)]
        if not unbuilt:
            return
        self._compiled_with.sparse = sparse
        size = self.num_classes
        labels = tf.zeros([1], tf.int64) if sparse else tf.zeros([1, size])
        with self.distribute_strategy.scope():
            for metric in unbuilt:
                metric.build(labels, tf.zeros([1, size]))

    def _as_given(self, labels):
        """Returns one-hot labels in the form that the metrics take."""
        return tf.argmax(labels, -1) if self._compiled_with.sparse else labels

    def refuse_weights(self, name):
        """Refuses weights of examples, if the method has no place for them.

        Args:
            name: the argument that gives them.
        """
        if not self.takes_sample_weights:
            raise errors.ArgumentError(
                f"{name}: {type(self).__name__} has no place for weights of "
                "examples; it would ignore them"
            )


def _flat(metrics, accuracy=None):
    """Returns compiled metrics as a list.

    Args:
        metrics: as for `compile`.
        accuracy: in place of Keras's, by its name; None to leave it out.
    """
    flat = [
        accuracy if metric in ("accuracy", "acc") else metric
        for metric in keras.tree.flatten(metrics)
    ]
    return [metric for metric in flat if metric is not None]
