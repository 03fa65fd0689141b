"""API Gateway's choice of a route for a request to an HTTP API, as its developer guide tells it."""

from __future__ import annotations

import re
from typing import Dict, List, Optional, Tuple

Route = Tuple[str, str]
DEFAULT = ("$default", "")


def specificity(route: Route, method: str, path: str) -> Optional[Tuple]:
    """How well a route suits a request, greater is better; None, when it does not at all."""
    if route == DEFAULT:
        return (0,)
    its_method, its_path = route
    if its_method not in (method, "ANY"):
        return None
    parts, asked = its_path.split("/")[1:], path.split("/")[1:]
    greedy = parts[-1].endswith("+}")
    if greedy:
        # It takes at least one segment, and not an empty one.
        if len(asked) < len(parts) or not "/".join(asked[len(parts) - 1 :]):
            return None
        asked = asked[: len(parts) - 1]
        parts = parts[:-1]
    if len(parts) != len(asked):
        return None
    kinds: List[int] = []
    for part, segment in zip(parts, asked):
        is_variable = bool(re.fullmatch(r"\{\w+\}", part))
        if not (is_variable and segment) and part != segment:
            return None
        kinds.append(0 if is_variable else 1)
    # A full match beats a greedy one, the longer greedy one the shorter, what is spelt out what is a variable, the one
    # method any method.
    return (1 if greedy else 2, len(parts), kinds, its_method == method)


def chosen(routes: Dict[Route, str], method: str, path: str) -> List[Route]:
    """The routes that suit a request best: one, unless two are equally good or there is none."""
    suited = {route: specificity(route, method, path) for route in routes}
    best = max((rank for rank in suited.values() if rank is not None), default=None)
    return [route for route, rank in suited.items() if rank is not None and rank == best]
