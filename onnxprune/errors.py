"""What can go wrong: errors that the user can mend, and the one that is ours."""

from __future__ import annotations


class OnnxPruneError(Exception):
    """Base of every error that the user can mend. The message is one line: what, where, and what to do."""


class UsageError(OnnxPruneError):
    """An option has a value that can never be right."""


class ModelError(OnnxPruneError):
    """The model cannot be read, is not valid, or cannot be run."""


class UnsupportedError(OnnxPruneError):
    """The request is sound but this model or this machine does not allow it."""


class DataError(OnnxPruneError):
    """Inputs that were given cannot be read or do not fit the model."""


class BudgetError(OnnxPruneError):
    """The budget cannot be met; the message says how far it got and what stopped it."""


class PlanError(OnnxPruneError):
    """The plan cannot be read or does not fit the model."""


class OutputError(OnnxPruneError):
    """The result cannot be written."""


class VerificationError(OnnxPruneError):
    """The pruned model does not compute what the masked dense model computes.

    `after_a_choice`: only tensors differ that depend on a choice (the best of many boxes), which rounding can tip.
    """

    def __init__(self, message: str, after_a_choice: bool = False) -> None:
        super().__init__(message)
        self.after_a_choice = after_a_choice


class ResourceError(OnnxPruneError):
    """The system has not got what the run needs: memory, room on a disk, a file that it may open."""

    @staticmethod
    def of(error: MemoryError | OSError) -> ResourceError:
        """Return what the system said as one line."""
        if isinstance(error, MemoryError):
            what = f" ({' '.join(str(error).split())[:200]})" if str(error) else ""
            return ResourceError(
                f"there is not enough memory{what}; fewer --samples, a smaller --batch-size or a lower --memory-limit "
                "need less"
            )
        return ResourceError(f"{error.filename or 'the system does not allow it'}: {error.strerror or error}")


class InternalError(Exception):
    """A mistake of onnxprune's own."""

    @staticmethod
    def of(error: Exception) -> InternalError:
        """Return an unforeseen error as one line that says whose it is and what to do."""
        what = " ".join(f"{type(error).__name__}: {error}".split())
        return InternalError(
            f"this is a mistake of onnxprune's ({what[:200]}); please report it with the command and, where you can, "
            "the model; --verbose shows where it happened"
        )
