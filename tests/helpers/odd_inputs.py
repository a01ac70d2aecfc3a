"""Command lines that are mistakes, and what the one line about each says.

A row is (kind, script, flags, words).  In the flags {odd} is a folder that
`odd_files.write` filled, {runs} one that `odd_files.damage_runs` did, {run} a
good run, {models} an exported model, {out} a folder that is not there yet.
The words are in the message: the flag or the file, and what is right.
"""

import pathlib

import odd_files

_TRAINERS = (
    "cifar_train_baseline.py",
    "cifar_train_bkd.py",
    "cifar_train_dividemix.py",
    "cifar_train_ieg.py",
    "cifar_train_mentormix.py",
    "cifar_train_mentornet.py",
)
_PLUGIN = pathlib.Path(__file__).parents[1] / "plugin/my_gce.py"
_DIGITS = "--dataset_name=digits --studentnet=small_cnn"
_TRAIN = f"{_DIGITS} --max_number_of_steps=1 --train_log_dir={{out}}"
# What each script needs to get as far as its mistake.
_NEEDS = {
    **dict.fromkeys(_TRAINERS, _TRAIN),
    "train.py": f"--plugin={_PLUGIN} --method=my_gce {_TRAIN}",
    "train_head.py": "--dataset_name=digits --train_log_dir={out}",
    "audit_labels.py": "--dataset_name=digits --output_dir={out}",
    "benchmark.py": "--suite=start",
    "cifar_eval.py": "--once --checkpoint_dir={run}",
    "compare.py": "--dataset_name=digits --dry_run --output_dir={out}",
    "export_savedmodel.py": "--run_dir={run} --export_dir={out}",
    "fit_mentor.py": "--outdir={out} --vstar_fn=vstar_mentornet_pd",
    "inject_noise.py": "--dataset_name=digits --noise=symmetric:0.4 "
    "--output_dir={out}",
    "apply_corrections.py": "--data_dir={odd}/images "
    "--corrections={odd}/good.csv --output_dir={out}",
    "exchange_labels.py": "--data_dir={odd}/images --audit_dir={odd}/none "
    "--format=fiftyone --output={out}/a.json",
    "inspect_data.py": "--data_dir={odd}/images",
    "local_server.py": "--model_dir={models}",
    "predict.py": "--dataset_name=digits --model_dir={models}",
    "pretrain.py": _TRAIN,
    "preview_augmentation.py": "--dataset_name=digits --output={out}/a.png",
    "reproduce.py": "digits_baseline --output_dir={out}",
    "show_runs.py": "--runs={run}",
}
_ALL = tuple(_NEEDS)
_OF_DATA = (
    *_TRAINERS,
    "train.py",
    "train_head.py",
    "pretrain.py",
    "audit_labels.py",
    "inject_noise.py",
    "preview_augmentation.py",
)
_LARGE = "9" * 25


def _rows(kind, scripts, flags, words):
    return [
        (kind, script, f"{_NEEDS[script]} {flags}", words) for script in scripts
    ]


def _one(kind, script, *pairs):
    return [
        (kind, script, f"{_NEEDS[script]} {flags}", words)
        for flags, words in pairs
    ]


NUMBERS = [
    *_rows("number", _TRAINERS, "--num_epochs=1e30", "num_epochs"),
    *_rows("number", _OF_DATA, "--image_size=100000", "image_size"),
    *_rows("number", _OF_DATA[:3], "--image_size=-1", "image_size"),
    *_rows("number", _OF_DATA[3:6], f"--image_size={_LARGE}", "image_size"),
    *_rows(
        "number", _TRAINERS, "--num_virtual_devices=100000", "virtual_devices"
    ),
    *_rows("number", _TRAINERS[:4], f"--seed={_LARGE}", "seed"),
    *_rows("number", _TRAINERS, "--learning_rate=-5", "learning_rate"),
    *_rows("number", _TRAINERS, "--learning_rate=nan", "learning_rate"),
    *_rows("number", _TRAINERS[:2], f"--batch_size={_LARGE}", "batch_size"),
    *_rows("number", _TRAINERS[2:4], "--batch_size=0", "batch_size"),
    *_rows("number", _TRAINERS[4:], "--batch_size=1.5", "batch_size"),
    *_rows("number", _TRAINERS, "--batch_size=1000000000", "batch_size"),
    *_rows("number", _TRAINERS[:3], "--holdout=1", "holdout"),
    *_rows("number", _TRAINERS[3:], "--holdout=-0.1", "holdout"),
    *_one(
        "number",
        "cifar_train_baseline.py",
        ("--mixup_alpha=-1", "mixup_alpha"),
        ("--mixup_alpha=inf", "finite"),
        ("--weight_decay=-1", "weight_decay"),
        ("--ema_decay=1.5", "ema_decay"),
        ("--eval_batch_size=0", "eval_batch_size"),
        (f"--max_number_of_steps={_LARGE}", "max_number_of_steps"),
        ("--steps_per_execution=0", "steps_per_execution"),
        ("--data_on_device=perhaps", "data_on_device"),
        ("--save_interval_secs=-1", "save_interval_secs"),
        ("--restore_step=-3", "restore_step"),
        ("--restore_step=7", "restore_step"),
        ("--cache_mib=-1", "cache_mib"),
        ("--test_share=1", "test_share"),
    ),
    *_one(
        "number",
        "cifar_train_mentormix.py",
        ("--loss_p_percentile=2", "loss_p_percentile"),
        ("--mixup_alpha=-1", "mixup_alpha"),
        ("--burn_in_epoch=-1", "burn_in_epoch"),
    ),
    *_one(
        "number",
        "cifar_train_dividemix.py",
        ("--p_threshold=1.5", "p_threshold"),
        ("--T=0", "T"),
        ("--alpha=-1", "alpha"),
        ("--r=1.5", "r"),
        ("--warm_up=-1", "warm_up"),
    ),
    *_one(
        "number",
        "cifar_train_ieg.py",
        ("--probe_dataset_hold_ratio=1", "probe_dataset_hold_ratio"),
        ("--grad_eps_init=2", "grad_eps_init"),
        ("--decay_steps=many", "decay_steps"),
        ("--aug_type=", "aug_type"),
        ("--meta_stepsize=-1", "meta_stepsize"),
    ),
    *_one(
        "number",
        "compare.py",
        ("--seeds=100000000", "seeds"),
        ("--seeds=0", "seeds"),
        ("--num_epochs=-1", "num_epochs"),
        (f"--num_epochs={_LARGE}", "num_epochs"),
    ),
    *_one(
        "number",
        "preview_augmentation.py",
        ("--views=1e9", "views"),
        ("--views=1000000000", "views"),
        ("--seed=1e22", "seed"),
        ("--num_images=0", "num_images"),
        (f"--num_images={_LARGE}", "num_images"),
    ),
    *_one(
        "number",
        "benchmark.py",
        ("--num_examples=1000000000000", "num_examples"),
        ("--batch_size=1000000000", "batch_size"),
        ("--suite=step --batch_size=100000", "batch_size"),
        ("--repeats=0", "repeats"),
        ("--suite=none", "suite"),
    ),
    *_one(
        "number",
        "predict.py",
        ("--model_version=1" + "0" * 27, "model_version"),
        ("--batch_size=0", "batch_size"),
        ("--timeout=-1", "timeout"),
        ("--attempts=0", "attempts"),
        ("--first_wait=nan", "first_wait"),
    ),
    *_one(
        "number",
        "local_server.py",
        ("--port=99999", "port"),
        ("--port=-1", "port"),
        ("--port=0.5", "port"),
        ("--rest_port=65536", "rest_port"),
        ("--max_request_mib=0", "max_request_mib"),
        ("--num_threads=-1", "num_threads"),
    ),
    *_one(
        "number",
        "fit_mentor.py",
        ("--sample_size=-1", "sample_size"),
        (f"--sample_size={_LARGE}", "sample_size"),
        ("--mini_batch_size=0", "mini_batch_size"),
        ("--learning_rate=-5", "learning_rate"),
        ("--max_step_train=1e30", "max_step_train"),
    ),
    *_one(
        "number",
        "audit_labels.py",
        ("--folds=1", "folds"),
        ("--max_images=-1", "max_images"),
        ("--method=crossval --num_epochs=1e30", "num_epochs"),
        ("--method=crossval --folds=5000", "folds"),
    ),
    *_one(
        "number",
        "export_savedmodel.py",
        ("--top_k=-1", "top_k"),
        ("--num_test_images=-1", "num_test_images"),
        ("--max_accuracy_drop=2", "max_accuracy_drop"),
    ),
    *_one(
        "number",
        "cifar_eval.py",
        ("--batch_size=0", "batch_size"),
        ("--image_size=16", "image_size"),
        ("--eval_interval_secs=-1", "eval_interval_secs"),
    ),
]

WORDS = [
    *_rows("word", _ALL, "--no_such_flag=1", "no_such_flag"),
    *_rows("word", _ALL, "stray", "stray"),
    *_rows("word", _ALL, "--flagfile={odd}/unknown.flags", "no_such_flag"),
    *_rows("word", _TRAINERS, "--noise=symmetric:1.5", "noise"),
    *_rows("word", _TRAINERS, "--studentnet=resnet7", "resnet7"),
    *_one(
        "word",
        "compare.py",
        ("--methods=baseline,baseline", "baseline twice"),
        ("--methods=none", "none"),
        ("--flags=-1", "-1"),
        ("--flags=batch_size", "batch_size"),
        ("--method_flags=--T=1", "METHOD"),
        ("--method_flags=none:--T=1", "none"),
    ),
    *_one(
        "word",
        "cifar_train_baseline.py",
        ("--dataset_name=no_such_set", "no_such_set"),
        ("--train_split=train[:0]", "train[:0]"),
        ("--train_split=train[", "train["),
        ("--augment=none_such", "augment"),
        ("--strategy=many", "strategy"),
        ("--mixed_precision=float8", "mixed_precision"),
        ("--noise=open_set", "noise"),
        ("--lr_drops=a:b", "lr_drops"),
        (
            "--dataset_name=folder --data_dir={odd}/images --batch_size=2 "
            "--cache_mib=0 --data_on_device=yes",
            "raise --cache_mib",
        ),
    ),
    *_one(
        "word",
        "predict.py",
        ("--split=nothing", "nothing"),
        ("--format=xml", "format"),
        ("--images={odd}/images --images={odd}", "images"),
    ),
    *_one(
        "word",
        "inject_noise.py",
        ("--noise=symmetric", "symmetric"),
        ("--noise=symmetric:nan", "nan"),
        ("--noise=human:worse", "human"),
        ("--noise=", "noise"),
    ),
]

PATHS = [
    *_rows("path", _ALL, f"--flagfile={'x' * 300}", "x" * 50),
    *_rows("path", _ALL, "--flagfile={odd}/binary", "flagfile"),
    *_rows("path", _ALL, "--flagfile={odd}/folder", "folder"),
    *_rows("path", _TRAINERS[:3], "--plugin=" + "x" * 300, "x" * 50),
    *_rows("path", _TRAINERS[:3], "--plugin={odd}/none.py", "none.py"),
    *_rows(
        "path",
        _TRAINERS[3:],
        "--plugin={odd}/plugin_syntax.py",
        "plugin_syntax",
    ),
    *_rows(
        "path",
        _TRAINERS[:2],
        "--plugin={odd}/plugin_raises.py",
        "plugin_raises",
    ),
    *_rows("path", _TRAINERS, f"--train_log_dir={'y' * 300}", "y" * 50),
    *_rows("path", _TRAINERS, "--train_log_dir={odd}/text.txt", "text.txt"),
    *_rows(
        "path", _TRAINERS[:3], "--train_log_dir={odd}/text.txt/run", "text.txt"
    ),
    *_rows("path", _TRAINERS, "--noise_manifest={odd}/none.npz", "none.npz"),
    *_rows("path", _TRAINERS, "--noise_manifest={odd}/folder", "folder"),
    *_rows(
        "path",
        _OF_DATA,
        "--dataset_name=folder --data_dir={odd}/none",
        "none",
    ),
    *_rows(
        "path",
        _OF_DATA,
        "--dataset_name=folder --data_dir={odd}/text.txt",
        "text.txt",
    ),
    *_rows(
        "path",
        _OF_DATA[:4],
        f"--dataset_name=folder --data_dir={'z' * 300}",
        "z" * 50,
    ),
    *_one(
        "path",
        "reproduce.py",
        ("--plot={odd}/text.txt --table=digits", ".png"),
        ("--plot={odd}/text.txt/a.png --table=digits", "text.txt"),
        ("--output_dir={odd}/text.txt/a", "text.txt"),
        ("--table=digit", "did you mean digits"),
        ("--seed=5 --keep", "none of the seeds"),
    ),
    *_one(
        "path",
        "show_runs.py",
        ("--runs={odd}/folder", "not a finished run"),
        ("--runs={odd}/text.txt", "text.txt"),
        (f"--runs={'x' * 300}", "x" * 50),
        ("--runs=", "--runs"),
        ("--plot={odd}/text.txt", ".png"),
        ("--plot={odd}/folder", "folder"),
        (f"--plot={'x' * 300}.png", "x" * 50),
        ("--plot={odd}/text.txt/a.png", "text.txt"),
    ),
    *_one(
        "path",
        "preview_augmentation.py",
        ("--output={odd}/text.txt", ".png"),
        ("--output={odd}/text.txt/a.png", "text.txt"),
        (f"--output={'x' * 300}.png", "x" * 50),
    ),
    *_one(
        "path",
        "cifar_eval.py",
        ("--checkpoint_dir={odd}/none", "none"),
        ("--checkpoint_dir={odd}/text.txt", "text.txt"),
        ("--checkpoint_dir={odd}/folder", "folder"),
        ("--eval_dir={odd}/text.txt", "text.txt"),
        ("--output_csv_file={odd}/folder", "folder"),
    ),
    *_one(
        "path",
        "export_savedmodel.py",
        ("--run_dir={odd}/folder", "folder"),
        ("--run_dir={odd}/text.txt", "text.txt"),
        ("--export_dir={odd}/text.txt", "text.txt"),
        ("--export_dir={odd}/text.txt/model", "text.txt"),
        ("--export_dir=" + "x" * 300, "x" * 50),
    ),
    *_one(
        "path",
        "audit_labels.py",
        ("--output_dir={odd}/text.txt", "text.txt"),
        ("--run_dir={odd}/folder", "folder"),
        ("--pred_probs={odd}/folder", "folder"),
        ("--pred_probs={odd}/none.npy", "none.npy"),
        (f"--pred_probs={'x' * 300}", "x" * 50),
        ("--features={odd}/none.npy", "none.npy"),
        ("--features=keras:NoSuchNet", "NoSuchNet"),
    ),
    *_one(
        "path",
        "inject_noise.py",
        ("--output_dir={odd}/text.txt", "text.txt"),
        ("--output_dir={odd}/text.txt/a", "text.txt"),
        ("--output_dir=" + "x" * 300, "x" * 50),
    ),
    *_one(
        "path",
        "predict.py",
        ("--model_dir={odd}/none", "none"),
        ("--model_dir={odd}/folder", "folder"),
        ("--model_dir={odd}/text.txt", "text.txt"),
        ("--output={odd}/folder", "folder"),
        ("--output={odd}/text.txt/a.csv", "text.txt"),
    ),
    *_one(
        "path",
        "local_server.py",
        ("--model_dir={odd}/none", "none"),
        ("--model_dir={odd}/folder", "folder"),
        ("--model_dir={odd}/text.txt", "text.txt"),
        ("--model_dir=" + "x" * 300, "x" * 50),
    ),
    *_one(
        "path",
        "compare.py",
        ("--output_dir={odd}/text.txt", "text.txt"),
        ("--output_dir={odd}/text.txt/a", "text.txt"),
    ),
    *_one(
        "path",
        "fit_mentor.py",
        ("--outdir={odd}/text.txt", "text.txt"),
        (
            "--vstar_fn=data_driven --input_csv_filename={odd}/none.csv",
            "none.csv",
        ),
        (
            "--vstar_fn=data_driven --input_csv_filename={odd}/folder",
            "folder",
        ),
        ("--action=train --data_path={odd}/folder --train_dir={out}", "folder"),
        ("--action=visualize --model_dir={odd}/folder", "folder"),
    ),
]

DATA = [
    *_one(
        "data",
        "inspect_data.py",
        ("--data_dir={odd}/none", "none"),
        ("--data_dir={odd}/text.txt", "text.txt"),
        ("--data_dir={odd}/folder", "folder"),
        ("--data_dir=" + "x" * 300, "x" * 50),
        ("--data_dir=", "--data_dir"),
        ("--labels_csv={odd}/none.csv", "none.csv"),
        ("--labels_csv={odd}/binary", "binary"),
        ("--corrections={odd}/none.csv", "none.csv"),
        ("--corrections={odd}/binary", "binary"),
        ("--sheet={odd}/text.txt", ".png"),
        ("--dataset_name=digits --sheet=a.png", "--sheet"),
        ("--dataset_name=no_such_set", "no_such_set"),
        ("--num_images=1000000", "num_images"),
        ("--test_share=1", "test_share"),
    ),
    *_one(
        "data",
        "apply_corrections.py",
        ("--data_dir={odd}/none", "none"),
        ("--corrections=", "--corrections"),
        ("--corrections={odd}/none.csv", "none.csv"),
        ("--corrections={odd}/no_label.csv", "no_label.csv"),
        ("--output_csv=a.csv", "--output_csv"),
        ("--output_dir=", "--output_dir"),
        ("--output_dir={odd}/text.txt", "text.txt"),
        ("--output_dir={odd}/images/a", "within"),
        ("--output_dir={odd}", "there already"),
        ("--new_classes=../a", "../a"),
    ),
    *_one(
        "data",
        "exchange_labels.py",
        ("", "labels.csv"),
        ("--audit_dir={odd}/text.txt", "text.txt"),
        ("--audit_dir=", "--audit_dir"),
        ("--data_dir=", "--data_dir"),
        ("--output=", "--output"),
        ("--output={odd}/folder", "--output"),
        ("--format=xml", "format"),
        ("--limit=-1", "limit"),
        ("--input={odd}/none.json", "none"),
    ),
    *_one(
        "data",
        "audit_labels.py",
        ("--serve=99999", "serve"),
        ("--serve=-1", "serve"),
        ("--budget=-1", "budget"),
        (f"--budget={_LARGE}", "budget"),
        ("--order=random", "order"),
        ("--answers={odd}/none.csv", "none.csv"),
        ("--answers={odd}/folder", "folder"),
        ("--answers={odd}/no_label.csv", "no_label.csv"),
        ("--answers={odd}/binary", "binary"),
    ),
    *_one(
        "data",
        "train_head.py",
        ("--studentnet=small_cnn", "not frozen"),
        ("--head=tree", "head"),
        ("--train_log_dir={odd}/text.txt", "text.txt"),
        ("--corrections={odd}/none.csv", "none.csv"),
        ("--eval_batch_size=0", "eval_batch_size"),
    ),
    *_one(
        "data",
        "pretrain.py",
        ("--method=none", "none"),
        ("--temp=0", "temp"),
        ("--least_area=2", "least_area"),
        ("--warmup_epochs=-1", "warmup_epochs"),
        ("--pretrained={odd}/none", "none"),
    ),
    *[
        ("data", script, f"{_NEEDS[script]} --corrections={{odd}}/{name}", name)
        for script in (*_TRAINERS[:2], "audit_labels.py")
        for name in ("none.csv", "no_label.csv", "wide.csv", "binary", "folder")
    ],
]

ARRAYS = [
    *[
        (
            "array",
            "audit_labels.py",
            f"{_NEEDS['audit_labels.py']} {flag}={{odd}}/{name}",
            name,
        )
        for flag in ("--pred_probs", "--features")
        for name in (
            "complex.npy",
            "strings.npy",
            "objects.npy",
            "nan.npy",
            "three_axes.npy",
            "one_axis.npy",
            "scalar.npy",
            "few_rows.npy",
            "no_rows.npy",
            "dates.npy",
            "half.npy",
            "no_values.npy",
            "empty.npy",
            "text.npy",
            "huge_header.npy",
            "minus_header.npy",
            "half.npz",
            "empty.npz",
            "more_ids.npz",
            "same_ids.npz",
            "no_arrays.npz",
            "text.txt",
        )
    ],
    *_one(
        "array",
        "audit_labels.py",
        ("--pred_probs={odd}/negative.npy", "negative.npy"),
        ("--pred_probs={odd}/few_columns.npy", "few_columns.npy"),
        ("--pred_probs={odd}/other_names.npz", "other_names.npz"),
        ("--pred_probs={odd}/booleans.npy", "booleans.npy"),
    ),
    *[
        (
            "array",
            script,
            f"{_NEEDS[script]} --noise_manifest={{odd}}/{name}",
            name,
        )
        for script in ("cifar_train_baseline.py", "audit_labels.py")
        for name in (
            "half.npz",
            "empty.npz",
            "other_names.npz",
            "huge_header.npy",
            "text.txt",
            "binary",
        )
    ],
]

TABLES = [
    (
        "table",
        script,
        f"{_NEEDS[script]} --dataset_name=folder --data_dir={{odd}} "
        f"--labels_csv={{odd}}/{name}",
        name if name != "missing_files.csv" else "none.png",
    )
    for script in ("cifar_train_baseline.py", "audit_labels.py")
    for name in (
        "wide.csv",
        "quoted.csv",
        "header.csv",
        "no_label.csv",
        "surplus.csv",
        "missing_files.csv",
        "nul.csv",
        "empty",
        "binary",
        "folder",
        "none.csv",
    )
]

_READERS = {
    "results": ("show_runs.py --runs={}",),
    "flags": (
        "cifar_eval.py --once --checkpoint_dir={}",
        "export_savedmodel.py --export_dir={{out}} --run_dir={}",
        "audit_labels.py --output_dir={{out}} --run_dir={}",
    ),
    "manifest": (
        "audit_labels.py --output_dir={{out}} --run_dir={}",
        "cifar_eval.py --once --split_name=train --checkpoint_dir={}",
    ),
    "evidence": ("audit_labels.py --output_dir={{out}} --run_dir={}",),
}


def _of_runs():
    rows = []
    for name in odd_files.RUNS:
        for command in _READERS[name.partition("_")[0]]:
            script, _, flags = command.partition(" ")
            place = f"{{runs}}/{name}"
            words = pathlib.Path(odd_files.RUNS[name][0]).stem
            rows.append(("run", script, flags.format(place), words))
    for name in ("gone", "no_data", "no_index"):
        for script, flags in (
            ("cifar_eval.py", "--once --checkpoint_dir={runs}/"),
            ("export_savedmodel.py", "--export_dir={out} --run_dir={runs}/"),
        ):
            rows.append(("run", script, f"{flags}{name}", "checkpoint"))
    return rows


ROWS = [*NUMBERS, *WORDS, *PATHS, *DATA, *ARRAYS, *TABLES, *_of_runs()]
