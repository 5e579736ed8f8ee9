"""mask == slice: run the masked twin and the pruned model on the same inputs and compare them, tensor by tensor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxprune.axes import Dim, Mask, free_dims, keep
from onnxprune.errors import ModelError, VerificationError
from onnxprune.feeds import without_halves
from onnxprune.model import Model
from onnxprune.precision import as_float32, is_half
from onnxprune.runtime import Feeds, run
from onnxprune.tracing import Trace, display_name
from onnxprune.verify.choices import after_a_choice
from onnxprune.verify.compare import QUIET_CHANNEL, Difference, difference
from onnxprune.verify.damage import damaged, sliced_constants, to_damage
from onnxprune.verify.rounding import rounds, without_rounding
from onnxprune.verify.steps import Steps
from onnxprune.verify.twin import Probe, masked_twin

TOLERANCE = 1e-4
LARGEST_TOLERANCE = 0.05
"""Behind a choice, a tensor whose own noise asks for more than this cannot be compared."""

QUANTIZED_TOLERANCE = 1.5 / 127
QUANTIZED_STEPS = 2.5
"""Quantized tensors may differ by a step or two, where rounding falls the other way; at least this of the range."""

QUIET_INSIDE = 0.02
"""As `compare.QUIET_CHANNEL`, for intermediate tensors, which have channels that are all but dead.

A sum of a thousand float32 products of the size of a tensor's largest value is off by some 2e-6 of it: the
tolerance of a channel at this fraction.
"""

NOISE_FACTOR = 10
POWER_FACTOR = 10
"""A damaged weight must move some tensor by this many tolerances, or the check proves nothing."""


@dataclass(frozen=True)
class Verification:
    """What the check found.

    `errors` holds the relative difference of each graph output and `max_abs_error` the largest absolute one;
    `max_rel_error` is that of the compared tensor that came closest to its `tolerance`. `power` is how far, at
    least, a damaged weight moved a compared tensor, in tolerances; `unseen` names the damaged weights that did not
    move any by enough, or all that were sliced where none can show damage. `not_compared` names outputs behind a
    choice (the best of many boxes) that rounding tips in the dense model itself.
    """

    max_abs_error: float
    max_rel_error: float
    tolerance: float
    power: float
    unseen: tuple[str, ...]
    not_compared: tuple[str, ...]
    compared: int
    errors: Mapping[str, float]
    float32_twin: bool
    unrounded_twin: bool
    nothing_shrank: bool

    @property
    def verdict(self) -> str:
        """`proved`, `vacuous` where damage would not have been seen, or `unchanged` where there was none to see."""
        if self.nothing_shrank:
            return "unchanged"
        return "vacuous" if self.unseen else "proved"

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for the report."""
        return {"mask_equals_slice": True, **self.__dict__, "errors": dict(self.errors), "verdict": self.verdict}


def verify(trace: Trace, masks: Mapping[Dim, Mask], pruned: Model, feeds: Feeds) -> Verification:
    """Compare the pruned model with the masked twin on `feeds`, at every output and before every masked contraction.

    Per tensor the tolerance is 1e-4, or ten times the noise between onnxruntime's optimization levels on either
    model, its own or that of the median tensor. Half-precision models are compared as float32 twins, quantized
    ones without the rounding of activations. Where an operator cannot do without, they are run as they stand,
    without onnxruntime's fusions, and may differ by a step of quantization where rounding falls the other way.
    Raises `VerificationError` where an error is beyond the tolerance, `ModelError` where a model cannot be run.
    """
    return _Check(trace, masks, pruned, feeds).run()


class _Check:
    def __init__(self, trace: Trace, masks: Mapping[Dim, Mask], pruned: Model, feeds: Feeds) -> None:
        self.trace = trace
        self.masks = {dim: mask for dim, mask in masks.items() if not mask.all()}
        self.twin, self.probes = masked_twin(trace, self.masks)
        self.half = is_half(trace.model)
        self.pruned, self.feeds = pruned, feeds
        if self.half:
            self.twin, self.pruned = as_float32(self.twin), as_float32(pruned)
            self.feeds = without_halves(feeds)
        self.outputs = [info.name for info in trace.model.proto.graph.output]
        self.rounded = rounds(self.twin)
        self.unrounded = self.rounded and self._leave_out_rounding()

    def _leave_out_rounding(self) -> bool:
        twin, pruned = without_rounding(self.twin), without_rounding(self.pruned)
        self.rounded = rounds(twin) or rounds(pruned)
        if not self.rounded:
            run(self.pruned, self.feeds)  # as it is, it has to run as well
            self.twin, self.pruned = twin, pruned
        return not self.rounded

    def run(self) -> Verification:
        """Run both models, judge every tensor, and measure what the check would have seen."""
        expected = self._masked(optimize=not self.rounded)
        self._refuse_not_a_number(expected)
        actual = self._sliced(self.pruned)
        tolerances = self._tolerances(expected, actual)
        errors = self._differences(expected, actual)
        worst = self._judge(errors, tolerances)
        effects = self._effects(actual, tolerances)
        return Verification(
            max_abs_error=max((error.absolute for error in errors[: len(self.outputs)]), default=0.0),
            max_rel_error=errors[worst].relative,
            tolerance=tolerances[worst],
            power=min(effects.values(), default=0.0),
            unseen=tuple(name for name, effect in effects.items() if effect < POWER_FACTOR),
            not_compared=tuple(self.outputs[p] for p in self._unstable(tolerances) if p < len(self.outputs)),
            compared=len(errors) - len(self._unstable(tolerances)),
            errors={name: error.relative for name, error in zip(self.outputs, errors, strict=False)},
            float32_twin=self.half,
            unrounded_twin=self.unrounded,
            nothing_shrank=not self.masks,
        )

    def _refuse_not_a_number(self, expected: Sequence[NDArray[Any]]) -> None:
        """Raise `ModelError` where the masked dense model gives NaN: there is nothing to compare with."""
        for place, (name, values) in enumerate(zip(self._names(), expected, strict=True)):
            if not _has_nan(values):
                continue
            if place < len(self.outputs) and self._is_masking_to_blame(name):
                raise ModelError(
                    f"without the removed units the model gives NaN in tensor '{name}', where the dense model does "
                    "not (such as 0 / 0); remove less, or leave the layers before it out with --exclude"
                )
            raise ModelError(
                f"the dense model itself gives NaN in tensor '{name}'{self._cause()}, so nothing can be compared; "
                "mend the model, or give inputs that it is made for with --verify-inputs"
            )

    def _is_masking_to_blame(self, output: str) -> bool:
        """Whether the dense model gives numbers where it is not masked."""
        dense = as_float32(self.trace.model) if self.half else self.trace.model
        return not _has_nan(run(dense, self.feeds, [output], optimize=False)[0])

    def _cause(self) -> str:
        """Return which stored tensor holds NaN, in words, if one does."""
        model = self.trace.model
        for (scope, name), tensor in model.constants.items():
            if _has_nan(model.array(tensor)):
                return f" (stored tensor '{scope}{name}' holds NaN)"
        return ""

    def _differences(self, expected: Sequence[NDArray[Any]], actual: Sequence[NDArray[Any]]) -> list[Difference]:
        outputs, inside = (1.0, 1.0) if self.rounded or self.unrounded else (QUIET_CHANNEL, QUIET_INSIDE)
        quiet = [outputs if place < len(self.outputs) else inside for place in range(len(expected))]
        return [difference(e, a, q) for e, a, q in zip(expected, actual, quiet, strict=True)]

    def _names(self) -> list[str]:
        """Return the names, in the pruned model, of all tensors that are compared: the outputs come first."""
        return [*self.outputs, *(probe.pruned for probe in self.probes)]

    def _judge(self, errors: Sequence[Difference], tolerances: Sequence[float]) -> int:
        """Return the tensor that came closest to its tolerance. Raises `VerificationError` where one went beyond."""
        unstable = set(self._unstable(tolerances))
        pairs = zip(errors, tolerances, strict=True)
        shares = [0.0 if p in unstable else error.relative / tolerance for p, (error, tolerance) in enumerate(pairs)]
        names, chosen = self._names(), after_a_choice(self.trace.model)
        certain = [place for place, name in enumerate(names) if name not in chosen]
        # What goes wrong before any choice is made is ours; what goes wrong behind one may be rounding.
        wrong = [place for place in certain if not shares[place] <= 1]
        worst = wrong[0] if wrong else int(np.argmax(shares))
        if shares[worst] <= 1 and certain:
            worst = max(certain, key=lambda place: shares[place])
        if not shares[worst] <= 1:
            raise VerificationError(
                f"the pruned model does not compute what the masked dense model computes: tensor '{names[worst]}' is "
                f"off by {errors[worst].relative:.2g} (tolerance {tolerances[worst]:.2g}). This is a mistake of "
                "onnxprune's; nothing was written. Please report it; --exclude can leave out the layers around it",
                after_a_choice=not wrong,
            )
        return worst

    def _unstable(self, tolerances: Sequence[float]) -> list[int]:
        """Return the tensors behind a choice that the dense model itself makes differently from run to run."""
        chosen = after_a_choice(self.trace.model)
        return [p for p, name in enumerate(self._names()) if name in chosen and tolerances[p] > LARGEST_TOLERANCE]

    def _masked(self, optimize: bool) -> list[NDArray[Any]]:
        names = [*self.outputs, *(probe.masked for probe in self.probes)]
        # Where nothing is rounded, onnxruntime's kernels for weights in integers (MatMulNBits) would round again.
        values = run(self.twin, self.feeds, names, optimize, fuse_quantized=not self.unrounded)
        split = len(self.outputs)
        return [*values[:split], *(self._kept(p, v) for p, v in zip(self.probes, values[split:], strict=True))]

    def _sliced(self, model: Model, optimize: bool = True) -> list[NDArray[Any]]:
        names, optimized = self._names(), optimize and not self.rounded
        return run(model, self.feeds, names, optimized, fuse_quantized=not self.unrounded)

    def _kept(self, probe: Probe, value: NDArray[Any]) -> NDArray[Any]:
        for axis, expr in enumerate(probe.axes):
            if any(dim in self.masks for dim in free_dims(expr)):
                value = value.compress(keep(expr, self.masks), axis)
        return value

    def _tolerances(self, optimized: Sequence[NDArray[Any]], sliced: Sequence[NDArray[Any]]) -> list[float]:
        """Return what each tensor's own numerical noise allows, given its values in both models."""
        if self.rounded:
            steps = Steps(self.pruned)
            relative = [steps.relative(name, value) for name, value in zip(self._names(), optimized, strict=True)]
            return [max(QUANTIZED_TOLERANCE, QUANTIZED_STEPS * step) for step in relative]
        try:
            pairs = [(optimized, self._masked(optimize=False)), (sliced, self._sliced(self.pruned, optimize=False))]
        except ModelError:  # some models run only with their fusions
            return [TOLERANCE] * len(optimized)
        apart = zip(*(self._differences(one, other) for one, other in pairs), strict=True)
        noise = [max(error.relative for error in both) for both in apart]
        # A tensor that happens to come out the same both ways is no more exact than the others; one that does not
        # even keep its shape is behind a choice, or else it is a mistake.
        typical = float(np.median([own for own in noise if np.isfinite(own)] or [0.0]))
        chosen, names = after_a_choice(self.trace.model), self._names()
        own_noise = [n if np.isfinite(n) or name in chosen else 0.0 for n, name in zip(noise, names, strict=True)]
        return [max(TOLERANCE, NOISE_FACTOR * max(own, typical)) for own in own_noise]

    def _effects(self, sound: Sequence[NDArray[Any]], tolerances: Sequence[float]) -> dict[str, float]:
        """Roll a sliced weight by a row, at a few depths, and return how far each moved some tensor, in tolerances.

        Where none of them would change by that, nothing that is compared could show damage: all have no effect.
        """
        judged = sorted(set(range(len(sound))).difference(self._unstable(tolerances)))
        effects = {}
        for key in to_damage(self.trace, self.masks, self.pruned):
            moved = self._differences(sound, self._sliced(damaged(self.pruned, key)))
            effects[display_name(key)] = max((moved[p].relative / tolerances[p] for p in judged), default=0.0)
        return effects or {display_name(key): 0.0 for key in sliced_constants(self.trace, self.masks, self.pruned)}


def _has_nan(values: NDArray[Any]) -> bool:
    return values.dtype.kind in "fV" and bool(np.isnan(values.astype(np.float32)).any())
