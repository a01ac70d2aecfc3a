"""A run on streamed images is the run on the same images in memory."""

import numpy as np
import pytest
from PIL import Image

import slow_cases
from tfnoisy import errors
from tfnoisy.augment import standard
from tfnoisy.datasets import load, pipeline
from tfnoisy.methods import baseline
from tfnoisy.methods.bkd import bkd
from tfnoisy.methods.dividemix import dividemix
from tfnoisy.nets import pair, registry
from tfnoisy.runs import folder as run_folder
from tfnoisy.training import distribution, evaluation, loop, optimizer


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Two classes of 16 images of noise, one darker than the other."""
    root = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(0)
    for k in range(32):
        path = root / f"train/{'ab'[k % 2]}/{k:02}.{['png', 'jpg'][k % 3 > 0]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 128 + 127 * (k % 2), [12, 10 + k % 3, 3])
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    return root


def students(count):
    return [
        registry.build("small_cnn", 2, (8, 8, 3), seed=k) for k in range(count)
    ]


METHODS = {
    "baseline": lambda: baseline.Baseline(*students(1)),
    "dividemix": lambda: dividemix.DivideMix(
        pair.Pair(*students(2)),
        num_ids=32,
        batch_size=8,
        warm_up=1,
        num_epochs=1,
    ),
    "bkd": lambda: bkd.BKD(
        pair.Pair(*students(2)), num_ids=32, n_epoch=2, clean_test_freq=2
    ),
}


def make_loop(
    path, root, method="baseline", num_steps=9, strategy=None, **options
):
    data = load.load(
        "folder", "train", data_dir=str(root), image_size=8, **options
    )
    views = standard.get("standard", (8, 8, 3))
    method = METHODS[method]()
    method.compile(optimizer.TF1Momentum(0.05))
    strategy = strategy or distribution.make_strategy("one_device")
    return loop.Loop(
        method,
        pipeline.TrainingData(data, views, 8, seed=5),
        run_folder.RunFolder(path),
        strategy,
        num_steps=num_steps,
        eval_every=0,
        evaluators={
            "test": evaluation.Evaluator(method, data, views, 10, strategy)
        },
        progress=False,
    )


def assert_same_state(found, expected):
    pairs = zip(
        [*found.variables, *found.optimizer.variables],
        [*expected.variables, *expected.optimizer.variables],
        strict=True,
    )
    for variable, other in pairs:
        np.testing.assert_array_equal(
            variable.numpy(), other.numpy(), err_msg=other.path
        )


@pytest.mark.parametrize("method", slow_cases.but(["baseline"], METHODS))
def test_the_same_weights_bit_for_bit(tmp_path, photographs, method):
    loops = [
        make_loop(tmp_path / name, photographs, method, **options)
        for name, options in (("held", {}), ("streamed", {"cache_mib": 0}))
    ]
    rows = [one.run() for one in loops]
    assert_same_state(loops[1].method, loops[0].method)
    assert rows[1][-1]["test_loss"] == rows[0][-1]["test_loss"]
    assert rows[0][-1]["step"] > 4


def test_a_run_goes_on_streamed_where_it_was_in_memory(tmp_path, photographs):
    whole = make_loop(tmp_path / "whole", photographs)
    whole.run()
    make_loop(tmp_path / "parts", photographs, num_steps=5).run()
    rest = make_loop(tmp_path / "parts", photographs, cache_mib=0)
    rest.run()
    assert_same_state(rest.method, whole.method)


def test_an_image_that_breaks_on_the_way(tmp_path, photographs):
    """One line that names it; put right, the run goes on as if nothing was."""
    whole = make_loop(tmp_path / "whole", photographs)
    whole.run()
    make_loop(tmp_path / "parts", photographs, num_steps=2).run()
    broken = make_loop(tmp_path / "parts", photographs, cache_mib=0)
    # In the second pass, if it was in the first two steps.
    file = photographs / "train/a/02.jpg"
    contents = file.read_bytes()
    file.write_bytes(contents[:-50])
    try:
        with pytest.raises(
            errors.TrainingError,
            match=r"^\S+: train/a/02.jpg: broken image; with these files "
            r"put right the same command goes on from \S+/checkpoints/ckpt-2$",
        ):
            broken.run()
    finally:
        file.write_bytes(contents)
    again = make_loop(tmp_path / "parts", photographs, cache_mib=0)
    again.run()
    assert_same_state(again.method, whole.method)


def test_an_image_of_the_test_set_that_breaks(tmp_path, photographs):
    """All images are judged after the training, which read but eight."""
    broken = make_loop(tmp_path, photographs, num_steps=1, cache_mib=0)
    files = sorted(photographs.glob("train/b/*.jpg"))
    contents = [file.read_bytes() for file in files]
    broken.data = make_loop(tmp_path, photographs).data
    try:
        for file in files:
            file.write_bytes(b"")
        with pytest.raises(
            errors.TrainingError,
            match=rf": {len(files)} problems: .*goes on from the beginning$",
        ):
            broken.run()
    finally:
        for file, content in zip(files, contents):
            file.write_bytes(content)


def test_two_replicas_name_it_too(tmp_path, photographs, two_replicas):
    with two_replicas.scope():
        broken = make_loop(
            tmp_path, photographs, strategy=two_replicas, cache_mib=0
        )
    file = photographs / "train/a/02.jpg"
    contents = file.read_bytes()
    file.write_bytes(contents[:-50])
    try:
        with pytest.raises(
            errors.TrainingError, match=r"train/a/02.jpg: broken image; with"
        ):
            broken.run()
    finally:
        file.write_bytes(contents)
