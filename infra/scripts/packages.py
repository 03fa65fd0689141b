"""Tools and servers that the machine lacks, put into a private folder: nothing is installed into the system.

Python's come as pinned packages into a virtual environment of their own. Debian's and Ubuntu's are downloaded with
apt and unpacked, not installed: no service is registered or started, and a server already there is never touched.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Dict, Iterator, List, Sequence

from processes import Failure, output_of, run, step

UNPACKED = ".unpacked"


def python_tool(tools_dir: Path, package: str, version: str, program: str, *options: str) -> Path:
    """A program of a Python package, installed on first use."""
    path = python_package(tools_dir, package, version, *options) / "bin" / program
    if not path.exists():
        raise Failure(f"{package} {version} brought no program {program}; see {tools_dir / package}.log")
    return path


def python_package(tools_dir: Path, package: str, version: str, *options: str) -> Path:
    """The folder with a Python package, installed on first use; options are pip's, other packages among them."""
    home = tools_dir / f"{package}-{version}"
    with installing(tools_dir):
        if (home / "complete").exists():
            return home
        shutil.rmtree(home, ignore_errors=True)
        log = tools_dir / f"{package}.log"
        with step(f"Installing {package} {version} into {tools_dir}"):
            requirement = f"{package}=={version}"
            pip = ["-m", "pip", "install", "--disable-pip-version-check", "--quiet", *options]
            problem = f"{package} {version} could not be installed"
            if output_of([sys.executable, "-c", "import ensurepip, venv"]) is not None:
                run([sys.executable, "-m", "venv", home], problem=problem, log=log)
                run([home / "bin" / "python", *pip, requirement], problem=problem, log=log)
            elif output_of([sys.executable, "-m", "pip", "--version"]) is not None:
                run([sys.executable, *pip, "--target", home, requirement], problem=problem, log=log)
            else:
                raise Failure(f"{package} is missing, and this Python has neither venv nor pip to install it with")
        (home / "complete").touch()
    return home


def python_of(home: Path) -> List[str]:
    """The Python that has a package, and where it finds it unless that is a virtual environment."""
    if (home / "pyvenv.cfg").exists():
        return [str(home / "bin" / "python")]
    return [sys.executable, str(home)]


def python_tool_environment(path: Path) -> Dict[str, str]:
    """What a program installed without a virtual environment needs in order to find its modules."""
    home = path.parent.parent
    return {} if (home / "pyvenv.cfg").exists() else {"PYTHONPATH": str(home)}


def has_apt() -> bool:
    return all(shutil.which(program) for program in ("apt-get", "dpkg-deb"))


def debian_packages(tools_dir: Path, names: Sequence[str]) -> Path:
    """The folder into which Debian packages, with all that they need and the machine lacks, are unpacked."""
    home = tools_dir / "debian"
    complete = home / UNPACKED / "+".join(names)
    with installing(tools_dir):
        if complete.exists():
            return home
        archives = tools_dir / "archives"
        shutil.rmtree(archives, ignore_errors=True)
        (archives / "partial").mkdir(parents=True)
        log = tools_dir / "apt.log"
        download = ["apt-get", "--yes", "--quiet", "--download-only", "--no-install-recommends", "--reinstall"]
        # Only a download into our own folder: the system's lock is not needed, hence neither is root.
        download += ["-o", f"Dir::Cache::archives={archives}", "-o", "Debug::NoLocking=true", "install", *names]
        with step(f"Fetching {' and '.join(names)} into {tools_dir}"):
            try:
                run(download, problem="the download failed", log=log)
            except Failure:
                run(["apt-get", "--quiet", "update"], problem="apt-get update failed", log=log)
                run(download, problem=f"{' and '.join(names)} cannot be downloaded", log=log)
            for archive in sorted(archives.glob("*.deb")):
                if not re.match(r"(libc6|libc-bin|libc-dev-bin)_", archive.name):  # must stay the system's
                    run(["dpkg-deb", "--extract", archive, home], problem="a package cannot be unpacked", log=log)
            shutil.rmtree(archives)
        complete.parent.mkdir(exist_ok=True)
        complete.touch()
    return home


def debian_environment(program: Path) -> Dict[str, str]:
    """What a program unpacked by `debian_packages` needs in order to find its libraries."""
    home = next((folder for folder in program.parents if (folder / UNPACKED).exists()), None)
    if home is None:
        return {}
    folders = sorted({str(library.parent) for library in home.glob("**/lib*.so*")})
    return {"LD_LIBRARY_PATH": ":".join(folders + [p for p in (os.environ.get("LD_LIBRARY_PATH"),) if p])}


@contextlib.contextmanager
def installing(tools_dir: Path) -> Iterator[None]:
    """Two stacks that share a folder of tools install one after the other."""
    tools_dir.mkdir(parents=True, exist_ok=True)
    with open(tools_dir / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
