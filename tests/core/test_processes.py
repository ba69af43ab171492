"""Functions in processes of their own."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from kit.core import processes
from kit.core.processes import run_all


def count(order, log):
    for number in range(order["n"]):
        log(f"{order['name']} {number}")


def meet(order, log):
    """Ends only when the other has begun."""
    Path(order["mine"]).touch()
    while not Path(order["other"]).exists():
        time.sleep(0.01)
    log("met")


def noisy(order, log):
    print("bar 10 %", flush=True)
    log("Grüße, 曼谷")
    print("kit without the mark")
    os.write(1, b"not \xff text\\n")
    print("to the error output", file=sys.stderr)


def fail_or_wait(order, log):
    log(f"begun {os.getpid()}")
    if order["fails"]:
        while not Path(order["begun"]).exists():
            time.sleep(0.01)
        print("\n".join(f"line {number}" for number in range(50)), file=sys.stderr)
        raise OSError("no such luck")
    Path(order["begun"]).touch()
    time.sleep(300)


def refuse(order, log):
    raise ValueError("line 3 of the file: two\nlines, Grüße")


def die(order, log):
    os._exit(3)


def say_and_die(order, log):
    print("farewell", file=sys.stderr, flush=True)
    os._exit(3)


def who(order, log):
    time.sleep(order.get("seconds", 0))
    print("unfinished", end="")
    log(f"{os.getpid()} {os.environ.get('KIT_HOME')}")
    print("unfinished", end="")


def chatty(order, log):
    sys.stderr.write("x" * 2_000_000)
    log("done")


@pytest.fixture
def lines():
    """What is logged; no process waits on after the test."""
    yield []
    processes.dismiss_all()


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_lines_of_all_processes_arrive_in_their_order(lines):
    run_all(count, [{"name": name, "n": 40} for name in "ab"], lines.append)
    for name in "ab":
        assert [line for line in lines if line.startswith(name)] == [f"{name} {number}" for number in range(40)]
    assert len(lines) == 80


def test_processes_run_at_the_same_time(lines, tmp_path):
    one, other = str(tmp_path / "one"), str(tmp_path / "other")
    run_all(meet, [{"mine": one, "other": other}, {"mine": other, "other": one}], lines.append)
    assert lines == ["met", "met"]


def test_a_free_process_takes_the_next_order(lines):
    orders = [{"seconds": 1.0}, *[{}] * 9]
    run_all(who, orders, lines.append, n_processes=2)
    counts = sorted(Counter(line for line in lines).values())
    assert len(lines) == 10 and len(counts) == 2 and counts[0] == 1  # the slow one did no other


def test_a_process_waits_for_the_next_call(lines):
    for _ in range(3):
        run_all(who, [{}], lines.append)
    assert len(set(lines)) == 1 and len(lines) == 3


def test_it_does_not_wait_where_the_environment_or_the_folder_is_another(lines, monkeypatch, tmp_path):
    run_all(who, [{}], lines.append)
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    run_all(who, [{}], lines.append)
    monkeypatch.chdir(tmp_path)
    run_all(who, [{}], lines.append)
    assert len({line.split()[0] for line in lines}) == 3 and lines[1].endswith(str(tmp_path))


def test_it_waits_for_a_while_only(lines, monkeypatch):
    monkeypatch.setattr(processes, "REST_S", 0.1)
    run_all(who, [{}], lines.append)
    pid = int(lines[0].split()[0])
    until = time.monotonic() + 20
    while not gone(pid) and time.monotonic() < until:
        time.sleep(0.05)
    assert gone(pid)


def test_one_that_died_while_it_waited_is_not_asked(lines):
    run_all(who, [{}], lines.append)
    pid = int(lines[0].split()[0])
    os.kill(pid, 9)
    while not gone(pid):
        time.sleep(0.01)
    run_all(who, [{}], lines.append)
    assert len(set(lines)) == 2


def test_no_orders_no_processes(lines):
    run_all(count, [], lines.append)
    assert lines == []


def test_other_output_is_not_taken_for_progress(lines, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")  # as a terminal may have it
    run_all(noisy, [{}], lines.append)
    assert lines == ["Grüße, 曼谷"]


def test_a_failure_is_told_with_its_end_and_stops_the_others(lines, tmp_path):
    begun, start = str(tmp_path / "begun"), time.perf_counter()
    with pytest.raises(RuntimeError) as caught:
        run_all(fail_or_wait, [{"fails": fails, "begun": begun} for fails in (0, 1, 0)], lines.append)
    message = str(caught.value).splitlines()
    assert message[0] == "a process failed:"
    assert message[-1] == "OSError: no such luck"
    assert "line 49" in message and "line 0" not in message
    assert time.perf_counter() - start < 60  # the others would sleep for minutes
    assert all(gone(int(line.split()[1])) for line in lines)


def test_what_is_refused_is_told_in_its_own_words(lines):
    with pytest.raises(ValueError) as caught:
        run_all(refuse, [{}], lines.append)
    assert str(caught.value) == "line 3 of the file: two\nlines, Grüße"


def test_a_process_that_dies_without_a_word(lines):
    with pytest.raises(RuntimeError, match="a process ended before its job was done"):
        run_all(die, [{}], lines.append)


def test_the_last_words_of_one_that_dies(lines):
    with pytest.raises(RuntimeError, match="a process ended before its job was done:\nfarewell"):
        run_all(say_and_die, [{}], lines.append)


def test_much_error_output_blocks_nobody(lines):
    run_all(chatty, [{}], lines.append)
    assert lines == ["done"]


def test_an_error_of_the_caller_stops_all(lines, tmp_path):
    def log(line):
        lines.append(line)
        raise KeyboardInterrupt

    start = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        run_all(fail_or_wait, [{"fails": False, "begun": str(tmp_path / "begun")}] * 2, log)
    assert time.perf_counter() - start < 60
    assert gone(int(lines[0].split()[1]))
