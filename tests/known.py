"""Marking what is known to be wrong until it is put right."""

from __future__ import annotations

import pytest


def bug(reason: str) -> pytest.MarkDecorator:
    """A test that shows a mistake of onnxprune's; it fails as soon as the mistake is gone: then remove the mark."""
    return pytest.mark.xfail(strict=True, reason=reason)
