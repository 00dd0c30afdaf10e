"""
How a page looks to the systems that the webhook pager speaks to: presets, and templates of yours.

A template is JSON whose texts may hold `{key}`, `{summary}`, `{severity}`, `{owner}`,
`{incident}`, `{link}`, `{details}`, `{action}`; a text that is only `{details_map}` becomes the
details as an object. A preset has a body for each action that its system knows, and where it goes.
Values are put in as they are, inside JSON texts, so that nothing in them is read as JSON. Pure.

Source: https://grafana.com/docs/grafana-cloud/alerting-and-irm/irm/configure/integrations/webhooks/incoming-webhooks/oncall-webhooks/
(Grafana OnCall, the open source, is archived since 2026-03-24; its address takes the same form),
https://docs.incident.io/alerts/custom-http-sources,
https://developer.atlassian.com/cloud/jira/service-desk-ops/rest/v2/api-group-integration-events/
and, for the longest texts that Jira takes,
https://docs.opsgenie.com/docs/alerts-and-alert-fields.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from responders.pager import Page

ACTIONS = ("trigger", "acknowledge", "resolve")
PLACEHOLDERS = frozenset(
    {"key", "summary", "severity", "owner", "incident", "link", "details", "action", "priority"}
)
_FIELD = re.compile(r"\{([a-z_]+)\}")
_PRIORITIES = {"critical": "P1", "error": "P2", "warning": "P3", "info": "P5"}

Template = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Preset:
    """`bodies` per action (none: the system has no such word); `paths` are added to the URL."""

    bodies: Mapping[str, Template]
    paths: Mapping[str, str]
    limits: Mapping[str, int]  # characters of each text under a key at the top


_GENERIC: Template = {
    "action": "{action}",
    "key": "{key}",
    "incident_id": "{incident}",
    "owner": "{owner}",
    "severity": "{severity}",
    "summary": "{summary}",
    "details": "{details_map}",
    "link": "{link}",
}
_GRAFANA: Template = {
    "alert_uid": "{key}",
    "title": "{summary}",
    "message": "{details}",
    "link_to_upstream_details": "{link}",
}
_INCIDENT_IO: Template = {
    "title": "{summary}",
    "description": "{details}",
    "deduplication_key": "{key}",
    "source_url": "{link}",
    "metadata": {"owner": "{owner}", "severity": "{severity}", "incident": "{incident}"},
}

PRESETS: Mapping[str, Preset] = {
    "generic": Preset(dict.fromkeys(ACTIONS, _GENERIC), {}, {}),
    "grafana": Preset(
        {"trigger": {**_GRAFANA, "state": "alerting"}, "resolve": {**_GRAFANA, "state": "ok"}},
        {},
        {},
    ),
    "incident_io": Preset(
        {
            "trigger": {**_INCIDENT_IO, "status": "firing"},
            "resolve": {**_INCIDENT_IO, "status": "resolved"},
        },
        {},
        {},
    ),
    "jira_service_management": Preset(
        {
            "trigger": {
                "message": "{summary}",
                "alias": "{key}",
                "description": "{details}\n{link}",
                "priority": "{priority}",
                "source": "Locksmith",
                "entity": "{incident}",
                "tags": ["locksmith", "{owner}"],
                "details": "{details_map}",
            },
            "acknowledge": {"source": "Locksmith", "note": "Somebody works on {incident}."},
            "resolve": {"source": "Locksmith", "note": "{incident} is over."},
        },
        {
            "acknowledge": "/{key}/acknowledge?identifierType=alias",
            "resolve": "/{key}/close?identifierType=alias",
        },
        {"message": 130, "alias": 512, "description": 15_000, "entity": 512, "tags": 50},
    ),
}


def unknown_placeholders(template: Any) -> list[str]:
    """Name what a template of yours asks for and no page has."""
    if isinstance(template, str):
        known = PLACEHOLDERS | {"details_map"}
        return [name for name in _FIELD.findall(template) if name not in known]
    inside = list(template.values()) if isinstance(template, Mapping) else template
    if isinstance(inside, list | tuple):
        return [name for each in inside for name in unknown_placeholders(each)]
    return []


def body_of(preset: Preset, template: Template | None, page: Page, action: str) -> Any:
    """Fill in the body; a template of yours serves every action."""
    filled = _filled(preset.bodies[action] if template is None else template, page, action)
    for name, limit in preset.limits.items():
        if name in filled:
            filled[name] = _cut(filled[name], limit)
    return filled


def _cut(filled: Any, limit: int) -> Any:
    if isinstance(filled, list):
        return [_cut(each, limit) for each in filled]
    return filled[:limit] if isinstance(filled, str) else filled


def url_of(preset: Preset, url: str, page: Page, action: str) -> str:
    path = preset.paths.get(action, "")
    return url.rstrip("/") + path.replace("{key}", quote(page.key, safe="")) if path else url


def _filled(template: Any, page: Page, action: str) -> Any:
    if template == "{details_map}":
        return dict(page.details)
    if isinstance(template, str):
        words = _words(page, action)
        return _FIELD.sub(lambda found: words.get(found[1], found[0]), template)
    if isinstance(template, Mapping):
        return {name: _filled(each, page, action) for name, each in template.items()}
    if isinstance(template, list | tuple):
        return [_filled(each, page, action) for each in template]
    return template


def _words(page: Page, action: str) -> dict[str, str]:
    return {
        "key": page.key,
        "summary": page.summary,
        "severity": page.severity,
        "priority": _PRIORITIES.get(page.severity, "P3"),
        "owner": page.owner,
        "incident": page.incident_id,
        "link": page.link,
        "details": "\n".join(f"{name}: {value}" for name, value in page.details),
        "action": action,
    }
