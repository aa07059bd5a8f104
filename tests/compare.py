"""The one comparison with reference numbers, by the relative error that the design defines."""

import numpy as np


def relative_error(actual, expected) -> np.ndarray:
    """|difference| ÷ max(|reference|, 0.05), elementwise; infinite where only one of the two is missing."""
    actual, expected = np.asarray(actual, dtype=float), np.asarray(expected, dtype=float)
    if actual.shape != expected.shape:
        raise AssertionError(f"shape {actual.shape} differs from the reference's {expected.shape}")
    error = np.abs(actual - expected) / np.maximum(np.abs(expected), 0.05)
    error[np.isnan(actual) & np.isnan(expected)] = 0
    return np.where(np.isnan(error), np.inf, error)


def assert_close_to_reference(actual, expected, tolerance: float, what: str = "") -> None:
    error = np.atleast_1d(relative_error(np.atleast_1d(actual), np.atleast_1d(expected)))
    if error.size == 0:
        raise AssertionError(f"{what}: nothing to compare")
    worst = np.unravel_index(error.argmax(), error.shape)
    got, wanted = np.atleast_1d(actual)[worst], np.atleast_1d(expected)[worst]
    assert error[worst] <= tolerance, (
        f"{what}: {got!r} against {wanted!r} at {worst}: relative error {error[worst]:.2e}"
    )
