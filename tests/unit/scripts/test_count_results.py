"""What scripts/count_results.py counts: nothing that failed, or did not run, may look like a success."""

import pathlib
import subprocess
import sys

import pytest

COUNT_RESULTS = pathlib.Path(__file__).resolve().parents[3] / "scripts" / "count_results.py"
PASSED = '<testcase name="one" status="run"/>'


def count(folder, steps="", **suites):
    """The exit code and the last line."""
    for name, cases in suites.items():
        path = folder / f"{name.replace('_', '-')}.xml"
        path.write_text(f"<testsuite>{cases}</testsuite>", encoding="utf-8")
    (folder / "steps.txt").write_text(steps, encoding="utf-8")
    done = subprocess.run([sys.executable, COUNT_RESULTS, folder], capture_output=True, text=True)
    return done.returncode, done.stdout.splitlines()[-1]


def test_success(tmp_path):
    steps = "passed build\n"
    assert count(tmp_path, steps, ctest_release=PASSED) == (0, "2 passed, 0 failed")


def test_nothing_was_run(tmp_path):
    assert count(tmp_path) == (1, "0 passed, 0 failed")


@pytest.mark.parametrize(
    "case",
    [
        '<testcase name="two" status="fail"><failure message="Failed"/></testcase>',
        '<testcase name="two" status="disabled"/>',
        '<testcase name="two"><error message="at set-up"/></testcase>',
        # As ctest 3.25 writes a program that is missing, and one whose fixture failed.
        '<testcase name="two" status="notrun"><skipped message="Unable to find executable"/></testcase>',
        '<testcase name="two" status="notrun"><skipped message="Fixture dependency failed"/></testcase>',
    ],
)
def test_a_test_that_failed_or_could_not_be_run(tmp_path, case):
    steps = "unsuccessful ctest-release (see the log)\n"
    assert count(tmp_path, steps, ctest_release=PASSED + case) == (1, "1 passed, 1 failed")


@pytest.mark.parametrize("suites", [{"pytest_unit": PASSED}, {}])
def test_a_run_that_broke_off(tmp_path, suites):
    steps = "passed build\nunsuccessful pytest-unit (see the log)\n"
    passed = 1 + len(suites)
    assert count(tmp_path, steps, **suites) == (1, f"{passed} passed, 1 failed")


def test_results_that_cannot_be_read(tmp_path):
    (tmp_path / "ctest-asan.xml").write_text("<testsuite>", encoding="utf-8")
    assert count(tmp_path, ctest_release=PASSED) == (1, "1 passed, 1 failed")


@pytest.mark.parametrize(
    "case",
    [
        '<testcase name="two" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/></testcase>',
        '<testcase name="two"><skipped message="this machine has a CUDA device"/></testcase>',
    ],
)
def test_what_is_left_out_is_no_success(tmp_path, case):
    assert count(tmp_path, ctest_release=PASSED + case) == (0, "1 passed, 0 failed")
