import csv
import io

import hypothesis
import pytest
from hypothesis import strategies

from tfnoisy import errors
from tfnoisy.datasets.sources import csv_table


def read(tmp_path, contents):
    path = tmp_path / "a.csv"
    if isinstance(contents, str):
        contents = contents.encode("utf-8", "surrogateescape")
    path.write_bytes(contents)
    return csv_table.read(path)


def cells(table):
    return [
        (line.cells["path"], line.cells["given_label"]) for line in table.lines
    ]


ROWS = [("x/1.png", "cat"), ("y, z.png", "dog")]


@pytest.mark.parametrize(
    "contents",
    [
        'path,given_label\nx/1.png,cat\n"y, z.png",dog\n',
        "path;given_label\nx/1.png;cat\ny, z.png;dog\n",
        "path\tgiven_label\r\nx/1.png\tcat\r\ny, z.png\tdog\r\n",
        "path|given_label\nx/1.png|cat\ny, z.png|dog\n",
        'path:given_label\nx/1.png:cat\n"y, z.png":dog\n',
        # Excel
        "sep=;\npath;given_label\nx/1.png;cat\ny, z.png;dog\n",
        '\ufeffpath,given_label\r\nx/1.png,cat\r\n"y, z.png",dog\r\n',
        "path\tgiven_label\nx/1.png\tcat\ny, z.png\tdog\n".encode("utf-16"),
        'path,given_label,,\nx/1.png,cat,,\n"y, z.png",dog\n',
        # pandas
        ',path,label\n0,x/1.png,cat\n1,"y, z.png",dog\n',
        # people
        'Label , File Name\ncat,x/1.png\n\ndog, "y, z.png"\n , \n',
    ],
)
def test_as_programs_and_people_write_it(tmp_path, contents):
    table = read(tmp_path, contents)
    assert cells(table) == ROWS
    assert not any(line.fault for line in table.lines)


def test_columns_that_are_not_called_as_usual_are_named(tmp_path):
    table = read(tmp_path, "id,filename,label\n1,a.png,cat\n")
    assert table.notes() == [
        "a.csv: path from column 'filename', given_label from column 'label'"
    ]
    assert not read(tmp_path, "path,given_label\na,b\n").notes()


def test_the_usual_name_wins(tmp_path):
    text = "image,label,path,given_label\nw,x,a.png,cat\n"
    assert cells(read(tmp_path, text)) == [("a.png", "cat")]


def test_line_numbers_with_line_ends_in_texts(tmp_path):
    text = 'path,given_label\n"a\nb.png",cat\n\nc.png,"do\n\ng"\nd.png,x,y\n'
    table = read(tmp_path, text)
    assert [line.number for line in table.lines] == [2, 5, 8]
    assert cells(table)[:2] == [("a\nb.png", "cat"), ("c.png", "do\n\ng")]
    assert table.lines[2].fault.startswith("3 cells where the head line has 2")


def test_a_text_longer_than_pythons_limit(tmp_path):
    before = csv.field_size_limit()
    text = f"path,given_label\n{'x' * 200_000},cat\n"
    assert len(cells(read(tmp_path, text))[0][0]) == 200_000
    assert csv.field_size_limit() == before


def test_bytes_that_are_not_utf8_stay_what_they_are(tmp_path):
    table = read(tmp_path, b"path,given_label\ncaf\xe9.png,cat\n")
    assert cells(table)[0][0].encode("utf-8", "surrogateescape") == (
        b"caf\xe9.png"
    )


@pytest.mark.parametrize(
    "contents, message",
    [
        ("", "no column path .* which is: empty"),
        ("path,given_label\n", "has a head line and no rows"),
        ("a,b\n1,2\n", r"no column path \(or file, .* which is: a, b"),
        ("path,path,given_label\n1,2,3\n", "has two columns 'path'"),
        ('path,label\n"a.png,cat\nb.png,dog\n', ":2: a quotation mark is nev"),
        ('path,label\n"a"b.png,cat\n', ":2: "),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "no CSV file: it is not text"),
    ],
)
def test_mistakes(tmp_path, contents, message):
    with pytest.raises(errors.UserError, match=message):
        read(tmp_path, contents)


def test_what_is_no_file(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(errors.UserError, match="cannot be read"):
            csv_table.read(path)


_TEXTS = strategies.text(
    strategies.characters(exclude_characters="\0", codec="utf-8"), min_size=1
).filter(lambda text: text.strip())


@hypothesis.settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
@hypothesis.given(
    strategies.lists(strategies.tuples(_TEXTS, _TEXTS), min_size=1),
    strategies.sampled_from(",;\t|"),
    strategies.sampled_from(["\n", "\r\n"]),
    strategies.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_whatever_a_program_writes_is_read(
    tmp_path, rows, separator, end, encoding
):
    text = io.StringIO()
    # Python's writer leaves \r without quotation marks where it ends no line.
    writer = csv.writer(
        text,
        delimiter=separator,
        lineterminator=end,
        quoting=csv.QUOTE_ALL
        if any("\r" in a + b for a, b in rows)
        else csv.QUOTE_MINIMAL,
    )
    writer.writerows([("path", "given_label"), *rows])
    table = read(tmp_path, text.getvalue().encode(encoding))
    assert cells(table) == [(a.strip(), b.strip()) for a, b in rows]


@hypothesis.settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
@hypothesis.given(strategies.binary() | strategies.text().map(str.encode))
def test_whatever_else_is_one_line(tmp_path, contents):
    for beginning in (b"", b"path,given_label\n"):
        try:
            read(tmp_path, beginning + contents)
        except errors.UserError as error:
            assert "\n" not in str(error).strip() or b"\n" in contents
