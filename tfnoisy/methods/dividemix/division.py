"""How DivideMix's two networks divide the data for each other.

Li, Socher, Hoi, ICLR 2020, section 3.1 and lines 3 to 8 of algorithm 1; the
code followed is LiJunnan1992/DivideMix, `eval_train` in `Train_cifar.py`,
`Train_clothing1M.py` and `Train_webvision.py`.  Network k computes the losses
of all examples in evaluation mode; the mixture fitted to them gives w_k, the
probability of each label to be clean.  The other network trains on

    labelled      w_k > tau          the paper has w_k >= tau
    unlabelled    the rest

If a subset is empty or all losses are equal, the original stops with an
error; here training goes on with a warning.  w and the losses are kept in
variables by example id, so that a resumed run goes on in the middle of an
epoch.
"""

import dataclasses
import functools
import warnings

import numpy as np
import tensorflow as tf

from tfnoisy import errors, randomness, replicas
from tfnoisy.methods import base, epochwise, pairs
from tfnoisy.methods.dividemix import mixture
from tfnoisy.nets import weight_decay as decay


def co_divide(probability, p_threshold, at_least):
    """Divides the rows into labelled and unlabelled ones.

    Labelled are the rows strictly above the threshold.  If there are none, the
    rows with the largest probabilities are taken, the first of equal ones.

    Args:
        probability: w, [N]; below 0 for rows that are in neither subset.
        p_threshold: tau, in [0, 1).
        at_least: how many rows are labelled if none is above tau.

    Returns:
        (labelled, unlabelled), int arrays of rows, each in order.
    """
    divided = probability >= 0
    labelled = probability > p_threshold
    if not labelled.any():
        labelled[np.argsort(-probability, kind="stable")[:at_least]] = True
    return (
        np.flatnonzero(divided & labelled),
        np.flatnonzero(divided & ~labelled),
    )


def class_balanced_rows(labels, num_rows, num_classes, order):
    """Returns rows of which the given labels are as even as can be.

    The original's sampling for Clothing1M (`dataloader_clothing1M.py`): go
    through the shuffled list and take an image while its class has fewer than
    num_rows / C and all together fewer than num_rows.

    Args:
        labels: int [N].
        num_rows: how many rows are wanted.
        num_classes: C.
        order: int [N], the shuffled rows.

    Returns:
        int [M] of rows, in order; M < num_rows where a class is too small.
    """
    shuffled = np.asarray(labels)[order]
    by_class = np.argsort(shuffled, kind="stable")
    counts = np.bincount(shuffled, minlength=num_classes)
    first = np.cumsum(counts) - counts
    seen = np.empty(len(order), np.int64)
    seen[by_class] = np.arange(len(order)) - first[shuffled[by_class]]
    return np.sort(np.asarray(order)[seen < num_rows / num_classes][:num_rows])


class DividingMethod(epochwise.EpochwiseMethod):
    """A pair of networks that judge all labels and divide the data.

    Attributes:
        clean_probability: float32 [2, num_ids], by network and id: w of the
            last division; -1 for ids that were not in it.
        loss_history: float32 [2, average_last, num_ids]: the normalised
            losses of the last divisions, the n-th in place n mod average_last.
    """

    remembers = True
    clean_probability = None

    def __init__(
        self,
        student,
        *,
        num_ids=None,
        batch_size=64,
        p_threshold=0.5,
        average_last=1,
        reg_covar=5e-4,
        weight_decay=5e-4,
        **kwargs,
    ):
        """Makes the method; names and defaults are the original's, of CIFAR.

        Args:
            student: a `nets.pair.Pair`, or what `pairs.of` makes one from.
            num_ids: the largest id of the training data plus one; None for
                the examples that `fit` sees.
            batch_size: B; four times that in the passes that judge, and the
                number of labelled examples if none is above tau.
            p_threshold: tau, in [0, 1).
            average_last: the mixture is fitted to the mean losses of the last
                divisions, at most so many; the original takes 5 at a noise
                ratio of exactly 0.9, else 1.
            reg_covar: added to the mixture's variances.
            weight_decay: the factor of sum(w^2) / 2 over all trainable
                variables.
            **kwargs: as for `base.Method`.

        Raises:
            UserError: for a value out of its range.
        """
        if not 0.0 <= p_threshold < 1.0:
            raise errors.UserError(
                f"--p_threshold={p_threshold} must be at least 0 and below 1"
            )
        counts = {"batch_size": batch_size, "average_last": average_last}
        for name, value in counts.items():
            if value < 1:
                raise errors.UserError(f"--{name}={value} must be at least 1")
        super().__init__(
            pairs.of(student),
            weight_decay=weight_decay,
            decayed=decay.all_trainable,
            **kwargs,
        )
        self.batch_size = batch_size
        self.p_threshold = p_threshold
        self.average_last = average_last
        self.reg_covar = reg_covar
        self._losses = [
            replicas.Pass(
                self.distribute_strategy,
                functools.partial(_example_losses, network),
                f"losses of network {k}",
            )
            for k, network in enumerate(self.student.networks, 1)
        ]
        if num_ids is not None:
            self.keep_ids(num_ids)

    @property
    def own_batch_size(self):
        """B, per replica: an argument of the method, not of `fit`."""
        return self.batch_size

    @property
    def num_ids(self):
        """The largest id that is remembered plus one, None while none is."""
        if self.clean_probability is None:
            return None
        return self.clean_probability.shape[1]

    def keep_ids(self, num_ids):
        """Creates the state: what is known of each example.

        Args:
            num_ids: the largest id plus one.
        """
        with self.distribute_strategy.scope():
            self.create_state(num_ids)

    def create_state(self, num_ids):
        """Creates the state, always in the same order; see `keep_ids`."""
        self.clean_probability = self.add_state(
            "clean_probability", -1, (2, num_ids), "float32"
        )
        self.loss_history = self.add_state(
            "loss_history", 0, (2, self.average_last, num_ids), "float32"
        )

    def divide(self, data, samples, number, epoch):
        """Both networks judge the labels, before either is trained.

        Args:
            data: a `pipeline.TrainingData`.
            samples: for each network the rows that it judges, int [M].
            number: how many divisions there were before.
            epoch: the epoch that it is for, an int.

        Raises:
            TrainingError: if a loss is not finite.
        """
        probability = np.full(self.clean_probability.shape, -1, np.float32)
        history = base.value_of(self.loss_history)
        for k, rows in enumerate(samples):
            ids = data.dataset.ids[rows]
            losses = self.example_losses(k, data, rows)
            if not np.isfinite(losses).all():
                raise errors.TrainingError(
                    f"network {k + 1} has losses that are not finite at step "
                    f"{base.value_of(self.step)}; a smaller --lr, with "
                    "--overwrite, usually helps"
                )
            place = number % self.average_last
            history[k, place, ids] = mixture.normalise_losses(losses)
            losses = history[k][: number + 1, ids].mean(0, dtype=np.float64)
            key = randomness.stream_seed(self.seed, "evaluation", epoch, k)
            w = mixture.clean_probability(
                losses, int(key[0]) & 0x7FFFFFFF, self.reg_covar
            )
            # All workers must divide alike.
            w = replicas.of_chief(self.distribute_strategy, w)
            probability[k, ids] = w
            self._warn(w, losses, f"epoch {epoch}, network {k + 1}")
        self.clean_probability.assign(probability)
        self.loss_history.assign(history)

    def division_for(self, k, data):
        """Returns the rows that network k trains on: labelled, unlabelled.

        Args:
            k: which network, 0 or 1.
            data: a `pipeline.TrainingData`.
        """
        return co_divide(
            self.peer_probability(k, data), self.p_threshold, self.batch_size
        )

    def peer_probability(self, k, data):
        """Returns w of the other network, by row, [N].

        Args:
            k: which network, 0 or 1.
            data: a `pipeline.TrainingData`.
        """
        return base.value_of(self.clean_probability)[1 - k, data.dataset.ids]

    def _warn(self, w, losses, where):
        """Says where the original would have stopped, and what is done."""
        above = np.mean(w > self.p_threshold)
        what = None
        if np.ptp(losses) == 0:
            what = "all losses are equal: every label counts as clean"
        elif above == 0:
            what = (
                f"no label is clean with more than {self.p_threshold}: the "
                f"likeliest {min(self.batch_size, len(w))} count as clean"
            )
        elif above == 1:
            what = (
                f"all labels are clean with more than {self.p_threshold}: "
                "nothing is unlabelled"
            )
        if what:
            warnings.warn(f"{where}: {what}", stacklevel=4)

    def evidence(self):
        """Returns the judgement of the labels, None before the first division.

        Returns:
            {ids: int64 [N], ascending; clean_probability: float32 [N], the
            mean of the networks that judged the example last;
            is_label_issue: bool [N], not above `p_threshold`}.
        """
        if self.clean_probability is None:
            return None
        w = base.value_of(self.clean_probability)
        judges = np.sum(w >= 0, axis=0)
        ids = np.flatnonzero(judges)
        if not len(ids):
            return None
        w = np.sum(np.maximum(w, 0), axis=0)[ids] / judges[ids]
        return {
            "ids": ids,
            "clean_probability": w.astype(np.float32),
            "is_label_issue": ~(w > self.p_threshold),
        }

    def example_losses(self, k, data, rows):
        """Returns the losses of network k in evaluation mode, [M].

        Args:
            k: which network, 0 or 1.
            data: a `pipeline.TrainingData`.
            rows: int [M], of its data set.
        """
        if len(rows) < len(data.dataset):
            data = dataclasses.replace(data, dataset=data.dataset.take(rows))
        batches = functools.partial(
            data.evaluation_batches, 4 * self.batch_size
        )
        return self._losses[k](batches, len(rows))


def _example_losses(network, batch):
    return tf.nn.sparse_softmax_cross_entropy_with_logits(
        batch["labels"], network(batch["images"], training=False)
    )
