"""Tasks of test_executor.py: workers load this file and not pytest, each anew."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path


def squared(task):
    return task * task, os.getpid()


def killed_once(task):
    """Leaves a file at each beginning; the third task kills its process the first time."""
    number, folder = task
    begun = len(list(Path(folder).glob(f"{number}_*")))
    (Path(folder) / f"{number}_{begun}").touch()
    time.sleep(0.1)
    if number == 3 and not begun:
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def killed_always(task):
    if task["fold"]["fold_id"] == "2020-03-01":
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def refuses(number):
    raise ValueError(f"no {number}")


def waits_and_kills(task):
    """Both workers are busy for a moment; then one of them is killed, the first time."""
    number, folder = task
    first_time = not (Path(folder) / f"held_{number}").exists()
    (Path(folder) / f"held_{number}").touch()
    time.sleep(1.5)
    if number == 0 and first_time:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def begins_and_refuses_the_first(task):
    number, folder = task
    (Path(folder) / str(number)).touch()
    time.sleep(0.1)
    if number == 0:
        raise ValueError("no 0")
    return number


def started(task):
    number, folder = task
    (Path(folder) / str(number)).touch()
    time.sleep(0.2)
    return number


def says_who_and_waits(folder):
    """Leaves a file called after its process and is busy for longer than any test."""
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(600)
