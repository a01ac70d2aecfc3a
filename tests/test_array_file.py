import io
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

import odd_files
from tfnoisy import array_file

_DTYPES = st.one_of(
    arrays_of.floating_dtypes(),
    arrays_of.integer_dtypes(),
    arrays_of.boolean_dtypes(),
    arrays_of.unicode_string_dtypes(max_len=5),
    arrays_of.datetime64_dtypes(),
)
_ARRAYS = arrays_of.arrays(_DTYPES, arrays_of.array_shapes(min_dims=0))


def saved(save, *args, **kwargs):
    buffer = io.BytesIO()
    save(buffer, *args, **kwargs)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """Returns what is read of a file with these bytes."""
    path = tmp_path_factory.mktemp("arrays") / "file"

    def read(contents):
        path.write_bytes(contents)
        return array_file.read(path)

    return read


@settings(max_examples=60, deadline=None)
@given(_ARRAYS)
def test_an_array_is_read_as_it_was_written(read, array):
    found = read(saved(np.save, array))
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


@settings(max_examples=30, deadline=None)
@given(_ARRAYS, _ARRAYS, st.booleans())
def test_and_so_are_several(read, first, second, compressed):
    save = np.savez_compressed if compressed else np.savez
    found = read(saved(save, a=first, b=second))
    assert list(found) == ["a", "b"]
    np.testing.assert_array_equal(found["a"], first)
    np.testing.assert_array_equal(found["b"], second)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_whatever_the_bytes_are_it_is_read_or_refused(read, data):
    save, given_array = data.draw(
        st.sampled_from(
            [
                (np.save, np.arange(6.0).reshape(2, 3)),
                (np.savez, np.arange(4)),
                (np.savez_compressed, np.arange(4)),
            ]
        )
    )
    contents = bytearray(saved(save, given_array))
    for _ in range(data.draw(st.integers(0, 4))):
        place = data.draw(st.integers(0, len(contents) - 1))
        contents[place] = data.draw(st.integers(0, 255))
    contents = contents[: data.draw(st.integers(0, len(contents)))]
    try:
        found = read(bytes(contents))
    except array_file.ERRORS:
        return
    for array in found.values() if isinstance(found, dict) else [found]:
        assert isinstance(array, np.ndarray)


def test_objects_are_not_unpickled(read):
    objects = np.array([{"a": 1}], object)
    contents = saved(np.save, objects, allow_pickle=True)
    with pytest.raises(ValueError, match="Python objects"):
        read(contents)
    with pytest.raises(ValueError, match="Python objects"):
        read(saved(np.savez, a=objects, allow_pickle=True))


@pytest.mark.parametrize("rows", [10**6, 10**12, 10**30])
def test_what_is_announced_must_be_there(read, rows):
    contents = odd_files.header((rows, 10)) + bytes(320)
    with pytest.raises(ValueError, match="is announced"):
        read(contents)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.npy", contents)
    with pytest.raises(ValueError, match="is announced"):
        read(buffer.getvalue())


def test_an_archive_may_lie_about_what_it_holds(read):
    contents = odd_files.header((10**9, 10)) + bytes(320)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.npy", contents)
    archive = buffer.getvalue()
    # The size is in the member's header and in the directory, in 4 bytes.
    size = len(contents).to_bytes(4, "little")
    assert archive.count(size) == 2
    with pytest.raises(ValueError, match="is announced"):
        read(archive.replace(size, b"\xfe\xff\xff\xff"))


@pytest.mark.parametrize(
    ("compression", "message"),
    [
        (zipfile.ZIP_DEFLATED, "the archive is damaged"),
        (zipfile.ZIP_BZIP2, "as NumPy does not compress"),
        (zipfile.ZIP_LZMA, "as NumPy does not compress"),
    ],
)
def test_damaged_and_other_compression_is_refused(read, compression, message):
    contents = saved(np.save, np.arange(4000))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        file.writestr("a.npy", contents)
    archive = bytearray(buffer.getvalue())
    archive[40:60] = bytes(20)
    with pytest.raises(ValueError, match=message):
        read(bytes(archive))


def test_other_archives_are_refused(read):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("words.txt", "no array")
    with pytest.raises(ValueError, match=r"words\.txt, which is no array"):
        read(buffer.getvalue())
