import os
import resource
import signal

import numpy as np
import pytest

from tfnoisy.audit.features import store

PRINT = "ab" * 32


def keys(*names):
    return [store.key_of(np.full([2, 2, 1], name, np.uint8)) for name in names]


def test_what_was_kept_is_found_again(tmp_path):
    values = np.arange(9, dtype=np.float32).reshape(3, 3)
    with store.FeatureStore(tmp_path, PRINT, 3) as kept:
        kept.append(keys(1, 2), values[:2])
        kept.append(keys(3), values[2:])
        np.testing.assert_array_equal(kept.values(keys(3, 1)), values[[2, 0]])
    with store.FeatureStore(tmp_path, PRINT, 3) as kept:
        assert len(kept) == 3
        assert keys(2)[0] in kept
        assert keys(4)[0] not in kept
        np.testing.assert_array_equal(kept.values(keys(1, 2, 3)), values)
    with store.FeatureStore(tmp_path, "cd" * 32, 3) as other:
        assert not len(other)


def test_a_writer_that_was_killed_leaves_no_harm(tmp_path):
    with store.FeatureStore(tmp_path, PRINT, 2) as kept:
        kept.append(keys(1, 2, 3), np.eye(3, 2))
        path = kept.path
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    with store.FeatureStore(tmp_path, PRINT, 2) as kept:
        assert len(kept) == 2
        kept.append(keys(3), np.eye(3, 2)[2:])
    assert path.read_bytes() == whole


def test_damaged_records_are_passed_over(tmp_path):
    with store.FeatureStore(tmp_path, PRINT, 2) as kept:
        kept.append(keys(1, 2), np.ones([2, 2]))
        path = kept.path
    damaged = bytearray(path.read_bytes())
    damaged[34] ^= 1
    path.write_bytes(damaged)
    with store.FeatureStore(tmp_path, PRINT, 2) as kept:
        assert keys(1)[0] not in kept
        assert keys(2)[0] in kept


def test_two_writers_keep_each_others_records(tmp_path):
    with (
        store.FeatureStore(tmp_path, PRINT, 2) as one,
        store.FeatureStore(tmp_path, PRINT, 2) as two,
    ):
        one.append(keys(1), np.full([1, 2], 1))
        two.append(keys(2), np.full([1, 2], 2))
        one.append(keys(3), np.full([1, 2], 3))
        np.testing.assert_array_equal(one.values(keys(3, 1))[:, 0], [3, 1])
        np.testing.assert_array_equal(two.values(keys(2))[:, 0], [2])
    with store.FeatureStore(tmp_path, PRINT, 2) as kept:
        np.testing.assert_array_equal(
            kept.values(keys(1, 2, 3))[:, 0], [1, 2, 3]
        )


def test_a_folder_that_cannot_be_made_costs_a_line(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    with store.FeatureStore(tmp_path / "file" / "x", PRINT, 2) as kept:
        kept.append(keys(1), np.ones([1, 2]))
        np.testing.assert_array_equal(kept.values(keys(1)), np.ones([1, 2]))
        assert kept.path is None
    assert capsys.readouterr().err.count("\n") == 1


@pytest.fixture
def small_disk():
    """Files of this process end at a hundred bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_costs_a_line(tmp_path, capsys, small_disk):
    values = np.arange(8, dtype=np.float32).reshape(4, 2)
    with store.FeatureStore(tmp_path, PRINT, 2) as kept:
        kept.append(keys(1), values[:1])
        kept.append(keys(2, 3), values[1:3])
        kept.append(keys(4), values[3:])
        np.testing.assert_array_equal(kept.values(keys(1, 2, 3, 4)), values)
    (file,) = tmp_path.iterdir()
    assert os.stat(file).st_size == 44
    assert capsys.readouterr().err.count("\n") == 1


def test_the_key_is_of_shape_and_pixels():
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    same = store.key_of(np.ascontiguousarray(image[::-1])[::-1])
    assert store.key_of(image) == same
    assert store.key_of(image) != store.key_of(image.reshape(4, 1, 3))
    assert store.key_of(image) != store.key_of(image + 1)


def test_the_users_cache_is_the_default(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert store.default_folder() == tmp_path / "tfnoisy" / "features"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/somewhere")
    assert str(store.default_folder()).startswith("/somewhere/.cache/")
