"""Tests on altered copies of the package, each in a process of its own that has the libraries loaded already.

`python pytest_in_forks.py` reads from stdin a JSON list of [folder, tests]: a copy of the project's Python and the
pytest addresses of tests in it, and writes what pytest said of each list as a JSON list. Loading the libraries takes
longer than most tests: it is done once, and every list runs in a fork that loads the copy's `kairos` and nothing else.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
from pathlib import Path

import pytest

# with what they import, all that tests of learning load
for module in ("kairos.cv", "kairos.tuning"):
    importlib.import_module(module)


def said_in_a_fork(folder: str, tests: list[str]) -> str:
    """What pytest prints about tests of the copy in `folder`."""
    with tempfile.TemporaryFile("w+") as out:
        child = os.fork()
        if child == 0:
            os.dup2(out.fileno(), 1)
            os.dup2(out.fileno(), 2)
            os.chdir(folder)
            for name in [name for name in sys.modules if name.partition(".")[0] == "kairos"]:
                del sys.modules[name]
            sys.path[:0] = [folder]
            # plain: on CI pytest writes out in full how two long lists differ, which takes minutes
            options = ["--noconftest", "--assert=plain", "-p", "no:cacheprovider"]
            status = pytest.main([*(f"tests/python/{test}" for test in tests), *options])
            sys.stdout.flush()
            os._exit(int(status))
        os.waitpid(child, 0)
        out.seek(0)
        return out.read()


if __name__ == "__main__":
    sys.path.remove(str(Path(__file__).parent))  # helper modules of tests are those of the copy
    json.dump([said_in_a_fork(folder, tests) for folder, tests in json.load(sys.stdin)], sys.stdout)
