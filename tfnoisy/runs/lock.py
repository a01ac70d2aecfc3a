"""One process at a time trains in a run folder.

The lock is an advisory one of the operating system (`flock`) on the file
`lock` in the run folder.  It ends with the process that holds it, however that
ends, so that no stale lock stands in the way of a resumed run.  It holds
between processes of one machine, and between machines where their shared file
system passes `flock` on (NFS since Linux 2.6.12, Lustre and BeeGFS if mounted
so); where a file system has no locks a line says so and the run goes on.  Of
several workers the chief holds it for all.

The held file also tells whether the folder is still there: a run whose folder
was moved, deleted or replaced must not write another one in its place.
"""

import datetime
import errno
import fcntl
import os
import pathlib
import socket
import sys

from tfnoisy import errors, output_file

_NAME = "lock"
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


class Lock:
    """The lock of one run folder; a context manager that releases it.

    Entering takes the lock of a run that has one, which changes no file; a new
    run folder is made, and locked, by `acquire`.
    """

    def __init__(self, folder, option="--train_log_dir"):
        """Names the lock; nothing is opened.

        Args:
            folder: the path of the run folder.
            option: the flag by which a user names the folder.
        """
        self._option = option
        self.path = pathlib.Path(folder) / _NAME
        self._file = None
        self._named = False

    def __enter__(self):
        """Takes the lock if its file exists.

        Raises:
            UserError: if another process holds it.
        """
        if self.path.exists():
            self._take(os.O_RDWR)
        return self

    def __exit__(self, *_):
        """Releases the lock; the file stays."""
        if self._file is None:
            return
        if self._named and self.is_there():
            os.ftruncate(self._file, 0)
        os.close(self._file)
        self._file, self._named = None, False

    def acquire(self):
        """Makes the run folder, takes its lock, and writes who holds it.

        Raises:
            UserError: if another process holds it, or the folder cannot be
                made.
            StorageError: if the disk cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise output_file.failure(self.path.parent, error) from error
        if self._file is None:
            self._take(os.O_RDWR | os.O_CREAT)
        now = datetime.datetime.now().astimezone()
        holder = (
            f"process {os.getpid()} on {socket.gethostname()}, since "
            f"{now:%Y-%m-%d %H:%M:%S %z}\n"
        )
        try:
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, holder.encode(), 0)
        except OSError as error:
            raise output_file.failure(self.path, error) from error
        self._named = True

    def is_there(self):
        """Returns whether the folder is still the one that was locked."""
        try:
            found = self.path.stat()
        except OSError:
            return False
        held = os.fstat(self._file)
        return (found.st_dev, found.st_ino) == (held.st_dev, held.st_ino)

    @property
    def is_held(self):
        """Whether this object holds the lock."""
        return self._file is not None

    def _take(self, how):
        try:
            file = os.open(self.path, how, 0o666)
        except OSError as error:
            raise output_file.failure(self.path, error) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(file, 200, 0).decode(errors="replace").strip()
            os.close(file)
            raise errors.UserError(
                f"another process trains in {self.path.parent}"
                f"{f' ({holder})' if holder else ''}: wait for its end, stop "
                f"it, or choose another {self._option}"
            ) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                os.close(file)
                raise output_file.failure(self.path, error) from error
            print(
                f"{self.path.parent} is on a file system without locks: see "
                "to it that no other process trains there",
                file=sys.stderr,
            )
        self._file = file
