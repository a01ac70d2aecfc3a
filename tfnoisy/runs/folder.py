"""A run is a folder that explains itself.

flags.flags         reruns it: SCRIPT --flagfile=RUN/flags.flags
noise_manifest.npz  which labels were wrong
metrics.jsonl       a line per evaluation
results.json        at the end, and only then
evidence.npz        what the method found out about the labels, if it does
tipping.png         BKD's: the curve that told when to judge them
checkpoints/        the last ones, and `best/` if data were held out
tensorboard/        events
"""

import json
import os
import pathlib
import shutil
import time

from tfnoisy import errors

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
        self.tipping = self.path / "tipping.png"
        self.checkpoints = self.path / "checkpoints"
        self.best = self.checkpoints / "best"
        self.tensorboard = self.path / "tensorboard"

    def check_usable(self):
        """Refuses a folder whose files are not those of a run.

        Raises:
            UserError: if it holds files by our names but no flags.flags.
        """
        ours = [self.checkpoints, self.results, self.metrics, self.manifest]
        strange = [path for path in ours if path.exists()]
        if strange and not self.flags.exists():
            raise errors.UserError(
                f"{self.path} is no run folder of tfnoisy, yet has a "
                f"{strange[0].name}; choose another --train_log_dir"
            )

    def clear(self):
        """Removes what an earlier run left; other files stay."""
        for folder in (self.checkpoints, self.tensorboard):
            shutil.rmtree(folder, ignore_errors=True)
        for file in (
            self.results,
            self.evidence,
            self.tipping,
            self.metrics,
            self.manifest,
            self.flags,
        ):
            file.unlink(missing_ok=True)

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
            raise self._damaged(self.flags)
        return values

    def _flag_lines(self):
        if not self.flags.exists():
            return None
        try:
            return self.flags.read_text().splitlines()
        except (UnicodeDecodeError, OSError) as error:
            raise self._damaged(self.flags) from error

    @staticmethod
    def _damaged(path):
        return errors.UserError(
            f"{path} is damaged; restore it, or begin anew with another "
            "--train_log_dir"
        )

    def extended_from(self):
        """Returns the steps at which the run had ended and was prolonged."""
        lines = self._flag_lines() or []
        return [
            int(line.removeprefix(_EXTENDED))
            for line in lines
            if line.startswith(_EXTENDED)
        ]

    def networks(self):
        """Returns how many networks the run trains together, 1 or 2."""
        return self._noted(_NETWORKS)

    def replicas(self):
        """Returns how many replicas, on all machines, share a step."""
        return self._noted(_REPLICAS)

    def _noted(self, what):
        for line in self._flag_lines() or []:
            if line.startswith(what):
                return int(line.removeprefix(what))
        return 1

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
        self._replace(self.flags, "\n".join(lines) + "\n")

    def append_metrics(self, line):
        """Appends one evaluation, a dict of numbers with its `step`."""
        with self.metrics.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def read_metrics(self):
        """Returns the evaluations so far, a list of dicts."""
        if not self.metrics.exists():
            return []
        rows = []
        for line in self.metrics.read_text().splitlines():
            # A run killed while it wrote leaves half a line, the last one.
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError:
                break
        return rows

    def keep_metrics_until(self, step):
        """Drops the evaluations of steps that a resumed run makes again."""
        rows = [row for row in self.read_metrics() if row["step"] <= step]
        if self.metrics.exists():
            text = "".join(json.dumps(row) + "\n" for row in rows)
            self._replace(self.metrics, text)
        return rows

    def write_results(self, results):
        """Writes results.json; from then on the run counts as finished."""
        self._replace(self.results, json.dumps(results, indent=2) + "\n")

    def read_results(self):
        """Returns results.json as a dict, or None before the end.

        Raises:
            UserError: if the file is damaged.
        """
        if not self.results.exists():
            return None
        try:
            return json.loads(self.results.read_text())
        except ValueError as error:
            raise self._damaged(self.results) from error

    @staticmethod
    def _replace(path, text):
        beside = path.with_name(path.name + ".new")
        beside.write_text(text)
        os.replace(beside, path)


# What may differ between a run and its resumption: where and how, not what.
OPERATIONAL = (
    "cache_mib",
    "eval_every",
    "plugin",
    "save_interval_secs",
    "save_summaries_secs",
    "steps_per_execution",
    "train_log_dir",
)
LENGTH = ("max_number_of_steps", "num_epochs")


def compare_flags(folder, values):
    """Compares a command with the run that its folder holds.

    Args:
        folder: a `RunFolder` that holds a run.
        values: {flag name: value as text} of the command.

    Returns:
        True if the command asks for the same run, False if it asks for more
        steps of it.

    Raises:
        UserError: if it asks for a different run.
    """
    before = folder.read_flags()
    differing = sorted(
        name
        for name in {*before, *values} - {*OPERATIONAL}
        if before.get(name) != values.get(name)
    )
    if not differing:
        return True
    # From none to some --num_epochs is another way to count, not more.
    longer = all(
        name in LENGTH
        and 0 < float(before.get(name) or 0) < float(values.get(name) or 0)
        for name in differing
    )
    if longer:
        return False
    name = differing[0]
    more = f" and {len(differing) - 1} more" if len(differing) > 1 else ""
    raise errors.UserError(
        f"{folder.path} holds another run: --{name}={before.get(name)} there,"
        f" {values.get(name)} here{more}; choose another --train_log_dir, or"
        " --overwrite"
    )
