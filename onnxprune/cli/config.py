"""Options from a file: `--config prune.toml` holds any option of a command, and reports print the equivalent one."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import typer

LONGEST = 1 << 20
"""Bytes of a file of options."""

NOT_KEPT = frozenset(("config", "model", "plan", "as_json", "verbose", "quiet", "overwrite", "report"))
"""Parameters that say which files and how to talk, not what to do."""


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and "\0" not in value


def _is_whole(value: Any) -> bool:
    return type(value) is int and abs(value) < 2**63


@dataclass(frozen=True)
class Kind:
    """A kind of option: its Python type, how it is called, and whether a value is of it, exactly.

    Click would cut 3.7 to 3, and take a text for a list of letters.
    """

    type: Any
    words: str
    fits: Callable[[Any], bool]

    def takes(self, hint: Any) -> bool:
        """Whether an option that is declared with a type, or with that or None, is of this kind."""
        hints = [hint, *get_args(hint)]
        return any(self.type in (each, get_origin(each), object) for each in hints)


KINDS = (
    Kind(list, "a list of texts", lambda value: isinstance(value, list) and all(map(_is_text, value))),
    Kind(bool, "true or false", lambda value: isinstance(value, bool)),
    Kind(int, "a whole number", _is_whole),
    Kind(float, "a number", lambda value: _is_whole(value) or type(value) is float),
    Kind(object, "a text or a number", lambda value: _is_whole(value) or type(value) is float or _is_text(value)),
)


def from_file(context: typer.Context, path: Path | None) -> Path | None:
    """Make what a file says the defaults of a command, so that the command line overrules it.

    Names are those of the options, with - or _. Raises `UsageError`.
    """
    if path is not None:
        from onnxprune.errors import UsageError

        try:
            context.default_map = _checked(path, context.command)
        except UsageError as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(2) from None
    return path


def _checked(path: Path, command: Any) -> dict[str, Any]:
    from onnxprune.errors import UsageError

    known = {_long_name(parameter): str(parameter.name) for parameter in command.params if _long_name(parameter)}
    kinds = get_type_hints(command.callback)
    found = {}
    for name, value in _read(path).items():
        option = name.replace("_", "-")
        if option not in known:
            raise UsageError(f"{path}: there is no option {name[:100]!r}; there are: {', '.join(sorted(known))}")
        wanted = next(kind for kind in KINDS if kind.takes(kinds[known[option]]))
        if not wanted.fits(value):
            raise UsageError(f"{path}: {name} = {str(value)[:100]!r}: it must be {wanted.words}")
        found[known[option]] = value
    return found


def _read(path: Path) -> dict[str, Any]:
    from onnxprune.errors import UsageError
    from onnxprune.reading.plain import text_of

    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        found: dict[str, Any] = tomllib.loads(text_of(path, LONGEST))
    except OSError as error:
        raise UsageError(f"--config {path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"--config {path}: not TOML ({error})") from None
    return found


def equivalent(context: typer.Context) -> str:
    """Return what a command was asked for as TOML: every option that is not at its default."""
    lines = [f"{name} = {_toml(value)}" for name, value in _asked(context).items()]
    return "".join(f"{line}\n" for line in lines)


def command_line(context: typer.Context) -> str:
    """Return the command with every option that is not at its default."""
    words = ["onnxprune", str(context.info_name), str(context.params["model"])]
    for name, value in _asked(context).items():
        for each in value if isinstance(value, list) else [value]:
            words += [f"--{'' if each else 'no-'}{name}"] if isinstance(each, bool) else [f"--{name}", str(each)]
    return shlex.join(words)


def _asked(context: typer.Context) -> dict[str, Any]:
    """Return the options that are not at the command's own defaults, by their long names, paths as text."""
    found = {}
    for parameter in context.command.params:
        value = context.params.get(str(parameter.name))
        given = [str(each) for each in value] if isinstance(value, (list, tuple)) else value
        given = str(given) if isinstance(given, Path) else given
        if parameter.name not in NOT_KEPT and _long_name(parameter) and given not in (None, [], parameter.default):
            found[_long_name(parameter)] = given
    return found


def _long_name(parameter: Any) -> str:
    """Return `round-to` for --round-to; nothing for an argument."""
    return next((str(name).removeprefix("--") for name in parameter.opts if name.startswith("--")), "")


def _toml(value: Any) -> str:
    """Return a value as TOML writes it: strings, numbers and lists as in JSON."""
    return json.dumps(value, ensure_ascii=False)
