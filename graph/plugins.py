"""
Finds the members of a family: every subclass of a contract in the modules of one package.

A new member is one new file; there is no list to extend. Packages of others join through entry
points of the group named like the package ("graph.collectors", "responders.steps", …).
"""

import importlib
import inspect
import pkgutil
from functools import cache
from importlib.metadata import entry_points
from typing import TypeVar

Member = TypeVar("Member")


@cache
def discover(contract: type[Member], package: str) -> dict[str, type[Member]]:
    """
    Return the concrete subclasses of `contract` in `package` and its entry points, by name.

    Raises:
        ValueError: two members carry one name.
    """
    folder = importlib.import_module(package)
    modules = [
        importlib.import_module(f"{package}.{found.name}")
        for found in pkgutil.iter_modules(folder.__path__)
    ]
    classes = [
        member
        for module in modules
        for _, member in inspect.getmembers(module, inspect.isclass)
        if member.__module__ == module.__name__
    ]
    classes += [entry.load() for entry in entry_points(group=package)]
    members: dict[str, type[Member]] = {}
    for member in classes:
        if not issubclass(member, contract) or inspect.isabstract(member):
            continue
        name = str(getattr(member, "name", member.__name__))
        if name in members and members[name] is not member:
            raise ValueError(f"two members of {package} are called {name!r}")
        members[name] = member
    return members
