"""What this machine offers: project root, configured places, cores and memory, folders and locks of a process."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from kairos.errors import OutputError, SettingError


def root() -> Path:
    """The project's root: KAIROS_ROOT, else the folder above the package when it holds dbt_project.yml, else here."""
    if given := os.environ.get("KAIROS_ROOT"):
        return Path(given).resolve()
    above = Path(__file__).resolve().parent.parent
    return above if (above / "dbt_project.yml").exists() else Path.cwd()


def place(variable: str, default: str) -> Path:
    """A configured path, relative to the project's root unless absolute; an empty variable is not set."""
    return (root() / (os.environ.get(variable) or default)).resolve()


def market_dir() -> Path:
    """Directory of vendor files: KAIROS_MARKET, default market/demo."""
    return place("KAIROS_MARKET", "market/demo")


def warehouse() -> Path:
    """The warehouse file dbt writes: KAIROS_DB, default kairos.duckdb."""
    return place("KAIROS_DB", "kairos.duckdb")


def state_dir() -> Path:
    """Append-only state of this market: KAIROS_STATE, default state/<name of the market's folder>."""
    return place("KAIROS_STATE", f"state/{market_dir().name}")


def published_dir() -> Path:
    """Where marts are published: KAIROS_PUBLISHED, default published/."""
    return place("KAIROS_PUBLISHED", "published")


def from_root(path: Path) -> str:
    """A path as a setting names it: relative to the project's root where it lies below it, else absolute."""
    return str(path.relative_to(root())) if path.is_relative_to(root()) else str(path)


def settings_of_places() -> str:
    """The variables, as one writes them before a command, of those places that are not where they are by default."""
    named = {"KAIROS_MARKET": market_dir(), "KAIROS_DB": warehouse(), "KAIROS_STATE": state_dir()}
    usual = {"KAIROS_MARKET": "market/demo", "KAIROS_DB": "kairos.duckdb", "KAIROS_STATE": f"state/{market_dir().name}"}
    return "".join(
        f"{name}={shlex.quote(from_root(path))} " for name, path in named.items() if from_root(path) != usual[name]
    )


def target_dir() -> Path:
    """Where dbt keeps its manifest and compiled SQL: DBT_TARGET_PATH, default target/."""
    return place("DBT_TARGET_PATH", "target")


def environment(
    project: Path, market: Path, warehouse: Path, state: Path, published: Path, workers: int
) -> dict[str, str]:
    """The variables by which dbt and the Python models it runs learn of a build's places and its cores."""
    places = {"ROOT": project, "MARKET": market, "DB": warehouse, "STATE": state, "PUBLISHED": published}
    named = {f"KAIROS_{name}": str(path.resolve()) for name, path in places.items()}
    return named | {"KAIROS_WORKERS": str(workers), "DBT_PROFILES_DIR": str(project.resolve())}


MARK = ".made_by_kairos"


def lock_file(path: Path) -> IO:
    """A file to lock, made where it is not there; whoever may read it may lock it, whoever made it (where the files are
    on another host, whoever may write it: NFS locks no other)."""
    try:
        return open(path, "r+", opener=lambda name, flags: os.open(name, flags | os.O_CREAT, 0o666))
    except PermissionError:
        return path.open()


def lock(file: IO, kind: int = fcntl.LOCK_EX) -> bool:
    """Lock a file; False where somebody else holds it and `kind` says not to wait.

    A file system without locks does not keep anybody from working: there is nobody to wait for.
    """
    try:
        fcntl.flock(file, kind)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL):
            raise
    return True


@contextlib.contextmanager
def own_folder(place: Path, prefix: str) -> Iterator[Path]:
    """A folder of this process below `place`, gone afterwards.

    A process that is killed cannot remove its own: the next one to ask for a folder of that prefix does. A folder is
    taken for one of these by the mark in it, whatever its name.
    """
    for folder in place.glob(f"{glob.escape(prefix)}*"):
        _remove_unless_held(folder)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=place, ignore_cleanup_errors=True) as folder:
        lock = os.open(folder, os.O_RDONLY)
        try:
            with contextlib.suppress(OSError):  # a file system without locks: nobody will remove it
                fcntl.flock(lock, fcntl.LOCK_EX)
                (Path(folder) / MARK).touch()
            yield Path(folder)
        finally:
            os.close(lock)


def _remove_unless_held(folder: Path) -> None:
    """Remove a folder of own_folder() that no process holds: it has its mark since it is held."""
    with contextlib.suppress(OSError):  # somebody else's, held, or gone meanwhile
        if not (folder / MARK).exists() or folder.stat().st_uid != os.getuid():
            return
        lock = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
        finally:
            os.close(lock)


@contextlib.contextmanager
def whole_file(file: Path, cure: str = "Make room, or name another folder with --out.") -> Iterator[Path]:
    """A path beside `file` to write to, which takes its name when all is written: half a list of trades looks whole.

    Args:
        cure: what to do where nothing can be written there.

    Raises:
        OutputError: the folder cannot be made, or the file cannot be written.
    """
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield draft
            draft.replace(file)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{file} cannot be written: {error}. {cure}") from error


def workers() -> int:
    """Cores one process may use: KAIROS_WORKERS, default all this process is allowed on.

    Raises:
        SettingError: it is not a whole number of 1 or more.
    """
    given = os.environ.get("KAIROS_WORKERS", "").strip()
    if not given:
        return len(os.sched_getaffinity(0))
    if not (given.isascii() and given.isdigit() and int(given)):
        raise SettingError(
            f"KAIROS_WORKERS must be a whole number of 1 or more, got '{given}'. Correct it, or unset it for all cores."
        )
    return int(given)


def memory_bytes() -> int:
    """Memory of the machine, or of the container's limit where that is lower."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.exists() and (text := limit.read_text().strip()).isdigit():
        total = min(total, int(text))
    return total
