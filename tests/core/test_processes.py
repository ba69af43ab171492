"""Functions in processes of their own."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
import types
from collections import Counter
from pathlib import Path

import psutil
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


def size(order, log):
    log(str(len(order)))


def leave(order, log):
    sys.exit("enough")


class Unpicklable(Exception):
    def __init__(self, one, two):
        self.lock = threading.Lock()


def fail_strangely(order, log):
    raise Unpicklable("one", "two")


def from_threads(order, log):
    threads = [threading.Thread(target=count, args=({"name": name, "n": 200}, log)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def look(order, log):
    """What a process sees of the GPUs, and until when another one works at the same time."""
    began = time.monotonic()
    unseen = not {"torch", "numpy"} & sys.modules.keys()
    time.sleep(0.2)
    log(f"{os.environ.get('CUDA_VISIBLE_DEVICES')} {unseen} {began} {time.monotonic()}")


def with_children(order, log):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    Path(order["mine"]).write_text(f"{os.getpid()} {child.pid}")
    while not Path(order["other"]).exists():
        time.sleep(0.01)
    raise OSError if order["fails"] else child.wait()


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
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def all_gone(pids, seconds=5):
    until = time.monotonic() + seconds
    while not all(map(gone, pids)) and time.monotonic() < until:
        time.sleep(0.05)
    return all(map(gone, pids))


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
    monkeypatch.delenv("KIT_HOME")
    run_all(who, [{}], lines.append)
    assert lines[3].endswith("None")


def test_it_waits_for_a_while_only(lines, monkeypatch):
    monkeypatch.setattr(processes, "REST_S", 0.1)
    run_all(who, [{}], lines.append)
    pid = int(lines[0].split()[0])
    until = time.monotonic() + 20
    while psutil.pid_exists(pid) and time.monotonic() < until:  # a dead one that nobody has asked for still has its number
        time.sleep(0.05)
    assert not psutil.pid_exists(pid)


def test_one_that_died_while_it_waited_is_not_asked(lines):
    run_all(who, [{}], lines.append)
    pid = int(lines[0].split()[0])
    os.kill(pid, 9)
    (process,) = processes._resting
    while process.lives():
        time.sleep(0.01)
    run_all(who, [{}], lines.append)
    assert len(set(lines)) == 2 and not psutil.pid_exists(pid)


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


def test_many_lines_arrive_whole_and_in_order(lines):
    run_all(count, [{"name": "Grüße, 曼谷", "n": 20_000}], lines.append)
    assert lines == [f"Grüße, 曼谷 {number}" for number in range(20_000)]


def test_lines_of_several_threads_of_a_job_stay_whole(lines):
    run_all(from_threads, [{}], lines.append)
    for name in "abcd":
        assert [line for line in lines if line.startswith(name)] == [f"{name} {number}" for number in range(200)]


def test_a_large_job_is_handed_over(lines):
    run_all(size, [bytes(20_000_000), b"small"], lines.append, n_processes=1)
    assert lines == ["20000000", "5"]


@pytest.mark.timeout(60)  # what cannot be handed over must not be waited for
class TestWhatCannotBeHandedOver:
    def test_a_job_that_cannot_be_pickled(self, lines):
        with pytest.raises(processes.JobError, match="cannot be pickled: TypeError"):
            run_all(size, [threading.Lock()], lines.append)

    def test_a_function_that_the_process_cannot_import(self, lines, monkeypatch):
        module = types.ModuleType("nowhere")
        exec("def work(job, log): pass", module.__dict__)
        monkeypatch.setitem(sys.modules, "nowhere", module)
        with pytest.raises(processes.JobError, match="No module named 'nowhere'"):
            run_all(module.work, [1], lines.append)

    def test_an_exception_that_cannot_be_pickled(self, lines):
        with pytest.raises(processes.JobError, match=r"Unpicklable: \('one', 'two'\)"):
            run_all(fail_strangely, [1], lines.append)

    def test_a_job_that_exits(self, lines):
        with pytest.raises(processes.JobError, match=r"a process failed:\nTraceback(.|\n)*SystemExit: enough"):
            run_all(leave, [1], lines.append)


def test_one_job_a_gpu_that_sees_no_other(lines):
    run_all(look, [1] * 5, lines.append, n_processes=5, devices=("3", "5"))
    seen = [line.split() for line in lines]
    assert {device for device, *_ in seen} == {"3", "5"} and {unseen for _, unseen, *_ in seen} == {"True"}
    for device in "35":  # one after the other
        spans = sorted((float(began), float(ended)) for one, _, began, ended in seen if one == device)
        assert all(ended <= began for (_, ended), (began, _) in itertools.pairwise(spans))


def test_a_gpu_has_its_process_in_the_next_call_too(lines):
    for _ in range(2):
        run_all(look, [1, 1], lines.append, devices=("MIG-1f2e", "GPU-a0b1"))  # parts and names as they are
    assert Counter(line.split()[0] for line in lines) == {"MIG-1f2e": 2, "GPU-a0b1": 2}
    assert len(processes._resting) == 2


def test_what_a_stopped_job_had_started_is_stopped(lines, tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    jobs = [{"fails": False, "mine": one, "other": other}, {"fails": True, "mine": other, "other": one}]
    with pytest.raises(processes.JobError):
        run_all(with_children, jobs, lines.append)
    pids = [int(pid) for file in (one, other) for pid in file.read_text().split()]
    assert len(pids) == 4 and all_gone(pids)


def test_nothing_is_left(lines, tmp_path, monkeypatch):
    """Neither files nor open ends of files nor threads."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    run_all(who, [{}], lines.append)
    processes.dismiss_all()
    before = psutil.Process().num_fds(), threading.active_count()
    for end in (who, who, refuse, die, leave):
        try:
            run_all(end, [{}] * 2, lines.append)
        except (ValueError, RuntimeError):
            continue
        assert not list(tmp_path.iterdir())  # not even while the processes wait
    processes.dismiss_all()
    assert (psutil.Process().num_fds(), threading.active_count()) == before
    assert not [child for child in psutil.Process().children() if "popen_loky" in " ".join(child.cmdline())]


SCRIPT = """
import os, signal, subprocess, sys
from kit.core.processes import run_all

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets what it starts in the background ignore it

def job(order, log):
    child = subprocess.Popen(["sleep", order])
    log(f"{order} {os.getpid()} {child.pid}")
    child.wait()

run_all(job, sys.argv[1:], lambda line: print(line, flush=True))
"""


def script(*seconds, **options):
    command = [sys.executable, "-W", "error", "-c", SCRIPT, *map(str, seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def test_a_script_needs_no_guard_and_ends_in_silence():
    with script(0, 0) as process:
        out, error = process.communicate()
    assert len(out.splitlines()) == 2 and not error and process.returncode == 0
    assert all_gone([int(line.split()[1]) for line in out.splitlines()])


def test_ctrl_c_is_told_once():
    with script(300, 300, start_new_session=True) as process:
        pids = [int(process.stdout.readline().split()[1]) for _ in range(2)]
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all processes
        error = process.communicate()[1]
    assert error.count("Traceback") == 1 and error.endswith("KeyboardInterrupt\n") and all_gone(pids)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_orphans_end_by_themselves_with_all_that_they_have_started(number):
    with script(300, 300) as process:
        pids = [int(pid) for _ in range(2) for pid in process.stdout.readline().split()[1:]]
        process.send_signal(number)
    assert len(pids) == 4 and all_gone(pids)
