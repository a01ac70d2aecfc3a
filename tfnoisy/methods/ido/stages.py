"""The two stages of IDO, epoch by epoch, and what it remembers of each example.

Zhang, Chai, Xu, Zhang, Han, Yuan, Wang, Cao, NeurIPS 2025 (arXiv 2505.00812);
the code followed is zzzbitz/IDO at 2a64617.  See `ido`.
"""

import numpy as np
import tensorflow as tf

from tfnoisy import errors, replicas
from tfnoisy.methods import base, epochwise, wrong_events
from tfnoisy.methods.ido import beta_mixture, label_wave
from tfnoisy.nets import weight_decay as decay

# Iterations of EM before stage 2, and after each of its epochs.
_FIRST_FIT = 20
_FURTHER_FIT = {"class": 2, "global": 1}


class StagedMethod(epochwise.EpochwiseMethod):
    """Counts wrong events, and fits mixtures to them between epochs.

    A subclass gives `stage1_step` and `stage2_step`.

    Attributes:
        epochs: int64 scalar, how many have ended.
        mixtures: float64 [K, 9], see `beta_mixture.packed`.
        label_wave: a `label_wave.LabelWave`; None, as both, before the
            examples are known.
    """

    epoch_passes = 1
    epochs = mixtures = label_wave = None

    def __init__(
        self,
        student,
        *,
        stage1_epochs=5,
        mixture="class",
        base_model="label_wave",
        num_ids=None,
        **kwargs,
    ):
        """Makes the method; defaults are the original's.

        Args:
            student: a built `keras.Model`, images -> logits.
            stage1_epochs: the epochs of stage 1; stage 2 has the others.
            mixture: one for each given class, `class`, or one for all,
                `global`.
            base_model: what stage 2 begins with: the weights that the label
                wave chooses, `label_wave`, or those of stage 1's end, `last`.
            num_ids: the largest example id plus one; None for the examples
                that `fit` sees.
            **kwargs: as for `base.Method`; all trainable variables decay unless
                `decayed` says which.

        Raises:
            UserError: for values that there are none of.
        """
        if stage1_epochs < 1:
            raise errors.UserError(
                f"--stage1_epochs={stage1_epochs} must be at least 1"
            )
        if mixture not in _FURTHER_FIT:
            raise errors.UserError(f"--mixture={mixture}: class or global")
        if base_model not in ("label_wave", "last"):
            raise errors.UserError(
                f"--base_model={base_model}: label_wave or last"
            )
        super().__init__(student, **{"decayed": decay.all_trainable, **kwargs})
        self.stage1_epochs = stage1_epochs
        self.mixture = mixture
        self.base_model = base_model
        self.mean_weights = wrong_events.WrongEvents()
        if num_ids is not None:
            self.keep_ids(num_ids)

    @property
    def evidence_variables(self):
        """None: the wrong events decide."""
        return []

    def keep_ids(self, num_ids):
        """Makes the counts, the mixtures and the label wave.

        Args:
            num_ids: the largest example id plus one.
        """
        super().keep_ids(num_ids)
        own = self.num_classes if self.mixture == "class" else 1
        start = beta_mixture.packed(beta_mixture.start(own)).numpy()
        kept = self.student.weights if self.base_model == "label_wave" else []
        with self.distribute_strategy.scope():
            self.label_wave = label_wave.LabelWave(
                num_ids, self.stage1_epochs, kept
            )
            self.epochs = self.add_state("epochs", 0)
            self.mixtures = self.add_state(
                "mixtures", 0, start.shape, "float64"
            )
            self.mixtures.assign(start)

    def stage1_step(self, batch):
        """One step of stage 1 on a batch {images, labels, ids}."""
        raise NotImplementedError

    def stage2_step(self, batch):
        """One step of stage 2; the batch has `images_strong` too."""
        raise NotImplementedError

    def stage(self, step, data, num_steps):
        """Ends the epoch before this step if need be; returns the next one.

        Args:
            step: int, the updates made so far.
            data: a `pipeline.TrainingData` with a strong view.
            num_steps: T, the most updates that may be made.

        Returns:
            A `base.Stage` of one epoch, or None after the last step.

        Raises:
            UserError: if the number of steps in an epoch has changed.
        """
        num_replicas = self.distribute_strategy.num_replicas_in_sync
        steps = data.steps_of_pass(num_replicas)
        epoch, ended = step // steps, int(base.value_of(self.epochs))
        if not ended <= epoch <= ended + 1:
            raise errors.UserError(
                f"IDO cannot go on at step {step}: with the data and the batch "
                f"size that it began with, it has not come to epoch {epoch}"
            )
        if ended < epoch:
            self._end_epoch(ended, data.dataset)
        if step >= num_steps:
            return None
        second = epoch >= self.stage1_epochs

        return base.Stage(
            epoch * steps,
            (epoch + 1) * steps,
            data.whole_pass((epoch, 0), num_replicas, strong=second),
            self.stage2_step if second else self.stage1_step,
            evaluate=True,
        )

    def _end_epoch(self, epoch, dataset):
        """Fits the mixtures after an epoch; begins stage 2 after stage 1."""
        stage1 = epoch < self.stage1_epochs
        if stage1:
            self.label_wave.end_epoch(epoch, self.student.weights)
        if epoch == self.stage1_epochs - 1:
            self._fit(dataset, _FIRST_FIT)
            self._begin_stage2()
        elif not stage1:
            self._fit(dataset, _FURTHER_FIT[self.mixture])
        self.epochs.assign(epoch + 1)

    def _begin_stage2(self):
        """Goes back to the weights kept; the optimiser begins anew."""
        self.label_wave.restore(self.student.weights)
        for v in self.optimizer.variables:
            # Not the number of steps, a learning rate or a loss's scale.
            if len(v.shape):
                v.assign(tf.zeros(v.shape, v.dtype))
        if self.averages is not None:
            for v in self.student.trainable_variables:
                self.average_of(v).assign(base.value_of(v))

    def _fit(self, dataset, iterations):
        """Goes on fitting to the wrong events of a data set's examples."""
        visits, right, _ = base.value_of(self.mean_weights.sums)[dataset.ids].T
        counts = np.rint(visits - right).astype(np.int64)
        histogram = np.zeros([self.mixtures.shape[0], counts.max() + 1])
        rows = self.mixture_of(dataset.given_labels)
        np.add.at(histogram, (rows, counts), 1)
        fitted = beta_mixture.fit(
            beta_mixture.unpacked(base.value_of(self.mixtures)),
            histogram,
            iterations,
        )
        # All workers must weigh alike.
        self.mixtures.assign(
            replicas.of_chief(
                self.distribute_strategy, beta_mixture.packed(fitted)
            )
        )

    def mixture_of(self, labels):
        """Returns which mixture belongs to each label, of its shape.

        Args:
            labels: integers, an array or a tensor.
        """
        return labels if self.mixture == "class" else 0 * labels

    def method_metrics(self):
        """Returns the label wave, see `LabelWave.method_metrics`."""
        if self.label_wave is None:
            return {}
        ended = min(int(base.value_of(self.epochs)), self.stage1_epochs)
        return self.label_wave.method_metrics(ended)

    def evidence(self):
        """Returns the wrong events of both stages.

        Returns:
            `WrongEvents.evidence`, and {target_class: int64 [N], the last
            prediction of the weak view}.
        """
        found = self.mean_weights.evidence()
        if found is None:
            return None
        predicted = base.value_of(self.label_wave.predicted)[found["ids"]]
        return {**found, "target_class": predicted.astype(np.int64)}
