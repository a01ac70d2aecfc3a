"""Tries random command lines for some minutes; run by hand:

    python tests/helpers/fuzz_flags.py --seconds=600 --seed=0

Each is a script with what it needs, and one or two of its flags with odd
values.  It counts how they ended, and prints what no script should do: a
traceback, a refusal in more than one line or that left files, a process that
takes more than 30 seconds or 6 GB where nothing was to be trained.  Started by
root it runs the scripts as nobody, so that no file of the system is at risk.
"""

import argparse
import collections
import importlib
import json
import os
import pathlib
import random
import runpy
import shutil
import signal
import sys
import tempfile
import time
import traceback

ROOT = pathlib.Path(__file__).parents[2]
_SECONDS, _BYTES = 30, 6e9
_NOBODY = 65534
_NUMBERS = [
    "-1",
    "0",
    "1",
    "0.5",
    "2",
    "1e30",
    "-1e30",
    "1e-320",
    "nan",
    "inf",
    "-inf",
    "-0.0",
    "1,5",
    "0x10",
    "1_000",
    "1000000000000",
    "9999999999999999999999999",
    "99999",
    "abc",
] + ["", " ", "\u0661", "\u00b2"]
_TEXTS = [
    *("", "x" * 300, "/no/such/place", "{dir}", "{file}", "\u00e4\U0001f4a5"),
    *("../..", "a:b:c", "1e30", "-1", "[]", "a,a", ",", "none", "/dev/null"),
    *("{file}/a", "~", "~nobody/a", "a\nb", "%s", "$HOME", "train[", "'"),
]
_NOT = ("flagfile", "undefok", "serve", "help")


def main():
    """Tries, counts, prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--script", help="this script alone")
    arguments = parser.parse_args()
    sys.path[:0] = [str(ROOT / "bin"), str(ROOT)]
    from tfnoisy.cli import tensorflow_start

    tensorflow_start.prepare()
    for name in (
        "tensorflow",
        "tensorflow_datasets.core",
        "tfnoisy.training.experiment",
        "tfnoisy.serving.export.export",
        "tfnoisy.audit.from_features",
    ):
        importlib.import_module(name)
    with tempfile.TemporaryDirectory() as folder:
        _fuzz(pathlib.Path(folder), arguments)


def _fuzz(folder, arguments):
    folder.chmod(0o755)
    (folder / "dir").mkdir()
    (folder / "file").write_text("hello\n")
    run, models = folder / "run", folder / "models"
    for words in (
        ["cifar_train_mentormix.py", *_TINY, "--train_log_dir=OUT/run"],
        ["export_savedmodel.py", f"--run_dir={run}", "--export_dir=OUT/models"],
    ):
        ended = _try(folder, words)
        assert ended["code"] == 0, ended
        for path in sorted((folder / "last").iterdir()):
            shutil.move(path, folder / path.name)
    needs = _needs(run, models)
    flags = {script: _flags_of(script) for script in needs}
    draws, counts = random.Random(arguments.seed), collections.Counter()
    end = time.monotonic() + arguments.seconds
    while time.monotonic() < end:
        script = arguments.script or draws.choice(sorted(needs))
        odd = {}
        for name, kind in draws.sample(flags[script], draws.choice([1, 1, 2])):
            values = _NUMBERS if kind in ("Integer", "Float") else _TEXTS
            odd[name] = draws.choice(values).format(
                dir=folder / "dir", file=folder / "file"
            )
        words = [
            word
            for word in needs[script]
            if word.partition("=")[0].lstrip("-") not in odd
        ]
        words += [f"--{name}={value}" for name, value in odd.items()]
        ended = _try(folder, [script, *words])
        kind = _kind_of(ended)
        counts[kind] += 1
        if kind not in ("refused in one line", "accepted"):
            print(kind, script, odd, ended["said"][-300:], flush=True)
    print(json.dumps(counts))


_TINY = [
    "--dataset_name=digits",
    "--studentnet=small_cnn",
    "--max_number_of_steps=2",
]


def _needs(run, models):
    """Returns {script: the words that it needs}; OUT is a new folder."""
    trainers = sorted(path.name for path in ROOT.glob("bin/cifar_train_*.py"))
    return {
        **{name: [*_TINY, "--train_log_dir=OUT/run"] for name in trainers},
        "audit_labels.py": [f"--run_dir={run}", "--output_dir=OUT/audit"],
        "cifar_eval.py": [f"--checkpoint_dir={run}", "--once"],
        "compare.py": ["--methods=baseline", "--dry_run"],
        "export_savedmodel.py": [f"--run_dir={run}", "--export_dir=OUT/m"],
        "fit_mentor.py": ["--outdir=OUT/a", "--vstar_fn=vstar_mentornet_pd"],
        "inject_noise.py": [
            "--dataset_name=digits",
            "--noise=symmetric:0.4",
            "--output_dir=OUT/noisy",
        ],
        "inspect_data.py": ["--dataset_name=digits"],
        "predict.py": [
            "--dataset_name=digits",
            "--split=test[:3]",
            f"--model_dir={models}",
        ],
        "preview_augmentation.py": [
            "--dataset_name=digits",
            "--output=OUT/a.png",
        ],
        "show_runs.py": [f"--runs={run}"],
    }


def _flags_of(script):
    """Returns [(name, kind), ...] of a script's own flags."""
    to_read, to_write = os.pipe()
    child = os.fork()
    if not child:
        importlib.import_module(f"tfnoisy.bin.{script[:-3]}")
        from absl import flags

        found = [
            (flag.name, type(flag.parser).__name__.removesuffix("Parser"))
            for module, own in flags.FLAGS.flags_by_module_dict().items()
            if not module.startswith("absl")
            for flag in own
            if flag.name not in _NOT
        ]
        os.write(to_write, json.dumps(found).encode())
        os._exit(0)
    os.close(to_write)
    with os.fdopen(to_read) as file:
        found = json.load(file)
    os.waitpid(child, 0)
    return [tuple(pair) for pair in found]


def _try(folder, words):
    """Runs a script in a process of its own; returns how it ended."""
    here, out = folder / "here", folder / "last"
    for path in (here, out):
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        if not os.getuid():
            os.chown(path, _NOBODY, _NOBODY)
    said = folder / "said"
    words = [word.replace("OUT", str(out)) for word in words]
    started, child = time.monotonic(), os.fork()
    if not child:
        _become(words, said, here)
    code = None
    while code is None and time.monotonic() - started < _SECONDS:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
        elif _memory(child) > _BYTES:
            break
        else:
            time.sleep(0.02)
    if code is None:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return {
        "code": code,
        "said": said.read_text(errors="replace"),
        "files": [str(p) for place in (here, out) for p in place.rglob("*")],
    }


def _become(words, said, here):
    file = os.open(said, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    null = os.open(os.devnull, os.O_RDWR)
    for number, source in ((0, null), (1, null), (2, file)):
        os.dup2(source, number)
    os.chdir(here)
    os.environ["HOME"] = str(here)
    if not os.getuid():
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)
    sys.argv = [str(ROOT / "bin" / words[0]), *words[1:]]
    code = 0
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(bool(end.code))
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stderr.flush()
    os._exit(code)


def _memory(process):
    try:
        pages = pathlib.Path(f"/proc/{process}/statm").read_text().split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _kind_of(ended):
    said = [
        line
        for line in ended["said"].splitlines()
        if line.strip() and "has no effect" not in line
    ]
    if "Traceback" in ended["said"]:
        return "traceback"
    if ended["code"] is None:
        return "too long or too large"
    if ended["code"] == 0:
        return "accepted"
    if ended["code"] != 2:
        return f"exit code {ended['code']}"
    if ended["files"]:
        return "refused, but files are left"
    if len(said) != 1 and "problem" not in ended["said"]:
        return f"refused in {len(said)} lines"
    return "refused in one line"


if __name__ == "__main__":
    main()
