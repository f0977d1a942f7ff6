"""Which kind of processor works here: sums of floating point numbers end in other digits on another kind."""

from __future__ import annotations

import platform
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
KINDS = (("avx512f", "AVX-512"), ("avx2", "AVX2"), ("asimd", "NEON"), ("sse4_2", "SSE4"))
"""Flag of the kernel -> vector instructions that numeric libraries choose their kernels by, the widest first."""


def processor_kind() -> str:
    """Such as ``x86_64 GenuineIntel AVX-512``; what is not known is left out.

    Two machines of one kind give the same bytes (decision 013); the reverse need not hold.
    """
    fields: dict[str, str] = {}
    if CPUINFO.exists():
        for line in CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            fields.setdefault(name.strip().lower(), value.strip())
    flags = set(fields.get("flags", fields.get("features", "")).split())
    vectors = next((name for flag, name in KINDS if flag in flags), "")
    return " ".join(part for part in (platform.machine(), fields.get("vendor_id", ""), vectors) if part)
