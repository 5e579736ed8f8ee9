"""Write docs/cli.md: every command with its options, from what the command line itself says of them.

With `--check` it only tells whether the page is up to date: exit 1 where it is not.

    python tools/cli_reference.py
"""

from __future__ import annotations

import inspect
import re
import sys
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import UnionType
from typing import Any, Union

import typer

from onnxprune.cli import app

PAGE = Path(__file__).parents[1] / "docs" / "cli.md"

INTRODUCTION = """\
# The command line

{summary} These are all commands with their options, as
`onnxprune COMMAND --help` prints them; `tools/cli_reference.py` writes this page.

`onnxprune MODEL ..` means `onnxprune prune MODEL ..`. Options without a default are off, or not given. Exit codes:
0 done, 1 it could not be done (one line says why), 2 usage, 130 interrupted. `onnxprune --version` prints
the version, `onnxprune --install-completion` makes the Tab key complete commands and options in the shell that
it is called from, and `onnxprune --show-completion` prints the script that does it.
"""

EXAMPLES = {
    "apply": ("apply plan.json other.onnx --calibration samples/", "the same cut, repaired on samples"),
    "inspect": ("inspect model.onnx", "dims, units, and what is in the way"),
    "check": ("check model.onnx --target tensorrt", "operators, opset, shapes, types, zeros"),
    "targets": ("targets web", "all facts about one runtime"),
    "evaluate": ("evaluate model.pruned.onnx --data test.npz --reference model.onnx", "both accuracies"),
    "profile": ("profile model.onnx --output times.json", "for `--profile times.json`"),
    "compare": ("compare model.onnx model.pruned.onnx", "before and after"),
    "diff": ("diff model.onnx model.pruned.onnx --exit-code", "tensor by tensor; 1 where they differ"),
    "bench": ("bench model.onnx model.pruned.onnx --batch-size 1,8", "the first is the baseline"),
    "sensitivity": ("sensitivity model.onnx --calibration samples/ --plot curves.svg", "a JSON file and a picture"),
}
"""One command line for each command that has none in its own help, and what is got by it."""

KINDS = {Path: "FILE", int: "NUMBER", float: "NUMBER", str: "TEXT"}
OTHERS = "Others"
HEAD = ("option", "default", "")


def reference() -> str:
    """Return the page as text."""
    group: Any = typer.main.get_command(app)
    summary = str(group.help).splitlines()[0]
    sections = ["\n".join(_section(name, command)) for name, command in group.commands.items()]
    return "\n".join([INTRODUCTION.format(summary=summary), _table(("", ""), _contents(group)), "", *sections])


def _contents(group: Any) -> Iterator[tuple[str, str]]:
    for name, command in group.commands.items():
        yield f"[`{name}`](#onnxprune-{name})", _escaped(command.help)


def _section(name: str, command: Any) -> Iterator[str]:
    """Yield the lines about one command: what it does, examples, arguments, and the options panel by panel."""
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    yield f"## onnxprune {name}\n"
    yield f"{_escaped(command.help)}\n"
    yield from _examples(name, command)
    yield ""
    if arguments:
        yield _table(("argument", ""), (_argument(parameter) for parameter in arguments)) + "\n"
    kinds = typing.get_type_hints(inspect.unwrap(command.callback))
    for panel, options in _panels(command).items():
        yield f"**{panel}**\n"
        yield _table(HEAD, (_option(option, kinds[option.name]) for option in options)) + "\n"


def _panels(command: Any) -> dict[str, list[Any]]:
    """Return the options by their panels in the help, those of no panel last."""
    found: dict[str, list[Any]] = {}
    for parameter in command.params:
        if parameter.param_type_name == "option":
            found.setdefault(parameter.rich_help_panel or OTHERS, []).append(parameter)
    others = found.pop(OTHERS, None)
    return {**found, **({OTHERS: others} if others else {})}


def _examples(name: str, command: Any) -> Iterator[str]:
    """Yield command lines, those of the command's own help where it has any, with what they do beside them."""
    shown = re.findall(r"\[bold\]onnxprune (.+?)\[/bold\] +(.+)", command.epilog or "")
    if not shown and name not in EXAMPLES:
        raise LookupError(f"`onnxprune {name}` has no example; add one to EXAMPLES in tools/cli_reference.py")
    shown = shown or [EXAMPLES[name]]
    width = max(len(line) for line, _ in shown)
    for line, said in shown:
        yield f"    onnxprune {line:{width}}    {said}"


def _argument(parameter: Any) -> tuple[str, str]:
    many = " .." if parameter.nargs == -1 else ""
    name = f"{parameter.name.upper()}{many}"
    return f"`{name}`" if parameter.required else f"`[{name}]`", _escaped(parameter.help)


def _option(parameter: Any, kind: Any) -> tuple[str, str, str]:
    """Return the names of an option with what it takes, its default, and its help."""
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    taken = "" if parameter.is_flag else f" {_kind(kind)}"
    more = "; may be repeated" if parameter.multiple and "repeated" not in parameter.help else ""
    required = "required" if parameter.required else _default(parameter)
    return f"{names}{taken}", required, _escaped(parameter.help.removesuffix(".") + more + ".")


def _kind(hint: Any) -> str:
    """Return what an option takes: `FILE` for `Path | None`, `TEXT` for `list[str] | None`."""
    if typing.get_origin(hint) in (Union, UnionType):
        hint = next(part for part in typing.get_args(hint) if part is not type(None))
    return KINDS[typing.get_args(hint)[0] if typing.get_origin(hint) is list else hint]


def _default(parameter: Any) -> str:
    """Return the default where there is one to show: a flag that is off has none, one that is on shows its name."""
    value = parameter.default
    if isinstance(value, bool):
        return f"`{parameter.opts[0]}`" if value and parameter.secondary_opts else ""
    return "" if value in (None, [], ()) else f"`{value}`"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heads = tuple(head)
    lines = [" ".join(f"| {cell}".rstrip() for cell in line) + " |" for line in (heads, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(heads), *lines[1:]])


def main(arguments: list[str]) -> int:
    """Write the page, or only look whether it is what would be written."""
    text = reference()
    if "--check" in arguments:
        return int(not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text)
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
