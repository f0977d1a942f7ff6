"""What the kernel says of a processor, and whether it multiplies bfloat16 itself."""

import pytest

from popcast.core import processor

SAID = {
    "x86": "vendor_id\t: AuthenticAMD\nflags\t\t: fpu sse4_2 avx2 avx512f avx512_bf16\n",
    "older": "vendor_id\t: AuthenticAMD\nflags\t\t: fpu sse4_2 avx2\n",
    "amx": "vendor_id\t: GenuineIntel\nflags\t\t: fpu avx2 avx512f amx_bf16\n",
    "arm": "processor\t: 0\nFeatures\t: fp asimd bf16\n",
    "second core": "flags\t\t: avx2\n\nflags\t\t: avx2 avx512_bf16\n",
    "nothing": "",
}


@pytest.mark.parametrize(
    ("said", "half", "vectors"),
    [
        ("x86", True, "AVX-512"),
        ("older", False, "AVX2"),
        ("amx", True, "AVX-512"),
        ("arm", True, "NEON"),
        ("second core", False, "AVX2"),
        ("nothing", False, ""),
    ],
)
def test_bfloat16_is_fast_where_the_kernel_names_instructions_for_it(tmp_path, monkeypatch, said, half, vectors):
    told = tmp_path / "cpuinfo"
    told.write_text(SAID[said])
    monkeypatch.setattr(processor, "CPUINFO", told)
    assert processor.multiplies_bfloat16() is half
    assert processor.processor_kind().endswith(vectors)


def test_a_system_without_that_file_is_not_taken_for_fast(tmp_path, monkeypatch):
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "none")
    assert processor.multiplies_bfloat16() is False
