"""The epochs of ProMix: how many there are, and what each of them trains.

Xiao, Dong, Wang, Feng, Wu, Chen, Zhao, IJCAI 2023 (arXiv 2207.10276); the code
followed is Justherozen/ProMix at 40d8378, the loop of `Train_promix.py`.
See `promix`.
"""

import math

from tfnoisy import replicas
from tfnoisy.methods import base, epochwise, pairs, ranges
from tfnoisy.methods.promix import choice, ramps
from tfnoisy.nets import weight_decay as decay


def _steps_of_epochs(num_examples, batch_size):
    """Returns an epoch's batches with the short one, and the full ones."""
    return -(-num_examples // batch_size), max(num_examples // batch_size, 1)


class SelectingMethod(choice.Choice, epochwise.EpochwiseMethod):
    """A pair of networks that are trained together, each on its own choice.

    A subclass gives `warm_up_step` and `selected_step`.

    Attributes:
        epoch: int64 scalar, the epoch under way.
        expands: whether this epoch guesses labels by agreement, a bool scalar.
    """

    epoch_passes = 1
    remembers = True
    uses_strong_view = True

    def __init__(
        self,
        student,
        *,
        rho_start=0.2,
        rho_end=0.6,
        pretrain_ep=10,
        warmup_ep=50,
        start_expand=250,
        num_epochs=601,
        lr: float | None = None,
        weight_decay=5e-4,
        **kwargs,
    ):
        """Makes the method; names and defaults are the original's.

        Args:
            student: a `nets.pair.Pair`, or what `pairs.of` makes one from.
            rho_start: rho of the first epoch, the share of N / C labels that
                are chosen of each class, in [0, 1].
            rho_end: rho from the epoch `warmup_ep` on; between them it moves
                in a line.
            pretrain_ep: how many of the first epochs are plain training; 30
                for CIFAR-100.
            warmup_ep: in how many epochs rho and the factor of strong and
                mixed views come to their ends; twice as many for that of
                unreliable examples.
            start_expand: how many of the last epochs guess labels by the
                agreement of the networks.
            num_epochs: how many there are; the original's 600 makes 601.  0
                for as many as the steps allow; `fit` may end before.
            lr: the learning rate of the first epoch, which falls after each
                epoch along half a cosine to a thousandth; the optimiser's own
                if it is not given.
            weight_decay: the factor of sum(w^2) / 2 over all trainable
                variables.
            **kwargs: as for `base.Method`.

        Raises:
            UserError: for values that are out of range.
        """
        ranges.shares(rho_start=rho_start, rho_end=rho_end)
        ranges.non_negative(
            pretrain_ep=pretrain_ep,
            warmup_ep=warmup_ep,
            start_expand=start_expand,
            num_epochs=num_epochs,
            lr=lr or 0,
        )
        super().__init__(
            pairs.of(student),
            weight_decay=weight_decay,
            **{"decayed": decay.all_trainable, **kwargs},
        )
        self.rho_start, self.rho_end = rho_start, rho_end
        self.pretrain_ep, self.warmup_ep = pretrain_ep, warmup_ep
        self.start_expand = start_expand
        self.num_epochs = math.ceil(num_epochs)
        self.lr = lr
        self.epoch = self.add_state("epoch", -1)
        self.expands = self.add_state("expands", False, dtype="bool")
        self._judge = replicas.Pass(
            self.distribute_strategy, self._judgement, "losses"
        )

    @classmethod
    def steps_of_run(cls, num_epochs, num_examples, batch_size, arguments):
        """Returns the steps of so many epochs, of which the first are longer.

        Args:
            num_epochs: an int.
            num_examples: N.
            batch_size: examples of a step, of all replicas.
            arguments: {pretrain_ep: how many of them are plain training}.
        """
        warm_up = min(arguments["pretrain_ep"], num_epochs)
        whole, full = _steps_of_epochs(num_examples, batch_size)
        return warm_up * whole + (num_epochs - warm_up) * full

    def warm_up_step(self, batch):
        """One step of plain training on a batch {images, labels, ids}."""
        raise NotImplementedError

    def selected_step(self, batch):
        """One step of both networks; the batch has `images_strong` too."""
        raise NotImplementedError

    def epoch_of(self, step, data):
        """Returns the epoch of a step, its first and its last step.

        Those of plain training end with a short batch, the others without.

        Args:
            step: int, the updates made so far.
            data: a `pipeline.TrainingData`.
        """
        num_replicas = self.distribute_strategy.num_replicas_in_sync
        whole, full = _steps_of_epochs(
            len(data.dataset), data.batch_size * num_replicas
        )
        begin, steps, epochs = 0, whole, 0
        if step >= self.pretrain_ep * whole:
            epochs, steps = self.pretrain_ep, full
            begin = epochs * whole
        more = (step - begin) // steps
        begin += more * steps
        return epochs + more, begin, begin + steps

    def stage(self, step, data, num_steps):
        """Selects labels at the start of an epoch; returns the epoch.

        Args:
            step: int, the updates made so far.
            data: a `pipeline.TrainingData` with a strong view.
            num_steps: T, the most updates that may be made.

        Returns:
            A `base.Stage` of one epoch, or None after the last.

        Raises:
            TrainingError: if a loss is not finite.
        """
        epoch, first, last = self.epoch_of(step, data)
        num_epochs = (
            self.num_epochs or 1 + self.epoch_of(num_steps - 1, data)[0]
        )
        if step >= num_steps or epoch >= num_epochs:
            return None
        warm_up = epoch < self.pretrain_ep
        # A run that is resumed at the start selects again, the same labels.
        begins = step == first or epoch != int(base.value_of(self.epoch))
        self.epoch.assign(epoch)
        self.expands.assign(epoch >= num_epochs - self.start_expand)
        if begins and not warm_up:
            self.select(data, epoch)
        if self.lr and not self.leaves_learning_rate:
            self.optimizer.learning_rate = ramps.cosine_rate(
                self.lr, epoch, num_epochs
            )

        return base.Stage(
            first,
            last,
            data.whole_pass(
                (epoch, 0),
                self.distribute_strategy.num_replicas_in_sync,
                strong=not warm_up,
            ),
            self.warm_up_step if warm_up else self.selected_step,
            evaluate=True,
        )
