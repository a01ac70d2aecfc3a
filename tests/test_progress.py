import io

from tfnoisy import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_has_a_bar_with_the_time_left():
    file = Terminal()
    with progress.Progress("features", 100, file=file) as bar:
        bar.update(40)
        bar._bar.refresh()
    shown = file.getvalue()
    assert "features:  40%" in shown
    assert "40/100" in shown
    assert "images/s" in shown


def test_a_file_has_a_line_a_minute(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    file = io.StringIO()
    with progress.Progress("features", 1000, file=file) as bar:
        for second in range(0, 150, 10):
            now[0] = float(second)
            bar.update(5)
    lines = file.getvalue().splitlines()
    assert len(lines) == 2
    assert (
        lines[0] == "features: 35 of 1,000 images, 0.583 a second, 27:34 left"
    )


def test_a_short_stage_says_nothing_to_a_file():
    file = io.StringIO()
    with progress.Progress("features", 2, file=file) as bar:
        bar.update(2)
    assert not file.getvalue()
