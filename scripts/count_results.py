"""Adds up the results of a ./check run.

Usage: count_results.py FOLDER — FOLDER holds JUnit files (*.xml) of ctest and pytest, and steps.txt
with one line "passed NAME" or "failed NAME" for each step that is a test by itself, and one line
"unsuccessful SUITE ..." for each run of many tests that ended with an error: SUITE.xml should say why;
where it does not (the run broke off), that is one failure more.

Prints what failed and what was left out, then, alone on the last line, "N passed, N failed". Exits
with 1 when something failed or when there was nothing to count.
"""

import pathlib
import sys
import xml.etree.ElementTree


class Totals:
    def __init__(self):
        self.passed = 0
        self.failed: list[str] = []
        self.skipped: list[str] = []

    def add_junit(self, path: pathlib.Path) -> None:
        try:
            cases = list(xml.etree.ElementTree.parse(path).iter("testcase"))
        except xml.etree.ElementTree.ParseError as error:
            self.failed.append(f"{path.stem}: results cannot be read: {error}")
            return
        if not cases:
            self.failed.append(f"{path.stem}: no test was run")
        for case in cases:
            self.add_case(path.stem, case)

    def add_case(self, suite: str, case) -> None:
        name = f"{suite}: {case.get('name')}"
        if case.find("failure") is not None or case.find("error") is not None:
            self.failed.append(name)
        elif case.get("status") in ("fail", "disabled"):
            self.failed.append(f"{name} ({case.get('status')})")
        elif case.get("status") == "notrun" and not skip_reason(case).startswith("SKIP_"):
            # ctest: the program is not there, or what it depends on has failed.
            self.failed.append(f"{name}: {skip_reason(case)}")
        elif case.find("skipped") is not None or case.get("status") == "notrun":
            self.skipped.append(f"{name}: {skip_reason(case)}")
        else:
            self.passed += 1

    def add_steps(self, path: pathlib.Path) -> None:
        for line in path.read_text(encoding="utf-8").splitlines():
            result, _, name = line.partition(" ")
            if result == "passed":
                self.passed += 1
            elif result != "unsuccessful" or not self.has_failure_in(name.partition(" ")[0]):
                self.failed.append(name)

    def has_failure_in(self, suite: str) -> bool:
        return any(name.startswith(f"{suite}: ") for name in self.failed)


def skip_reason(case) -> str:
    skipped = case.find("skipped")
    return (skipped.get("message") if skipped is not None else None) or "not run"


def main() -> int:
    folder = pathlib.Path(sys.argv[1])
    totals = Totals()
    for path in sorted(folder.glob("*.xml")):
        totals.add_junit(path)
    if (folder / "steps.txt").exists():
        totals.add_steps(folder / "steps.txt")
    for title, names in (("left out", totals.skipped), ("failed", totals.failed)):
        if names:
            print(f"{title}:")
            print("\n".join(f"  {name}" for name in names))
    print(f"{totals.passed} passed, {len(totals.failed)} failed")
    return 1 if totals.failed or not totals.passed else 0


if __name__ == "__main__":
    sys.exit(main())
