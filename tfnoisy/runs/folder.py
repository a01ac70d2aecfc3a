"""A run is a folder that explains itself.

flags.flags         reruns it: SCRIPT --flagfile=RUN/flags.flags
noise_manifest.npz  which labels were wrong
metrics.jsonl       a line per evaluation
results.json        the final metrics, written when the run has ended
evidence.npz        per-example evidence about the labels, if the method has any
tipping.png         BKD's curve of confidence, and when it judged the labels
checkpoints/        the last ten, and `best/` if data were held out
tensorboard/        events
lock                who trains here; see `runs.lock`
"""

import json
import pathlib
import shutil
import time

from tfnoisy import errors, output_file
from tfnoisy.runs import lock as run_lock

_NETWORKS = "# Networks that are trained and judged together: "
_REPLICAS = "# Replicas that share a step: "
_EXTENDED = "# This run had ended and was then prolonged, at step "


class RunFolder:
    """The paths of one run and the small files in them."""

    def __init__(self, path):
        """Names the folder; nothing is created.

        Args:
            path: the folder, a string or a path.
        """
        self.path = pathlib.Path(path).expanduser()
        self.flags = self.path / "flags.flags"
        self.manifest = self.path / "noise_manifest.npz"
        self.metrics = self.path / "metrics.jsonl"
        self.results = self.path / "results.json"
        self.evidence = self.path / "evidence.npz"
        self.corrections = self.path / "corrections.csv"
        self.tipping = self.path / "tipping.png"
        self.checkpoints = self.path / "checkpoints"
        self.best = self.checkpoints / "best"
        self.tensorboard = self.path / "tensorboard"
        self.lock = run_lock.Lock(self.path)

    def check_usable(self):
        """Refuses a path that cannot be a run folder, and others' folders.

        Raises:
            UserError: if the path cannot be a folder, or holds files by our
                names but no flags.flags.
        """
        ours = [self.checkpoints, self.results, self.metrics, self.manifest]
        try:
            strange = [path for path in ours if path.exists()]
            is_run = self.flags.exists()
            in_the_way = self.path.exists() and not self.path.is_dir()
        except (OSError, ValueError) as error:
            raise errors.UserError(
                f"--train_log_dir={self.path} is no path of a folder: {error}"
            ) from error
        if in_the_way:
            raise errors.UserError(
                f"--train_log_dir={self.path} is a file, not a folder"
            )
        if strange and not is_run:
            raise errors.UserError(
                f"{self.path} is no run folder of tfnoisy, yet has a "
                f"{strange[0].name}; choose another --train_log_dir"
            )

    def check_there(self):
        """Refuses to write into a folder that was moved, deleted or replaced.

        Raises:
            StorageError: if it was.
        """
        there = self.path.is_dir()
        if self.lock.is_held:
            there = there and self.lock.is_there()
        if not there:
            raise errors.StorageError(
                f"{self.path} was moved or deleted while the run trained (if "
                "it was moved, give its new place as --train_log_dir)"
            )

    def clear(self):
        """Removes an earlier run; other files, and the lock, stay.

        Raises:
            StorageError: if the disk is read-only.
        """
        for path in (
            self.results,
            self.checkpoints,
            self.tensorboard,
            self.evidence,
            self.corrections,
            self.tipping,
            self.metrics,
            self.manifest,
            # Last: what is left of a run that was being removed is one.
            self.flags,
        ):
            self._remove(path)

    def remove_results(self):
        """Makes a finished run one that goes on.

        Raises:
            StorageError: if the disk is read-only.
        """
        self._remove(self.results)

    @staticmethod
    def _remove(path):
        try:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise output_file.failure(path, error) from error

    def read_flags(self):
        """Returns {flag name: value as text} of the run, or None if new.

        Raises:
            UserError: if the file is damaged.
        """
        lines = self._flag_lines()
        if lines is None:
            return None
        pairs = (line[2:].partition("=") for line in lines if line[:2] == "--")
        values = {name: value for name, _, value in pairs}
        if "dataset_name" not in values:
            raise self.damaged(self.flags)
        return values

    def _flag_lines(self):
        if not self.flags.exists():
            return None
        try:
            return self.flags.read_text().splitlines()
        except (UnicodeDecodeError, OSError) as error:
            raise self.damaged(self.flags) from error

    @staticmethod
    def damaged(path):
        """Returns a `UserError` about a file of the folder."""
        return errors.UserError(
            f"{path} is damaged: put a good copy of it back, or choose another "
            "--train_log_dir"
        )

    def extended_from(self):
        """Returns the steps at which the run had ended and was prolonged."""
        return self._noted(_EXTENDED)

    def networks(self):
        """Returns how many networks the run trains together, 1 or 2."""
        return (self._noted(_NETWORKS) or [1])[0]

    def replicas(self):
        """Returns how many replicas, on all machines, share a step."""
        return (self._noted(_REPLICAS) or [1])[0]

    def _noted(self, what):
        """Returns the numbers of the comments that begin with these words."""
        words = [
            line.removeprefix(what)
            for line in self._flag_lines() or []
            if line.startswith(what)
        ]
        try:
            return [int(word) for word in words]
        except ValueError as error:
            raise self.damaged(self.flags) from error

    def wait_for(self, path, seconds=60.0):
        """Waits for a file that another machine has written into the folder.

        Network file systems show news late.

        Args:
            path: of the file.
            seconds: the longest time to wait.

        Raises:
            UserError: if it does not appear.
        """
        deadline = time.monotonic() + seconds
        while not pathlib.Path(path).exists():
            if time.monotonic() > deadline:
                raise errors.UserError(
                    f"this worker does not see {path}, which worker 0 wrote: "
                    "--train_log_dir must be on a file system that all workers "
                    "share"
                )
            time.sleep(0.1)

    def write_flags(
        self, values, command, extended_from=(), networks=1, replicas=1
    ):
        """Writes the flag file that reruns the run.

        Args:
            values: {flag name: value as text}.
            command: the script's name, for the comment.
            extended_from: see `extended_from`; until then the run's schedules
                were those of fewer steps, which the file says.
            networks: see `networks`.
            replicas: see `replicas`.
        """
        lines = [f"# {command} --flagfile={self.flags}"]
        if networks > 1:
            lines.append(f"{_NETWORKS}{networks}")
        if replicas > 1:
            lines.append(f"{_REPLICAS}{replicas}")
        lines += [f"{_EXTENDED}{steps}" for steps in extended_from]
        lines += [f"--{name}={value}" for name, value in values.items()]
        self._write(self.flags, "\n".join(lines) + "\n")

    def append_metrics(self, line):
        """Appends one evaluation, a dict of numbers with its `step`.

        Raises:
            StorageError: if the disk does not take it.
        """
        self.check_there()
        try:
            with self.metrics.open("a") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise output_file.failure(self.metrics, error) from error

    def read_metrics(self):
        """Returns the evaluations so far, a list of dicts.

        They end where the file is damaged: a run that was killed, or whose
        disk was full, leaves half a line.
        """
        try:
            text = self.metrics.read_text(errors="replace")
        except OSError:
            return []
        rows = []
        for line in text.splitlines():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                break
            if not isinstance(row, dict) or type(row.get("step")) is not int:
                break
            rows.append(row)
        return rows

    def write_metrics(self, rows):
        """Makes the file say these evaluations, if it does not already."""
        text = "".join(json.dumps(row) + "\n" for row in rows)
        try:
            before = self.metrics.read_text(errors="replace")
        except FileNotFoundError:
            before = ""
        except OSError as error:
            raise output_file.failure(self.metrics, error) from error
        if text != before:
            self._write(self.metrics, text)

    def write_results(self, results):
        """Writes results.json; from then on the run counts as finished."""
        self._write(self.results, json.dumps(results, indent=2) + "\n")

    def read_results(self):
        """Returns results.json as a dict, or None before the end.

        Raises:
            UserError: if the file is damaged.
        """
        if not self.results.exists():
            return None
        try:
            results = json.loads(self.results.read_text())
        except (ValueError, OSError, RecursionError) as error:
            raise self.damaged(self.results) from error
        if not isinstance(results, dict) or "steps" not in results:
            raise self.damaged(self.results)
        return results

    def keep_corrections(self, path):
        """Copies the file of corrections that the run is trained with."""
        contents = pathlib.Path(path).expanduser().read_bytes()
        self._write(self.corrections, contents)

    def write_evidence(self, contents):
        """Writes evidence.npz, given its bytes."""
        self._write(self.evidence, contents)

    def _write(self, path, contents):
        self.check_there()
        output_file.write(path, contents, make_folder=False)
