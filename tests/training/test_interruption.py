import signal
import threading

import pytest

from tfnoisy.training import interruption


@pytest.fixture(autouse=True)
def handlers():
    """Both signals raise KeyboardInterrupt, as the scripts have it."""
    numbers = signal.SIGINT, signal.SIGTERM
    before = [signal.getsignal(number) for number in numbers]
    for number in numbers:
        signal.signal(number, signal.default_int_handler)
    yield
    for number, handler in zip(numbers, before):
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_a_safe_point(number):
    reached = []
    with (
        pytest.raises(interruption.Stopped),
        interruption.Signals() as signals,
    ):
        signals.check()
        signal.raise_signal(number)
        signal.raise_signal(number)
        reached.append("the step's end")
        signals.check()
        reached.append("too far")
    assert reached == ["the step's end"]
    assert signal.getsignal(number) is signal.default_int_handler


def test_it_interrupts_what_loses_nothing():
    reached = []
    with (
        pytest.raises(interruption.Stopped),
        interruption.Signals() as signals,
        signals.at_once(),
    ):
        signal.raise_signal(signal.SIGTERM)
        reached.append("too far")
    assert not reached


def test_it_does_not_begin_what_it_would_interrupt():
    with interruption.Signals() as signals:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(interruption.Stopped), signals.at_once():
            pytest.fail("begun")
        with pytest.raises(interruption.Stopped):
            signals.check()
        signals._first = None


@pytest.fixture
def slow_clock(monkeypatch):
    """Makes each look at the clock ten seconds later than the last."""
    now = iter(range(0, 1000, 10))
    monkeypatch.setattr(interruption.time, "monotonic", lambda: next(now))


def test_the_second_signal_stops_at_once(slow_clock):
    reached = []
    with pytest.raises(KeyboardInterrupt), interruption.Signals():
        signal.raise_signal(signal.SIGINT)
        reached.append("first")
        signal.raise_signal(signal.SIGINT)
        reached.append("second")
    assert reached == ["first"]


def test_saving_is_not_interrupted_however_often(slow_clock):
    reached = []
    with (
        # At the end, as nobody has looked.
        pytest.raises(KeyboardInterrupt),
        interruption.Signals() as signals,
        signals.ignored(),
    ):
        for _ in range(3):
            signal.raise_signal(signal.SIGINT)
        with signals.ignored():
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        reached.append("saved")
    assert reached == ["saved"]


def test_handlers_of_others_stay():
    def mine(*_):
        pass

    signal.signal(signal.SIGTERM, mine)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interruption.Signals():
        assert signal.getsignal(signal.SIGTERM) is mine
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_in_another_thread_there_are_no_signals():
    def use():
        with interruption.Signals() as signals:
            signals.check()
            used.append(signal.getsignal(signal.SIGINT))

    used = []
    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert used == [signal.default_int_handler]
