import json

import pytest

from graph.errors import BadInputError
from graph.vault.policies import PathRule, PolicySet, parse_policy


def allowed(policy: str, path: str) -> set[str]:
    return set(PolicySet([parse_policy(policy)]).capabilities(path))


def test_comments_parameters_and_nested_blocks_do_not_disturb():
    policy = """
    # reads payments, says "path \\"x\\" {"
    // another comment
    /* and
       another */
    name = "payments"
    path "kv/data/payments/*" {
      capabilities = [ "read", "list", ]  # trailing comma
      allowed_parameters = { "token" = ["*"], "ttl" = [] }
      required_parameters = ["a", "b"]
      min_wrapping_ttl = "1s"
      max_wrapping_ttl = 90
      control_group = { factor "ops" { identity { group_names = ["x"] approvals = 2 } } }
    }
    path "sys/mounts" { capabilities = ["read"] }
    """
    assert allowed(policy, "kv/data/payments/db") == {"read", "list"}
    assert allowed(policy, "sys/mounts") == {"read"}
    assert allowed(policy, "kv/data/shop/db") == set()


@pytest.mark.parametrize(
    "policy",
    [
        '{"path": {"kv/data/*": {"capabilities": ["read"]}}}',
        '{"path": [{"kv/data/*": {"capabilities": ["read"]}}, {"x": {"capabilities": ["list"]}}]}',
        '{"path": {"kv/data/*": [{"capabilities": ["read"]}]}}',
        'path "kv/data/*" { policy = "read" }',
        'path "/kv/data/*" { capabilities = ["READ"] }',
        'path = { "kv/data/*" = { capabilities = ["read"] } }',
        'path "kv/data/*" {\ncapabilities\n=\n[\n"read"\n]\n}',
        '"path" "kv/data/*" { capabilities = ["read"] }',
        'path "kv/data/a\\"b" { capabilities = ["deny"] } path "kv/data/*" {capabilities=["read"]}',
    ],
)
def test_the_spellings_of_one_rule_mean_the_same(policy):
    assert "read" in allowed(policy, "kv/data/db")


def test_an_empty_policy_allows_nothing():
    assert parse_policy("") == ()
    assert parse_policy("# nothing here\n") == ()
    assert allowed("{}", "kv/data/x") == set()


@pytest.mark.parametrize(
    "text",
    [
        'path "kv/*" {',
        'path "kv/*" { capabilities = ["read" }',
        'path "kv/*" }',
        'path "kv/*',
        "{not json}",
        "path { = }",
        "path " + "{a " * 200,
        "path x = " + "[" * 5000,
        "<html>",
        "= 1",
    ],
)
def test_text_that_is_no_policy_is_refused_with_its_line(text):
    with pytest.raises(BadInputError) as caught:
        parse_policy(text)
    assert "line" in caught.value.happened


# The expected answers were given by a real server; tests/graph/collectors/test_vault.py asks again.
PRECEDENCE = [
    # (rules, path, may read)
    ({"kv/data/*": "read"}, "kv/data/a/b", True),
    ({"kv/data/*": "read"}, "kv/metadata/a", False),
    ({"kv/data/+": "read"}, "kv/data/a", True),
    ({"kv/data/+": "read"}, "kv/data/a/b", False),
    ({"kv/data/+/db": "read"}, "kv/data/a/db", True),
    ({"kv/data/+/*": "read"}, "kv/data/a/b/c", True),
    ({"kv/data/+/*": "read"}, "kv/data/a", False),
    ({"kv/data/pay*": "read"}, "kv/data/payments/db", True),
    ({"kv/data/a": "read"}, "kv/data/a/b", False),
    ({"kv/data/*": "read", "kv/data/a": "deny"}, "kv/data/a", False),
    ({"kv/data/*": "deny", "kv/data/a": "read"}, "kv/data/a", True),
    ({"kv/data/*": "read", "kv/data/a/*": "deny"}, "kv/data/a/b", False),
    ({"kv/data/*": "deny", "kv/data/a/*": "read"}, "kv/data/a/b", True),
    ({"kv/data/+/b": "deny", "kv/data/a/*": "read"}, "kv/data/a/b", True),
    ({"kv/data/+/b": "read", "kv/data/*": "deny"}, "kv/data/a/b", True),
    ({"kv/data/a/+": "deny", "kv/data/a/*": "read"}, "kv/data/a/b", False),
    ({"kv/data/+/+": "deny", "kv/data/+/b": "read"}, "kv/data/a/b", True),
    ({"kv/data/a/b": "list", "kv/data/*": "read"}, "kv/data/a/b", False),
]


@pytest.mark.parametrize(("rules", "path", "expected"), PRECEDENCE)
def test_the_pattern_with_the_highest_priority_decides(rules, path, expected):
    parsed = [PathRule(pattern, frozenset({capability})) for pattern, capability in rules.items()]
    assert ("read" in PolicySet([parsed]).capabilities(path)) is expected
    assert ("read" in PolicySet([[rule] for rule in parsed]).capabilities(path)) is expected


def test_equal_patterns_of_several_policies_add_up_and_deny_wins():
    reads = parse_policy('path "kv/data/a" { capabilities = ["read"] }')
    lists = parse_policy('path "kv/data/a" { capabilities = ["list"] }')
    denies = parse_policy('path "kv/data/a" { capabilities = ["deny"] }')
    assert PolicySet([reads, lists]).capabilities("kv/data/a") == {"read", "list"}
    assert PolicySet([reads, denies, lists]).capabilities("kv/data/a") == set()


def test_a_template_matches_any_text_in_its_place_and_says_so():
    policy = parse_policy(
        'path "kv/data/{{identity.entity.name}}/*" { capabilities = ["read"] }\n'
        'path "kv/data/team-{{identity.groups.ids.x.name}}" { capabilities = ["read"] }'
    )
    rules = PolicySet([policy])
    found = rules.rule_for("kv/data/ana/db")
    assert found is not None
    assert found.templated
    assert rules.capabilities("kv/data/team-red") == {"read"}
    assert rules.capabilities("kv/data/team-") == set()


def test_json_and_hcl_of_one_policy_give_the_same_rules():
    rules = {"kv/data/*": {"capabilities": ["read"]}, "kv/data/a": {"capabilities": ["deny"]}}
    hcl = "\n".join(
        f'path "{pattern}" {{ capabilities = {json.dumps(rule["capabilities"])} }}'
        for pattern, rule in rules.items()
    )
    assert set(parse_policy(json.dumps({"path": rules}))) == set(parse_policy(hcl))
