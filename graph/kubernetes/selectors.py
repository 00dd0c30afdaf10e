"""Decides whether a Kubernetes label selector selects a set of labels. Pure."""

from collections.abc import Mapping

from graph.fields import Object, entries, pairs, text, texts


def selects(selector: Object, labels: Mapping[str, str]) -> bool:
    """
    Apply `matchLabels` and `matchExpressions`, all of which must hold; an empty selector takes all.

    An operator that Kubernetes does not know selects nothing, as its API server would refuse it.
    """
    wanted = pairs(selector, "matchLabels")
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _holds(expression, labels) for expression in entries(selector, "matchExpressions")
    )


def _holds(expression: Object, labels: Mapping[str, str]) -> bool:
    key, values = text(expression, "key"), texts(expression, "values")
    operator = text(expression, "operator")
    if operator == "In":
        return labels.get(key) in values
    if operator == "NotIn":
        return labels.get(key) not in values
    if operator == "Exists":
        return key in labels
    return operator == "DoesNotExist" and key not in labels
