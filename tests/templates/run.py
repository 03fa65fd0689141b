"""Runs the tests of the templates, all or those named as unittest names them, and sums them up in one line."""

import sys
import unittest
from pathlib import Path
from typing import List, Set

HERE = Path(__file__).resolve().parent


def main(names: List[str]) -> int:
    loader = unittest.TestLoader()
    suite = loader.loadTestsFromNames(names) if names else loader.discover(str(HERE))
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    # A test may fail in several of its subtests, and still is one test.
    bad: Set[str] = set()
    for test, _ in [*result.errors, *result.failures]:
        bad.add(getattr(test, "test_case", test).id())
    bad.update(test.id() for test in result.unexpectedSuccesses)
    passed = (
        result.testsRun - len(result.skipped) - len([one for one in bad if not one.startswith(("setUp", "tearDown"))])
    )
    print(f"test result of the templates: {passed} passed; {len(bad)} failed;", flush=True)
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
