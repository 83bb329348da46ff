#!/usr/bin/env python3
"""Checks that the relative links in the Markdown files lead somewhere, headings included.

Prints one line a broken link and exits with 1 when there is one.
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.MULTILINE)
CODE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


def markdown_files() -> list[pathlib.Path]:
    command = [
        "git",
        "-C",
        str(ROOT),
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "*.md",
    ]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    return [
        ROOT / name for name in sorted(set(listed.stdout.splitlines())) if (ROOT / name).is_file()
    ]


def anchor_of(heading: str) -> str:
    """As common renderers of Markdown make it."""
    plain = re.sub(r"[`*]|\[|\]\([^)]*\)", "", heading).lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def broken_links(path: pathlib.Path) -> list[str]:
    text = CODE.sub("", path.read_text(encoding="utf-8"))
    findings = []
    for link in LINK.findall(text):
        if re.match(r"[a-z][a-z0-9+.-]*:", link):
            continue  # another machine's: not ours to check, and tests stay on this machine
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        if not target.exists():
            findings.append(f"{path.relative_to(ROOT)}: {link}: no such file")
        elif anchor and target.suffix == ".md":
            headings = HEADING.findall(CODE.sub("", target.read_text(encoding="utf-8")))
            if anchor not in map(anchor_of, headings):
                findings.append(f"{path.relative_to(ROOT)}: {link}: no such heading")
    return findings


def main() -> int:
    files = markdown_files()
    findings = [finding for path in files for finding in broken_links(path)]
    print("\n".join(findings) if findings else f"links of {len(files)} Markdown files in order")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
