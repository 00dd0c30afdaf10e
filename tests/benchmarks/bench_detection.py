"""
What scanners find of a labelled set: `python -m tests.benchmarks.bench_detection [SEED]`.

Each text is a file of its own. A kind counts as found where a finding lies on a line of the value;
any finding in a harmless text is a false alarm. Beside Locksmith, whatever of gitleaks,
detect-secrets and kingfisher is on PATH takes part, as it comes, without any live check.
"""

import json
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from graph.detect import detect
from tests.benchmarks.harmless import harmless
from tests.benchmarks.labelled import KINDS, Sample, samples

SEED = 20261128
Lines = Mapping[str, set[int]]  # file name: the lines with a finding
Scan = Callable[[Path], Lines]
MANY_LINES = 200


@dataclass(frozen=True, slots=True)
class Result:
    """What one scanner made of the set: found samples per kind, false alarms per family."""

    found: Mapping[str, tuple[int, int]]  # kind: (found, of)
    alarms: Mapping[str, tuple[int, int]]  # family: (alarms, of)

    @property
    def kinds(self) -> int:
        """Count the kinds of which every sample was found."""
        return sum(found == of for found, of in self.found.values())

    @property
    def recall(self) -> float:
        return _share(self.found.values())

    @property
    def false_alarms(self) -> int:
        return sum(alarms for alarms, _ in self.alarms.values())


def measure(scan: Scan, *, seed: int = SEED, of_each: int = 3) -> Result:
    """Write the set into files, scan them, count."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        labelled = list(samples(seed, of_each=of_each))
        clean = list(harmless(seed))
        for number, sample in enumerate(labelled):
            (folder / f"s{number}.txt").write_text(sample.text + "\n")
        for number, (_, text) in enumerate(clean):
            (folder / f"h{number}.txt").write_text(text + "\n")
        found = scan(folder)
    kinds: dict[str, list[bool]] = defaultdict(list)
    for number, sample in enumerate(labelled):
        kinds[sample.kind].append(bool(found.get(f"s{number}.txt", set()) & _lines(sample)))
    alarms: dict[str, list[bool]] = defaultdict(list)
    for number, (family, _) in enumerate(clean):
        alarms[family].append(bool(found.get(f"h{number}.txt")))
    return Result(
        {kind: (sum(each), len(each)) for kind, each in kinds.items()},
        {family: (sum(each), len(each)) for family, each in alarms.items()},
    )


def ours(folder: Path) -> Lines:
    """Take what opens an incident by itself."""
    return _locksmith(folder, guesses=False)


def ours_with_guesses(folder: Path) -> Lines:
    """Take also what is only offered to the reporter to choose from."""
    return _locksmith(folder, guesses=True)


def _locksmith(folder: Path, *, guesses: bool) -> Lines:
    found: dict[str, set[int]] = {}
    for file in folder.iterdir():
        text = file.read_text()
        for one in detect(text):
            if guesses or one.confidence != "low":
                first = text.count("\n", 0, one.start) + 1
                last = text.count("\n", 0, one.end) + 1
                found.setdefault(file.name, set()).update(range(first, last + 1))
    return found


def gitleaks(folder: Path) -> Lines:
    report = folder.parent / f"{folder.name}.json"
    command = ["gitleaks", "dir", str(folder), "--no-banner", "--exit-code", "0",
               "--report-format", "json", "--report-path", str(report)]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    found: dict[str, set[int]] = {}
    for one in json.loads(report.read_text() or "[]"):
        lines = range(one["StartLine"], one["EndLine"] + 1)
        found.setdefault(Path(one["File"]).name, set()).update(lines)
    report.unlink()
    return found


def detect_secrets(folder: Path) -> Lines:
    command = ["detect-secrets", "scan", "--all-files", "--no-verify", "."]
    made = subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder)
    found: dict[str, set[int]] = {}
    for name, each in json.loads(made.stdout)["results"].items():
        found[Path(name).name] = {one["line_number"] for one in each}
    return found


def kingfisher(folder: Path) -> Lines:
    command = ["kingfisher", "scan", str(folder), "--no-validate", "--format", "jsonl",
               "--confidence", "medium", "--no-dedup", "--no-update-check"]  # fmt: skip
    made = subprocess.run(command, check=False, capture_output=True, text=True)
    found: dict[str, set[int]] = {}
    for line in made.stdout.splitlines():
        one = json.loads(line).get("finding") if line.startswith("{") else None
        if one:
            first = int(one["line"])
            lines = range(first, first + 1 + str(one.get("snippet", "")).count("\n"))
            found.setdefault(Path(one["path"]).name, set()).update(lines)
    return found


def scanners() -> Iterator[tuple[str, Scan]]:
    """Give Locksmith, and the others that are here."""
    yield "Locksmith", ours
    yield "Locksmith, guesses too", ours_with_guesses
    others = {"gitleaks": gitleaks, "detect-secrets": detect_secrets, "kingfisher": kingfisher}
    for program, scan in others.items():
        if shutil.which(program):
            yield program, scan
        else:
            sys.stderr.write(f"{program} is not on PATH: it takes no part.\n")


def table(results: Mapping[str, Result]) -> str:
    """Draw the summary in Markdown."""
    any_one = next(iter(results.values()))
    texts = sum(of for _, of in any_one.alarms.values())
    rows = [
        f"| scanner | kinds found, of {len(any_one.found)} | recall | false alarms, of {texts} |",
        "|---|---|---|---|",
    ]
    rows += [
        f"| {name} | {one.kinds} | {one.recall:.1%} | {one.false_alarms} |"
        for name, one in results.items()
    ]
    return "\n".join(rows)


def details(results: Mapping[str, Result]) -> str:
    """List per kind and per family what was missed and what was wrong."""
    lines = []
    for name, one in results.items():
        missed = [f"{kind} {of - got}/{of}" for kind, (got, of) in one.found.items() if got < of]
        wrong = [f"{family} {bad}/{of}" for family, (bad, of) in one.alarms.items() if bad]
        lines += [f"{name}", f"  missed: {', '.join(missed) or 'none'}"]
        lines += [f"  false alarms: {', '.join(wrong) or 'none'}"]
    return "\n".join(lines)


def _lines(sample: Sample) -> set[int]:
    start = sample.text.index(sample.value)
    first = sample.text.count("\n", 0, start) + 1
    return set(range(first, first + sample.value.count("\n") + 1))


def _share(pairs: object) -> float:
    totals: Counter[str] = Counter()
    for found, of in pairs:  # type: ignore[attr-defined]
        totals["found"] += found
        totals["of"] += of
    return totals["found"] / totals["of"]


def main() -> None:
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else SEED
    results = {name: measure(scan, seed=seed) for name, scan in scanners()}
    sys.stdout.write(f"{len(KINDS)} kinds of tokens, seed {seed}\n\n{table(results)}\n\n")
    sys.stdout.write(details(results) + "\n")


if __name__ == "__main__":
    main()
