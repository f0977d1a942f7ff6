"""Which kind of processor works here: sums of floating point numbers end in other digits on another kind."""

from __future__ import annotations

import platform
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
KINDS = (("avx512f", "AVX-512"), ("avx2", "AVX2"), ("asimd", "NEON"), ("sse4_2", "SSE4"))
"""Flag of the kernel -> vector instructions that numeric libraries choose their kernels by, the widest first."""

BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}
"""Flags of processors that multiply bfloat16 themselves; others emulate it, slower than float32."""


def processor_kind() -> str:
    """Such as ``x86_64 GenuineIntel AVX-512``; what is not known is left out.

    Two machines of one kind give the same bytes (decision 013); the reverse need not hold.
    """
    fields = _cpuinfo()
    vectors = next((name for flag, name in KINDS if flag in _flags(fields)), "")
    return " ".join(part for part in (platform.machine(), fields.get("vendor_id", ""), vectors) if part)


def multiplies_bfloat16() -> bool:
    """Whether this processor has instructions for bfloat16; False where nobody knows."""
    return bool(BFLOAT16 & _flags(_cpuinfo()))


def _cpuinfo() -> dict[str, str]:
    """What the kernel says of the first processor, names in lower case; empty where it says nothing."""
    fields: dict[str, str] = {}
    if CPUINFO.exists():
        for line in CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            fields.setdefault(name.strip().lower(), value.strip())
    return fields


def _flags(fields: dict[str, str]) -> set[str]:
    return set(fields.get("flags", fields.get("features", "")).split())
