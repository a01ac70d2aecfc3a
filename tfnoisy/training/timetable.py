"""When a run is evaluated, and how many steps one call may make."""


class Timetable:
    """The steps at which a run is evaluated."""

    def __init__(self, num_steps, eval_every, eval_steps, steps_per_execution):
        """Takes the run's plan.

        Args:
            num_steps: T, the last step.
            eval_every: steps between two evaluations; 0 where the method's
                stages say when.
            eval_steps: further steps to evaluate at.
            steps_per_execution: the most steps of one call.
        """
        self._num_steps = num_steps
        self._eval_every = eval_every
        self._eval_steps = frozenset(eval_steps)
        self._most = steps_per_execution

    def is_due(self, step, stage_ended=False):
        """Returns whether an evaluation is due after a step.

        Args:
            step: int, the updates made so far.
            stage_ended: whether a stage that is to be evaluated ends there.
        """
        if self._eval_every:
            regular = step % self._eval_every == 0
        else:
            regular = stage_ended
        return regular or step in self._eval_steps or step == self._num_steps

    def next_call(self, step, last_step):
        """Returns how many steps to make after this one in one call.

        A call ends where an evaluation is due, and where the stage does.

        Args:
            step: int, the updates made so far.
            last_step: the stage's.
        """
        end = min(step + self._most, last_step)
        for after in range(step + 1, end):
            if self.is_due(after):
                return after - step
        return end - step
