import io
import pickle
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import odd_bytes
from tfnoisy import errors
from tfnoisy.nets import torch_checkpoint

VALUES = np.arange(12, dtype="<f4")


def text(value):
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def number(value):
    return b"J" + struct.pack("<i", value)


def numbers(values):
    return b"(" + b"".join(map(number, values)) + b"t"


def tensor(
    shape=(3, 4),
    stride=(4, 1),
    offset=0,
    key="7",
    dtype="FloatStorage",
    count=12,
):
    """The pickle operations of a tensor, as `torch.save` writes them."""
    storage = b"(" + text("storage") + f"ctorch\n{dtype}\n".encode()
    storage += text(key) + text("cpu") + number(count) + b"tQ"
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n("
        + storage
        + number(offset)
        + numbers(shape)
        + numbers(stride)
        + b"\x89ccollections\nOrderedDict\n)RtR"
    )


def state(**tensors):
    """The pickle of a state dictionary."""
    body = b"".join(text(name) + ops for name, ops in tensors.items())
    return b"\x80\x02ccollections\nOrderedDict\n)R(" + body + b"u."


def stream(pickled, values=VALUES):
    """A checkpoint in the layout before PyTorch 1.6."""
    about = {"protocol_version": 1001, "little_endian": True}
    head = (0x1950A86A20F9469CFC6C, 1001, about)
    return (
        b"".join(pickle.dumps(part, 2) for part in head)
        + pickled
        + pickle.dumps(["7"], 2)
        + struct.pack("<q", len(values))
        + values.tobytes()
    )


def archive(pickled, values=VALUES, compression=zipfile.ZIP_STORED):
    """A checkpoint in today's layout."""
    contents = io.BytesIO()
    with zipfile.ZipFile(contents, "w", compression) as file:
        file.writestr("model/data.pkl", pickled)
        file.writestr("model/byteorder", "little")
        file.writestr("model/data/7", values.tobytes())
    return contents.getvalue()


def _damaged(layout):
    return odd_bytes.damaged(layout(state(a=tensor(), b=tensor())))


def read(tmp_path, contents):
    path = tmp_path / "weights.pth"
    path.write_bytes(contents)
    return torch_checkpoint.read(path)


@pytest.mark.parametrize("layout", [stream, archive])
def test_reads_tensors_of_both_layouts(tmp_path, layout):
    found = read(
        tmp_path,
        layout(
            state(
                whole=tensor(),
                transposed=tensor(shape=(4, 3), stride=(1, 4)),
                part=tensor(shape=(2,), stride=(5,), offset=3),
                scalar=tensor(shape=(), stride=(), offset=11),
            )
        ),
    )
    whole = VALUES.reshape(3, 4)
    np.testing.assert_array_equal(found["whole"], whole)
    np.testing.assert_array_equal(found["transposed"], whole.T)
    np.testing.assert_array_equal(found["part"], [3, 8])
    assert found["scalar"] == 11
    assert found["whole"].dtype == np.float32


HOSTILE = {
    "a function that is not torch's": b"\x80\x02cos\nsystem\n"
    + text("exit 1")
    + b"\x85R.",
    "a name of torch that is no storage": b"\x80\x02ctorch\nload\n"
    + text("x")
    + b"\x85R.",
    "a name within a known one": b"\x80\x02ccollections\nOrderedDict.fromkeys"
    b"\n.",
    "names from the stack": b"\x80\x04"
    + text("os")
    + text("system")
    + b"\x93.",
    "an instance": b"\x80\x02(ios\nsystem\n.",
    "a reserved extension": b"\x80\x02\x82\x01.",
    "an index that reserves memory": b"\x80\x02}r\xff\xff\xff\x7f.",
    "a tensor larger than its storage": state(a=tensor((13,), (1,))),
    "a tensor that reaches out": state(a=tensor((3,), (1,), offset=10)),
    "a stride that reaches out": state(a=tensor((2,), (12,))),
    "a negative stride": state(a=tensor((2,), (-1,), offset=5)),
    "a negative offset": state(a=tensor((2,), (1,), offset=-4)),
    "shape and stride of unlike length": state(a=tensor((2, 2), (1,))),
    "an unknown storage": state(a=tensor(key="8")),
    "a tensor without storage": b"\x80\x02}"
    + text("a")
    + b"ctorch._utils\n_rebuild_tensor_v2\n(NK\x00)))tRs.",
    "a state that alters a tensor": state(
        a=tensor() + b"}" + text("offset") + number(99) + b"sb"
    ),
    "arguments of OrderedDict": b"\x80\x02ccollections\nOrderedDict\n}\x85R.",
    "no dictionary": b"\x80\x02]" + tensor() + b"a.",
    "no tensors": b"\x80\x02}" + text("a") + number(3) + b"s.",
    "an end that is missing": state(a=tensor())[:-1],
    "nothing on the stack": b"\x80\x02R.",
}


@pytest.mark.parametrize("layout", [stream, archive])
@pytest.mark.parametrize("pickled", HOSTILE.values(), ids=HOSTILE.keys())
def test_refuses_all_else_in_one_line(tmp_path, layout, pickled, monkeypatch):
    monkeypatch.setattr("os.system", lambda _: pytest.fail("it was run"))
    with pytest.raises(errors.UserError) as caught:
        read(tmp_path, layout(pickled))
    assert "weights.pth" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "contents",
    [
        b"",
        b"no checkpoint",
        stream(state(a=tensor()))[:-4],
        archive(state(a=tensor()))[:-4],
        archive(state(a=tensor()), compression=zipfile.ZIP_DEFLATED),
        pickle.dumps({"a": np.arange(3)}),
    ],
    ids=["empty", "text", "cut", "cut archive", "compressed", "numpy"],
)
def test_refuses_files_of_another_kind(tmp_path, contents):
    with pytest.raises(errors.UserError, match=r"weights\.pth"):
        read(tmp_path, contents)


def test_refuses_an_archive_with_a_password(tmp_path):
    contents = bytearray(archive(state(a=tensor())))
    # Bit 0 of a member's flags, in its header and in the directory.
    contents[6] |= 1
    contents[contents.index(b"PK\1\2") + 8] |= 1
    with pytest.raises(errors.UserError, match="encrypted"):
        read(tmp_path, bytes(contents))


@settings(max_examples=200, deadline=None)
@given(contents=st.sampled_from([stream, archive]).flatmap(_damaged))
def test_whatever_the_bytes_are_it_is_read_or_refused(
    tmp_path_factory, contents
):
    try:
        found = read(tmp_path_factory.getbasetemp(), contents)
    except errors.UserError:
        return
    assert all(isinstance(array, np.ndarray) for array in found.values())


def test_names_a_file_that_is_not_there(tmp_path):
    with pytest.raises(errors.UserError, match="No such file"):
        torch_checkpoint.read(tmp_path / "none.pth")
