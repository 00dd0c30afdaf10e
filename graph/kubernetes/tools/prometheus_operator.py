"""
Prometheus operator: credentials for scraping, remote writing and alerting.

The operator copies what monitors and configurations select into the configuration Secret of each
Prometheus or Alertmanager, and a sidecar reloads it. Selectors of a monitor lie in its own
namespace.
Source: the API reference of monitoring.coreos.com.
"""

from typing import ClassVar

from graph.fields import Object, mapping, texts
from graph.kubernetes.references import PickUp, Reference, pod_references
from graph.kubernetes.tool import Coded, Here, Kind, Named, Tool
from graph.model import PicksUp

_GROUP = "monitoring.coreos.com"
_RENDERED = PickUp(
    PicksUp.POLL,
    "The operator renders it into the configuration again, and a sidecar reloads that.",
    by_itself=True,
)
_MOUNTED = PickUp(
    PicksUp.SYNC,
    "The kubelet rewrites the file within about two minutes; Prometheus reads it again at use.",
    by_itself=True,
)
_SERVERS = ("Prometheus", "PrometheusAgent", "Alertmanager", "ThanosRuler")
# The fields of a credential, wherever in an endpoint or a remote they stand.
_FIELDS = (
    "basicAuth.username",
    "basicAuth.password",
    "authorization.credentials",
    "bearerTokenSecret",
    "tlsConfig.keySecret",
    "tlsConfig.cert.secret",
    "tlsConfig.ca.secret",
    "oauth2.clientSecret",
    "oauth2.clientId.secret",
    "oauth2.tlsConfig.keySecret",
    "sigv4.accessKey",
    "sigv4.secretKey",
)
# Of receivers in an AlertmanagerConfig: every selector that is not one of a ConfigMap.
_RECEIVER = (
    "apiURL",
    "apiKey",
    "apiSecret",
    "routingKey",
    "serviceKey",
    "authPassword",
    "authSecret",
    "authIdentity",
    "userKey",
    "token",
    "botToken",
    "webhookUrl",
    "webhookURL",
    "urlSecret",
    "keySecret",
)


def _everywhere(kind: str, field: str) -> Named:
    at = f"spec..{field}"
    return Named(
        kind, f"{at}.name", "scrape", _RENDERED, key=f"{at}.key", optional=f"{at}.optional"
    )


class PrometheusOperator(Tool):
    """Reads the servers of the operator and what they scrape and notify."""

    name: ClassVar[str] = "prometheus_operator"
    kinds: ClassVar[tuple[Kind, ...]] = (
        Kind(_GROUP, "Prometheus", "prometheuses"),
        Kind(_GROUP, "PrometheusAgent", "prometheusagents"),
        Kind(_GROUP, "Alertmanager", "alertmanagers"),
        Kind(_GROUP, "ThanosRuler", "thanosrulers"),
        Kind(_GROUP, "ServiceMonitor", "servicemonitors"),
        Kind(_GROUP, "PodMonitor", "podmonitors"),
        Kind(_GROUP, "Probe", "probes"),
        Kind(_GROUP, "ScrapeConfig", "scrapeconfigs"),
        Kind(_GROUP, "AlertmanagerConfig", "alertmanagerconfigs"),
    )
    named: ClassVar[tuple[Named, ...]] = (
        *(
            _everywhere(kind, field)
            for kind in (
                *_SERVERS,
                "ServiceMonitor",
                "PodMonitor",
                "Probe",
                "ScrapeConfig",
                "AlertmanagerConfig",
            )
            for field in _FIELDS
        ),
        *(_everywhere("AlertmanagerConfig", field) for field in _RECEIVER),
        *(
            _everywhere("ScrapeConfig", field)
            for field in ("tokenRef", "password", "accessKey", "secretKey", "clientSecret")
        ),
        *(
            Named(kind, f"spec.{field}.name", "config", _RENDERED, key=f"spec.{field}.key")
            for kind, field in (
                ("Prometheus", "additionalScrapeConfigs"),
                ("Prometheus", "additionalAlertRelabelConfigs"),
                ("Prometheus", "additionalAlertManagerConfigs"),
                ("Prometheus", "thanos.objectStorageConfig"),
                ("PrometheusAgent", "additionalScrapeConfigs"),
                ("ThanosRuler", "objectStorageConfig"),
                ("ThanosRuler", "queryConfig"),
                ("ThanosRuler", "alertmanagersConfig"),
                ("Alertmanager", "alertmanagerConfiguration.global.smtp.authPassword"),
                ("Alertmanager", "alertmanagerConfiguration.global.slackApiUrl"),
                ("Alertmanager", "alertmanagerConfiguration.global.opsGenieApiKey"),
            )
        ),
        Named("Alertmanager", "spec.configSecret", "config", _RENDERED),
    )
    coded: ClassVar[tuple[Coded, ...]] = (
        *(Coded(kind, "spec.secrets[*]", "volume") for kind in _SERVERS),
        *(Coded(kind, "spec (a pod spec)", "env") for kind in _SERVERS),
    )

    def read(self, obj: Object, kind: Kind, here: Here) -> None:
        if kind.kind not in _SERVERS:
            return
        spec = mapping(obj, "spec")
        for index, name in enumerate(texts(spec, "secrets")):
            here.uses(
                obj, kind, Reference(name, "volume", f"spec.secrets[{index}]", follows=_MOUNTED)
            )
        for use in pod_references(spec):
            here.uses(obj, kind, use)
