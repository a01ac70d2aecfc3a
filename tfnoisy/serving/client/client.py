"""Images to answers over any transport: batches, retries, who was refused.

A transport is `grpc_client.Grpc`, `rest_client.Rest` or
`local_model.LocalModel`: an object with

    place                      what it asks, for messages
    signatures()               {name: `Signature`} of the model
    predict(signature, inputs) {output: array} of {input: array}
    close()

whose two methods raise `TransientError`, `RefusedError`, or `UserError` where
there is no such model.
"""

import dataclasses
import functools
import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from tfnoisy import errors
from tfnoisy.datasets.images import headers

# A request takes no more images when it has this size: servers have limits.
_REQUEST_BYTES = 16 << 20
_ASSERTION = "assertion failed: "
_MAX_DOUBLINGS, _LONGEST_WAIT = 16, 60.0
FILES, PIXELS = "serving_bytes", "serving_uint8"
_OUTPUTS = {
    "probabilities",
    "top_k_probabilities",
    "top_k_class_ids",
    "top_k_class_names",
}


class TransientError(Exception):
    """There was no answer; there may be one to the same request later."""


class RefusedError(Exception):
    """The request was refused, and would be again."""


@dataclasses.dataclass(frozen=True)
class Signature:
    """What of a signature a client looks at.

    Attributes:
        inputs: {name: shape}, None for any size; the shape None if unknown.
        outputs: the names.
    """

    inputs: dict[str, tuple | None]
    outputs: frozenset[str]


@dataclasses.dataclass(frozen=True)
class Item:
    """An image to be asked about.

    Attributes:
        name: for the answer.
        read: returns the file's contents, bytes, or uint8 [H, W, C], and
            raises OSError or `headers.ImageFault` where there are none.
        label: the name of its class, or None if unknown.
    """

    name: str
    read: Callable
    label: str | None = None


@dataclasses.dataclass(frozen=True)
class Ranked:
    """A class and how likely it is."""

    class_id: int
    class_name: str
    probability: np.float32


@dataclasses.dataclass(frozen=True)
class Answer:
    """What the model says of an image, or why it says nothing.

    Attributes:
        item: the `Item`.
        top: the most likely classes, falling; empty after an error.
        probabilities: float32 [C]; None after an error.
        error: one line, or None.
    """

    item: Item
    top: tuple[Ranked, ...] = ()
    probabilities: np.ndarray | None = None
    error: str | None = None


@dataclasses.dataclass(frozen=True)
class Retries:
    """How often to ask, and how long to wait in between.

    Attributes:
        attempts: at least 1.
        first_wait: seconds before the second; each wait is twice the last,
            up to a minute.
        sleep: a function of seconds.
    """

    attempts: int = 4
    first_wait: float = 0.5
    sleep: Callable = time.sleep

    def call(self, function, attempts=None):
        """Returns function(), called again after each `TransientError`.

        Args:
            function: of no argument.
            attempts: in place of the attribute.

        Raises:
            TransientError: of the last attempt, with their number.
        """
        attempts = attempts or self.attempts
        for attempt in range(attempts):
            try:
                return function()
            except TransientError as error:
                if attempt == attempts - 1:
                    times = "once" if attempts == 1 else f"{attempts} times"
                    raise TransientError(
                        f"no answer, asked {times}: {error}"
                    ) from error
                wait = self.first_wait * 2 ** min(attempt, _MAX_DOUBLINGS)
                self.sleep(min(wait, max(_LONGEST_WAIT, self.first_wait)))


class Transport(Protocol):
    """A way to a model: gRPC, REST, or its folder on this machine.

    Attributes:
        place: what a message calls the model's place.
    """

    place: str

    def signatures(self) -> dict[str, Any]:
        """Returns {signature name: what is known of it}."""

    def predict(
        self, signature: str, inputs: dict[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Returns {output name: array [B, ...]} of a batch."""

    def close(self) -> None:
        """Gives up what is open."""


class Client:
    """Asks one signature of a model about images."""

    def __init__(
        self,
        transport: Transport,
        signature: str,
        batch_size: int = 64,
        retries: "Retries | None" = None,
    ) -> None:
        """Looks whether the model is there and has the signature.

        Args:
            transport: see above.
            signature: `FILES` or `PIXELS`.
            batch_size: images in a request.
            retries: a `Retries`.

        Raises:
            UserError: if nobody answers, or the model is another one.
        """
        self._transport, self._signature = transport, signature
        self._batch_size = batch_size
        self._retries = retries or Retries()
        self._is_down = False
        try:
            found = self._retries.call(transport.signatures)
        except (TransientError, RefusedError) as error:
            raise errors.UserError(f"{transport.place}: {error}") from error
        if signature not in found or not found[signature].outputs >= _OUTPUTS:
            raise errors.UserError(
                f"{transport.place}: the model has no signature {signature} "
                "that names classes; it was not exported by "
                "bin/export_savedmodel.py"
            )
        [(self._input, shape)] = found[signature].inputs.items()
        self.image_shape = tuple(shape[1:]) if signature == PIXELS else None

    def answers(self, items):
        """Asks about images, a batch at a time.

        An image that the model refuses costs the others of its batch nothing:
        they are asked about again without it.  A batch that nobody answers
        after all attempts is given up; the next are tried once each, until
        there is an answer again.

        Args:
            items: an iterable of `Item`.

        Yields:
            An `Answer` for each, in their order.

        Raises:
            UserError: if there is no such model any more.
        """
        batch, size = [], 0
        for item in items:
            contents, fault = _read(item)
            batch.append((item, contents, fault))
            size += 0 if fault else _size(contents)
            if len(batch) == self._batch_size or size >= _REQUEST_BYTES:
                yield from self._answers(batch)
                batch, size = [], 0
        yield from self._answers(batch)

    def _answers(self, batch):
        """Yields the answers to [(item, contents, fault or None)]."""
        answers = iter(
            self._ask(
                [(item, contents) for item, contents, f in batch if not f]
            )
        )
        for item, _, fault in batch:
            yield Answer(item, error=fault) if fault else next(answers)

    def _ask(self, contents):
        """Returns the answers to [(item, contents)]."""
        if not contents:
            return []
        batch = self._batch([value for _, value in contents])
        ask = functools.partial(
            self._transport.predict, self._signature, {self._input: batch}
        )
        try:
            outputs = self._retries.call(ask, 1 if self._is_down else None)
        except RefusedError as error:
            self._is_down = False
            if len(contents) > 1:
                half = len(contents) // 2
                return self._ask(contents[:half]) + self._ask(contents[half:])
            return [Answer(contents[0][0], error=one_line(error))]
        except TransientError as error:
            self._is_down = True
            return [Answer(item, error=one_line(error)) for item, _ in contents]
        self._is_down = False
        try:
            return [
                _answer(item, {name: outputs[name][row] for name in _OUTPUTS})
                for row, (item, _) in enumerate(contents)
            ]
        except (KeyError, IndexError, TypeError, ValueError):
            what = "an answer without outputs, or of another form"
            return [Answer(item, error=what) for item, _ in contents]

    def _batch(self, values):
        if self._signature == PIXELS:
            return np.stack(values)
        # Not an array of fixed length, which loses zeros at the end.
        return np.array(values, object)


def _read(item):
    """Returns the contents of an item, and why there are none, or None."""
    try:
        return item.read(), None
    except OSError as error:
        return None, f"cannot be read: {error.strerror or error}"
    except headers.ImageFault as error:
        return None, f"cannot be read: {error}"


def _size(contents):
    return len(contents) if isinstance(contents, bytes) else contents.nbytes


def _answer(item, row):
    return Answer(
        item,
        tuple(
            Ranked(int(class_id), _text(name), np.float32(probability))
            for class_id, name, probability in zip(
                row["top_k_class_ids"],
                row["top_k_class_names"],
                row["top_k_probabilities"],
            )
        ),
        np.asarray(row["probabilities"], np.float32),
    )


def _text(name):
    """Returns a class's name, which is bytes but over REST."""
    if isinstance(name, bytes):
        return name.decode(errors="replace")
    return str(name)


def one_line(error):
    """Returns the words of an error without where in the graph it arose."""
    words = " ".join(str(error).partition("[[")[0].split()).rstrip(" \t;,")
    if words.startswith(_ASSERTION):
        # [words] [values]
        words = words.removeprefix(_ASSERTION)[1:-1].replace("] [", " ")
    return words
