"""Arguments and options that commands share, or that are too long to stand among the commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onnxprune.cli.config import from_file

ModelPath = Annotated[Path, typer.Argument(help="The model to read; it is never changed.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, everything else on stderr.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show the traceback of an error.")]
NoVerify = Annotated[bool, typer.Option("--no-verify", help="Do not prove mask == slice.")]
Inputs = Annotated[
    Path | None, typer.Option("--verify-inputs", help="An .npz of inputs to verify on, instead of random ones.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of everything random.")]

WHAT, HOW, DATA, TIME, OUT = "What to remove", "How to choose", "Samples and repair", "Latency", "Output"

CalibrationOption = Annotated[
    str,
    typer.Option(
        "--calibration",
        "-c",
        help="Samples: .npz, .npy, a folder of them or of images, module:function, synthetic, or none. "
        "auto: synthetic for channels and N:M, else none.",
        rich_help_panel=DATA,
    ),
]
RecoverOption = Annotated[
    str,
    typer.Option(
        "--recover",
        help="Repair of what remains: auto, none, bias, batchnorm, least-squares or sequential.",
        rich_help_panel=DATA,
    ),
]
Samples = Annotated[
    int | None,
    typer.Option("--samples", help="Samples at most. Default: 512.", rich_help_panel=DATA, show_default=False),
]
BatchSize = Annotated[
    int | None,
    typer.Option(
        "--batch-size",
        help="Samples in one run, where the model allows. Default: 32.",
        rich_help_panel=DATA,
        show_default=False,
    ),
]
LabelsKey = Annotated[
    str | None,
    typer.Option("--labels", help="Key of the labels in an .npz, to go by accuracy.", rich_help_panel=DATA),
]
Mean = Annotated[
    str | None, typer.Option("--mean", help="Taken from pixels, such as 0.485,0.456,0.406.", rich_help_panel=DATA)
]
Std = Annotated[str | None, typer.Option("--std", help="What they are divided by then.", rich_help_panel=DATA)]
Peak = Annotated[
    float, typer.Option("--peak", help="What the brightest pixel is before that: 1 or 255.", rich_help_panel=DATA)
]
Layout = Annotated[str, typer.Option("--layout", help="Of images: auto, nchw or nhwc.", rich_help_panel=DATA)]
Resize = Annotated[
    str | None,
    typer.Option("--resize", help="Height,width of images where the model leaves them open.", rich_help_panel=DATA),
]
InputRange = Annotated[
    str | None, typer.Option("--input-range", help="Range of synthetic samples, such as 0,255.", rich_help_panel=DATA)
]
MemoryLimit = Annotated[
    str,
    typer.Option(
        "--memory-limit", help="For samples and what is computed on them, such as 500MB.", rich_help_panel=DATA
    ),
]

TargetOption = Annotated[
    str,
    typer.Option(
        "--target",
        "-t",
        help="The runtime that the model goes to: see `onnxprune targets`.",
        rich_help_panel=OUT,
    ),
]

ReportFiles = Annotated[
    list[Path] | None,
    typer.Option("--report", help="Write the report as .html, .md or .json; may be repeated.", rich_help_panel=OUT),
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        callback=from_file,
        is_eager=True,
        help="A TOML file with any of these options; the command line overrules it.",
        rich_help_panel=OUT,
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print warnings and errors only.", rich_help_panel=OUT)]

Simplify = Annotated[
    bool,
    typer.Option("--simplify", help="Simplify the model first, by onnxslim; outputs stay equal.", rich_help_panel=HOW),
]

AllowNorm = Annotated[
    bool, typer.Option("--allow-norm", help="Also prune the width that norms are taken over.", rich_help_panel=WHAT)
]

TargetParams = Annotated[
    str | None,
    typer.Option("--target-params", help="Parameters that remain at most: 2M, or 0.5x.", rich_help_panel=WHAT),
]
TargetMacs = Annotated[
    str | None, typer.Option("--target-macs", help="MACs at most: 1.5G, or 0.5x.", rich_help_panel=WHAT)
]
TargetLatency = Annotated[
    str | None,
    typer.Option("--target-latency", help="Latency at most, here in onnxruntime: 8ms, or 0.5x.", rich_help_panel=WHAT),
]
TargetSize = Annotated[
    str | None, typer.Option("--target-size", help="Bytes at most: 10MB, or 0.5x.", rich_help_panel=WHAT)
]

Threads = Annotated[int, typer.Option("--threads", help="Threads that work on one operator.", rich_help_panel=TIME)]
Shape = Annotated[
    list[str] | None,
    typer.Option("--shape", help="Sizes of an input that the model leaves open: x=1x3x224x224.", rich_help_panel=TIME),
]
