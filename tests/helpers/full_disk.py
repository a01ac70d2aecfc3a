"""A disk that takes no more, for a moment."""

import contextlib
import resource


@contextlib.contextmanager
def no_file_beyond(size):
    """Lets no file of this process grow beyond so many bytes.

    Python ignores the signal that would end the process, and the writers of
    TensorFlow get the same kind of error as from a disk that is full.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
