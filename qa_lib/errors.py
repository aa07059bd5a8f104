"""Errors and typed warnings. An error says what was found, where, what is allowed, and what to do next."""

_LONGEST = 3000  # characters of a message: cells and names it quotes may be of any length


class QaError(Exception):
    """Base of all errors a user can cause and mend; the command line prints it without a traceback."""

    def __str__(self) -> str:
        said = super().__str__()
        return said if len(said) <= _LONGEST else f"{said[: _LONGEST - 500]} … {said[-500:]}"


class StudyError(QaError):
    """study.yaml or the study folder is not as it must be."""


class InstrumentError(QaError):
    """instrument.yaml contradicts itself or the schema."""


class ResponseError(QaError):
    """An export, or a table handed to an analysis, cannot be used as it is."""


class ModelError(QaError):
    """A model cannot be specified or estimated from what was given."""


class RenderError(QaError):
    """A report could not be rendered."""


class QaWarning(UserWarning):
    """Base of all warnings: something a reader of the result must know."""


class DataWarning(QaWarning):
    """The data hold something unexpected: constant items, reversed keys that disagree, too little information."""


class ScreeningWarning(QaWarning):
    """A screening rule would flag implausibly many respondents."""


class EmptyCategoryWarning(DataWarning):
    """A category of an ordinal item, or a cell of a table that needs counts, is empty."""


class NotConvergedWarning(QaWarning):
    """An iterative estimate did not converge; what it reports must not be used."""


class InadmissibleWarning(QaWarning):
    """A solution is impossible in the population: negative variance, matrix not positive definite."""
