"""Run a module that may write files of at most N bytes: ``python -m tests.faults.limited N MODULE ...``."""

from __future__ import annotations

import os
import resource
import runpy
import sys


def main() -> None:
    size, module = int(sys.argv[1]), sys.argv[2]
    sys.argv = [module, *sys.argv[3:]]
    sys.path.insert(0, os.getcwd())
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
