"""What Slack tells about itself: groups and users that changed, and an App Home that was opened."""

from bot.inbox import Entry
from bot.work.room import Room, text_of


def on_group_changed(entry: Entry, room: Room) -> None:
    """Forget what was known: the next approval asks Slack anew."""
    room.people.forget_groups()


def on_user_changed(entry: Entry, room: Room) -> None:
    user = (entry.payload.get("event") or {}).get("user") or {}
    if isinstance(user, dict):
        room.people.forget_user(str(user.get("id") or ""))


def on_home_opened(entry: Entry, room: Room) -> None:
    """Draw what concerns this person, and keep it true while they may look at it."""
    event = entry.payload.get("event") or {}
    user = text_of(event, "user")
    if event.get("tab") not in {None, "home"}:
        return
    room.homes.opened(user)
