"""Parts of other packages that a user may do without."""

import importlib
from types import ModuleType


def need(module: str, extra: str) -> ModuleType:
    """Return an imported module of an optional extra.

    Raises:
        ValueError: If it is not installed; the message says how to install it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not module.startswith(error.name):
            raise
        raise ValueError(f"{module} is not installed; it comes with: pip install 'tempclr[{extra}]'") from error
