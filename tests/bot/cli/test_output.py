"""What comes from outside is printed as what it is: a terminal obeys none of it."""

from pathlib import Path

import pytest

from bot.cli.output import shown
from tests.bot.cli.conftest import Run

HOSTILE = r"\e]0;owned\a\e[2Jdb\u202E\u200B\u009B"
DEPLOYMENT = f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: api, namespace: pay, annotations: {{a8r.io/owner: "{HOSTILE}"}}}}
spec:
  template:
    spec:
      containers:
        - name: "{HOSTILE}"
          env: [{{name: A, valueFrom: {{secretKeyRef: {{name: db, key: "{HOSTILE}"}}}}}}]
"""


def test_names_from_a_manifest_cannot_speak_to_the_terminal(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCKSMITH_DATA_FOLDER", str(tmp_path / "data"))
    manifest = tmp_path / "all.yaml"
    manifest.write_text(DEPLOYMENT)
    collected = run("collect", "--manifests", str(manifest), "--cluster", "c")
    assert collected.code == 0, collected.err
    answered, missing = run("uses", "pay/db"), run("uses", "a\x1b[2J\u202eb")
    assert r"a\x1b[2J\u202eb" in missing.err
    for printed in (collected.out, answered.out, missing.err):
        assert [sign for sign in printed if not sign.isprintable() and sign not in "\n\t"] == []


def test_what_is_meant_to_be_seen_stays() -> None:
    assert shown("payé 日本 👻 ⏱️\n\t…") == "payé 日本 👻 ⏱️\n\t…"
