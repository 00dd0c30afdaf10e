"""Links from the timeline of an incident to its messages in Slack, by number of the audit chain."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from bot.slack.message_rows import SlackMessageRow
from responders.incident import Case

# Kinds of entries that have a message of their own; all others are shown on the card.
_ASIDE = {
    "asked": "/approval/",
    "approved": "/approval/",
    "denied": "/approval/",
    "decided": "/approval/",
    "expired": "/approval/",
    "void": "/approval/",
    "stopped": "/stopped/",
    "closed": "/proof/",
}


def links_of(
    case: Case, rows: Mapping[str, SlackMessageRow], workspace_url: str
) -> Mapping[int, str]:
    """Link each entry; `workspace_url` is that of auth.test ("https://acme.slack.com/")."""
    card = rows.get(f"{case.id}/card")
    if card is None or not card.ts or not workspace_url:
        return {}
    threaded = {part: _newest(rows, part, card.channel) for part in set(_ASIDE.values())}
    places = (each.where for each in case.sightings)
    seen_in = next((place for place in places if _is_message(place, workspace_url)), "")
    found = {}
    for entry in case.timeline:
        row = threaded.get(_ASIDE.get(entry.kind, "")) or card
        link = permalink(workspace_url, row, root=card)
        found[entry.sequence] = seen_in if entry.kind == "reported" and seen_in else link
    return found


def _is_message(place: str, workspace_url: str) -> bool:
    """Whether a place is a message of Slack's: a reporter may name any address."""
    asked, ours = urlsplit(place), urlsplit(workspace_url)
    host = asked.hostname or ""
    slacks = host == ours.hostname or host.endswith(".slack.com")
    plain = not set(place) & set("()<>|[] \n")
    return slacks and plain and asked.path.startswith("/archives/")


def permalink(workspace_url: str, row: SlackMessageRow, *, root: SlackMessageRow) -> str:
    """Write the link as Slack does; a message of a thread names its root."""
    at = f"{workspace_url.rstrip('/')}/archives/{row.channel}/p{row.ts.replace('.', '')}"
    return at if row is root else f"{at}?thread_ts={root.ts}&cid={row.channel}"


def _newest(rows: Mapping[str, SlackMessageRow], part: str, channel: str) -> SlackMessageRow | None:
    found = [row for key, row in rows.items() if part in key and row.ts and row.channel == channel]
    return max(found, key=lambda row: row.ts, default=None)
