"""One thread of linear algebra: bytes depend on the number, and tests share the machine."""

import os

import threadpoolctl

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")  # for what is loaded from here on, worker processes too
threadpoolctl.threadpool_limits(1)  # and for numpy, which a plugin of pytest has loaded already
