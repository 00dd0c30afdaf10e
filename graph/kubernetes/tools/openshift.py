"""
OpenShift beside DeploymentConfigs, which are read as workloads: builds, routes, hooks.

A build runs in a pod of its own, made from the BuildConfig; what a running Build says, its
BuildConfig says too. Hooks of a DeploymentConfig run in pods with variables of their own.
Source: the API references of build.openshift.io, route.openshift.io and apps.openshift.io.
"""

from typing import ClassVar

from graph.kubernetes.references import PickUp
from graph.kubernetes.tool import AT_RECONCILE, Kind, Named, Tool, selector
from graph.model import PicksUp

_BUILD, _ROUTE, _APPS = "build.openshift.io", "route.openshift.io", "apps.openshift.io"
_AT_BUILD = PickUp(
    PicksUp.NEXT_RUN, "Each build reads the value of the moment it starts.", by_itself=True
)
_AT_HOOK = PickUp(
    PicksUp.NEXT_RUN, "Each rollout runs the hook with the value of that moment.", by_itself=True
)


def _of_build(at: str, how: str) -> Named:
    return selector("BuildConfig", at, how, follows=_AT_BUILD)


class Openshift(Tool):
    """Reads BuildConfigs, Routes and the hooks of DeploymentConfigs."""

    name: ClassVar[str] = "openshift"
    kinds: ClassVar[tuple[Kind, ...]] = (
        Kind(_BUILD, "BuildConfig", "buildconfigs"),
        Kind(_ROUTE, "Route", "routes"),
        Kind(_APPS, "DeploymentConfig", ""),
    )
    named: ClassVar[tuple[Named, ...]] = (
        _of_build("spec.source.sourceSecret", "build"),
        _of_build("spec.source.secrets[*].secret", "build"),
        _of_build("spec.source.images[*].pullSecret", "imagePull"),
        _of_build("spec.output.pushSecret", "build"),
        _of_build("spec.strategy.*.pullSecret", "imagePull"),
        _of_build("spec.strategy.*.env[*].valueFrom.secretKeyRef", "env"),
        _of_build("spec.strategy.customStrategy.secrets[*].secretSource", "build"),
        Named(
            "BuildConfig",
            "spec.strategy.*.volumes[*].source.secret.secretName",
            "volume",
            _AT_BUILD,
        ),
        _of_build("spec.triggers[*].*.secretReference", "webhook"),
        selector("Route", "spec.tls.externalCertificate", "ingressTls", follows=AT_RECONCILE),
        selector(
            "DeploymentConfig",
            "spec.strategy..execNewPod.env[*].valueFrom.secretKeyRef",
            "env",
            follows=_AT_HOOK,
        ),
    )
