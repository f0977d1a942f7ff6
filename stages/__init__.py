"""One click script per DVC stage, named like the stage: ``python -m stages.posts smpd``.

The package puts the ``src`` beside it first on the path, so that a stage in a temporary copy of the project
(``dvc exp run --temp``, a fresh clone) imports the code of that copy and not of an installed popcast. It also fixes
the number of threads before any numeric library is loaded: thread counts change floating point sums, and the same
inputs must give the same bytes on every machine.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

THREADS = int(os.environ.get("POPCAST_THREADS", "2"))
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS"):
    os.environ[_name] = str(THREADS)
# waiting threads sleep: spinning ones starve a second stage on the same cores
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
