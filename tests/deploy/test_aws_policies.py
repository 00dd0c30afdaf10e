"""deploy/aws/act.json grants what the steps declare, and no more."""

import json
from pathlib import Path

from graph.plugins import discover
from responders.step import Step

ROOT = Path(__file__).parents[2]


def test_the_policy_for_acting_is_what_the_steps_declare() -> None:
    policy = json.loads((ROOT / "deploy" / "aws" / "act.json").read_text())
    granted = {action for one in policy["Statement"] for action in one["Action"]}
    rules = [
        permission.rule
        for step in discover(Step, "responders.steps").values()
        for permission in step.permissions
        if permission.where == "aws"
    ]
    declared = {action for rule in rules for action in json.loads(rule)["Action"]}
    assert granted == declared
    assert all(one["Resource"] != "*" for one in policy["Statement"])
