"""Packages that come with an optional extra."""

import importlib
import importlib.metadata
from types import ModuleType


def import_optional(module: str, extra: str) -> ModuleType:
    """Import a module that comes with an optional extra, and return it.

    Raises:
        ValueError: If it is not installed; the message says how to install it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not module.startswith(error.name):
            raise
        raise ValueError(_advice(module, extra)) from error


def version(package: str, extra: str) -> str:
    """Return the version of an optional package, without importing it.

    Raises:
        ValueError: If it is not installed; the message says how to install it.
    """
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError as error:
        raise ValueError(_advice(package, extra)) from error


def _advice(what: str, extra: str) -> str:
    """A message that says what is missing and how to install it."""
    return f"{what} is not installed; it comes with: pip install 'tempclr[{extra}]'"
