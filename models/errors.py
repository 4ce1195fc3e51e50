"""Errors of the physics side.

ModelInputError (ValueError)
    the caller asked for something that has no meaning
NumericsError (ArithmeticError)
    the input is legal, but the calculation did not reach its goal
"""


class ModelInputError(ValueError):
    """The parameters or arrays handed to a model make no sense together."""


class NumericsError(ArithmeticError):
    """A calculation did not converge or gave something that cannot be right."""
