"""Tells an allocation that failed from other errors.

Without importing TensorFlow, whose own error for it has no parent in Python.
"""

import errno

# In the messages of what native code raises.
_SIGNS = (
    "failed to map segment",
    "cannot allocate memory",
    "can't start new thread",
    "oom when allocating",
    "resource_exhausted",
    "out of memory",
    "bad_alloc",
)
_KINDS = ("ResourceExhaustedError", "InternalError", "UnknownError")


def detail(error):
    """Returns what could not be allocated, or None for another error.

    Args:
        error: an exception.

    Returns:
        A few words, perhaps none.
    """
    kind = type(error).__name__
    lines = str(error).strip().splitlines()
    if isinstance(error, MemoryError) or kind == "ResourceExhaustedError":
        return lines[0][:200] if lines else ""
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return error.strerror
    if isinstance(error, (ImportError, RuntimeError)) or kind in _KINDS:
        for line in lines:
            if any(sign in line.lower() for sign in _SIGNS):
                return line[:200]
    return None
