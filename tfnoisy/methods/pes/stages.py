"""Which stage of PES a step belongs to, and where it begins and ends.

Bai, Yang, Han, Yang, Li, Mao, Niu, Liu, NeurIPS 2021 (arXiv 2106.15853); the
code followed is tmllab/PES at 5466238.  See `epochs`.
"""

from tfnoisy.methods import base

# What random orders and views in an epoch are for; `division` has the third.
_PLAIN, _REFINE = range(2)


class Stages:
    """What `epochs.RefiningMethod` has for the training loop."""

    def stage(self, step, data, num_steps):
        """Refines or divides at the start of an epoch; returns its stage.

        Args:
            step: int, the updates made so far.
            data: a `pipeline.TrainingData`.
            num_steps: T, the most updates that may be made.

        Returns:
            A `base.Stage` of one epoch or one pass of the refinement, None
            after the last.

        Raises:
            TrainingError: if a prediction is not finite.
        """
        num_replicas = self.distribute_strategy.num_replicas_in_sync
        examples = data.batch_size * num_replicas
        full = max(len(data.dataset) // examples, 1)
        # Of each pass of the refinement: how many stages, which of its passes.
        passes = [(n, k) for n, count in self.refinements for k in range(count)]
        plain = self.plain_epochs
        number, num_plain = step // full, plain + len(passes)
        if step >= num_steps:
            return None
        if number < num_plain:
            epoch = min(number, plain)
        else:
            epoch = int(base.value_of(self.epoch))
            begins = step >= int(base.value_of(self.last_step))
            first_epoch = plain + (self.refining_epoch and len(passes) > 0)
            if step == num_plain * full:
                begins, epoch = True, first_epoch
            elif begins or epoch < first_epoch:
                begins, epoch = True, max(epoch + 1, first_epoch)
        if self.num_epochs and epoch >= self.num_epochs:
            return None
        in_all = self.num_epochs or -(-num_steps // full) - len(passes)
        self.begin_epoch(epoch, in_all)
        if number < plain:
            return self._pass(data, number, full, _PLAIN, self.plain_step)
        if number < num_plain:
            num_stages, k = passes[number - plain]
            if step == (number - k) * full:
                self._begin_anew(num_stages)
            return self._refining_pass(data, number, full, passes)
        if begins:
            self.divide(data, epoch)
            self.first_step.assign(step)
            self.last_step.assign(step + self.divided_steps(data, examples))
        return base.Stage(
            int(base.value_of(self.first_step)),
            int(base.value_of(self.last_step)),
            self.divided_batches(data, epoch),
            self.divided_step,
            evaluate=True,
        )

    def _pass(self, data, number, full, key, step, ends=True):
        """Returns a stage of one pass over all labels, the number-th."""
        if key == _PLAIN:
            self.first_step.assign(number * full)
        self.last_step.assign((number + 1) * full)
        return base.Stage(
            number * full,
            (number + 1) * full,
            data.full_batches((number, key)),
            step,
            evaluate=ends,
            ends_epoch=ends,
        )

    def _refining_pass(self, data, number, full, passes):
        """Returns a stage of one pass of the refinement, the number-th."""
        position = number - self.plain_epochs
        num_stages, k = passes[position]
        self.first_step.assign((number - k) * full)
        is_last = position + 1 == len(passes)
        return self._pass(
            data,
            number,
            full,
            _REFINE,
            self._refine_steps[num_stages],
            ends=self.refining_epoch and is_last,
        )
