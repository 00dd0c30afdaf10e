"""Several things may be meant: the reporter chooses. Values are masked, names are shown whole."""

from collections.abc import Sequence

from bot.slack.views.blocks import Block, Message, button, context, message, section
from bot.slack.views.spill import form_button
from bot.slack.views.text import code, said


def choice(offers: Sequence[tuple[str, str]], *, remark: str = "") -> Message:
    """Offer each candidate with a button; `offers` are pairs of an opaque value and a label."""
    lead = "*Which one leaked?*" if len(offers) > 1 else "*Is it this one?*"
    blocks: list[Block | None] = [section(f"{lead} Nothing is opened before you choose.")]
    label = "This one" if len(offers) > 1 else "Yes, report it"
    for value, shown in offers:
        blocks.append(
            {
                **section(code(shown, 250)),
                "accessory": button(
                    label, "offer_take", value, style="primary", aloud=f"{label}: {shown}"
                ),
            }
        )
    if remark:
        blocks.append(context(said(remark, 400)))
    blocks += [
        context("None of them? Report the value alone, or another name."),
        form_button(quiet=True),
    ]
    return message("Which one leaked?", blocks)
