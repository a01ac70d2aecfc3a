"""The student of a method, its moving averages, and how it is judged."""

import keras
import tensorflow as tf

from tfnoisy import errors
from tfnoisy.methods import averages as averages_lib
from tfnoisy.methods import students
from tfnoisy.nets import precision
from tfnoisy.nets import weight_decay as decay


class Student:
    """What `base.Method` does with its student.

    Attributes:
        student: the classifier, images -> logits [B, C].
        averages: moving averages of the weights that the student may train, if
            `ema_decay` is positive, else None.
    """

    def take_student(self, student):
        """Takes a student, which waits for its images if it is not built."""
        self.averages = None
        student = students.checked(student)
        if students.is_built(student):
            self._keep(student)
        else:
            # Past Keras, which would go on tracking it beside what it becomes.
            object.__setattr__(self, "student", student)

    def build_student(self, image_shape):
        """Builds the student, if it is not, for images of this shape.

        Args:
            image_shape: of one image, (H, W, channels).
        """
        if students.is_built(self.student):
            return
        with self.distribute_strategy.scope():
            self._keep(students.build(self.student, image_shape))
            if self.compiled:
                self.settle_weights()

    def _keep(self, student):
        self.student = student
        self._make_averages()
        self._settle_decay()
        self.built = True

    def _make_averages(self):
        if not self.ema_decay:
            return
        variables = students.trainable_in_principle(self.student)
        self.averages = [
            self.add_weight(
                shape=v.shape,
                initializer="zeros",
                dtype=v.dtype,
                trainable=False,
                aggregation="only_first_replica",
                name=f"average_{index}",
            )
            for index, v in enumerate(variables)
        ]
        for average, v in zip(self.averages, variables):
            average.assign(v)
        self._averaged = {id(v): n for n, v in enumerate(variables)}

    def settle_weights(self):
        """Creates what belongs to the weights that are trained.

        `compile` calls it, also when layers have been frozen or unfrozen.
        """
        if students.is_built(self.student):
            self._settle_decay()
            self.optimizer.build(self.trained_variables)

    def _settle_decay(self):
        decayed = self._decayed_given.value
        if callable(decayed):
            decayed = decayed(self.student)
        # By id: Keras would take a list of variables for weights of ours.
        self._decayed = {id(v) for v in decayed}

    @property
    def trained_variables(self):
        """What the optimiser moves: the student's trainable variables.

        A method that trains others beside them puts those behind.
        """
        return self.student.trainable_variables

    @property
    def num_classes(self):
        """The number of classes, C."""
        return self.student.output_shape[-1]

    @property
    def image_shape(self):
        """The shape of one image, with None for a side of any length."""
        return tuple(self.student.input_shape[1:])

    @property
    def evaluated_weights(self):
        """Which weights the method is judged by: `ema` or `raw`."""
        return "raw" if self.averages is None else "ema"

    def as_inputs(self, images):
        """Returns images in the type that the student takes."""
        return tf.cast(images, self.student.inputs[0].dtype)

    def average_of(self, variable):
        """Returns the moving average of a weight, itself if there is none."""
        index = None
        if self.averages is not None:
            index = self._averaged.get(id(variable))
        return variable if index is None else self.averages[index]

    def evaluated_values(self):
        """Returns {id of a weight of the student: the value it is judged by}.

        Moving averages, if there are any, and raw moving statistics of batch
        normalisation.
        """
        return {
            id(v): tf.convert_to_tensor(self.average_of(v).value)
            for v in self.student.variables
        }

    def evaluation_logits(self, images):
        """Returns the logits [B, C] that the method is judged by.

        Moving averages of the weights if there are any, with the raw moving
        statistics of batch normalisation, as in the original code; in float32
        whatever the network is trained in, as it will be exported.

        Args:
            images: float [B, H, W, C], the evaluation view.
        """
        with precision.in_float32():
            if self.averages is None:
                return self.student(images, training=False)
            logits, _ = self.student.stateless_call(
                *(
                    [self.average_of(v) for v in variables]
                    for variables in (
                        self.student.trainable_variables,
                        self.student.non_trainable_variables,
                    )
                ),
                images,
                training=False,
            )
            return logits

    def update_averages(self, n):
        """Moves the averages, if there are any, towards the weights.

        Args:
            n: of `averages.average_decay`, a float scalar.
        """
        if self.averages is None:
            return
        keep = averages_lib.average_decay(self.ema_decay, n)
        for v in self.student.trainable_variables:
            average = self.average_of(v)
            share = tf.cast(1.0 - keep, average.dtype)
            average.assign_sub(share * (average - v))

    def decay_loss(self, variables=None):
        """Returns weight_decay * sum over decayed variables of |w|^2 / 2.

        Regularisers that the student's layers have are added.

        Args:
            variables: look only at these; at all of the student's if None.
        """
        if variables is None:
            variables = self.student.trainable_variables
        loss = tf.constant(0.0)
        if self.weight_decay:
            loss = self.weight_decay * decay.l2(
                [v for v in variables if id(v) in self._decayed]
            )
        for v in variables:
            if v.regularizer is not None:
                loss += tf.cast(v.regularizer(v), loss.dtype)
        return loss

    def scaled_optimizer(self, optimizer):
        """Returns the optimiser, made to scale the loss if float16 needs it.

        Args:
            optimizer: a Keras optimiser.
        """
        # Keras's `LossScaleOptimizer` and our `LossScaledMomentum` have it.
        scales = hasattr(optimizer, "initial_scale")
        if scales or "float16" not in students.compute_dtypes(self.student):
            return optimizer
        return keras.optimizers.LossScaleOptimizer(optimizer)

    def check_optimizer(self, optimizer):
        """Refuses an optimiser that the method cannot use.

        Args:
            optimizer: a Keras optimiser.

        Raises:
            ArgumentError: with the remedy.
        """
        if optimizer is None:
            raise errors.ArgumentError("compile needs an optimizer")
        if getattr(optimizer, "gradient_accumulation_steps", None):
            raise errors.ArgumentError(
                "gradient_accumulation_steps="
                f"{optimizer.gradient_accumulation_steps}: a method makes an "
                "update for each batch; give fit a larger batch_size"
            )
