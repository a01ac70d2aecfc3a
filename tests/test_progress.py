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


def test_what_was_done_before_does_not_count_for_the_time_left(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    file = io.StringIO()
    with progress.Progress("training", 1000, "steps", file, done=400) as bar:
        now[0] = 60.0
        bar.update(60)
    assert file.getvalue() == (
        "training: 460 of 1,000 steps, 1 a second, 09:00 left\n"
    )


def test_values_pass_through(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    seen = []
    for value in progress.over("abc", "letters", 3, "letters"):
        seen.append(value)
        now[0] += 61
    assert seen == ["a", "b", "c"]
    assert "letters: 2 of 3 letters" in capsys.readouterr().err


def test_work_goes_on_where_nobody_reads(monkeypatch):
    class Closed(io.StringIO):
        def write(self, _):
            raise BrokenPipeError

    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress.Progress("features", 10, file=Closed()) as bar:
        now[0] = 61.0
        bar.update(1)


def test_a_part_is_shown_where_a_script_runs_alone(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])

    def judge():
        with progress.part("evaluation", 1000) as done:
            now[0] += 61
            done(610)

    judge()
    with progress.showing():
        judge()
        with progress.showing(False):
            judge()
    judge()
    line = "evaluation: 610 of 1,000 images, 10 a second, 00:39 left\n"
    assert capsys.readouterr().err == line


def test_a_part_that_is_soon_done_has_no_bar():
    file = Terminal()
    with progress.Progress("evaluation", 100, file=file, delay=60) as bar:
        bar.update(100)
    assert not file.getvalue()
