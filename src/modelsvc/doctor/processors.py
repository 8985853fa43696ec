"""Instruction sets: what llama.cpp was built with, against what the processor has. Pure, but for `of_this_machine`.

A build uses every set it was built with, asking nobody: one that the processor lacks ends the worker.
"""

import platform
import re
import subprocess
from collections.abc import Set
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
SYSCTL = ("sysctl", "hw.optional", "machdep.cpu")
SYSCTL_TIMEOUT_S = 5.0

# llama.cpp's name: the flag in /proc/cpuinfo.
LINUX_FLAGS = {
    "SSE3": "pni",
    "SSSE3": "ssse3",
    "AVX": "avx",
    "AVX_VNNI": "avx_vnni",
    "AVX2": "avx2",
    "F16C": "f16c",
    "FMA": "fma",
    "BMI2": "bmi2",
    "AVX512": "avx512f",
    "AVX512_VBMI": "avx512vbmi",
    "AVX512_VNNI": "avx512_vnni",
    "AVX512_BF16": "avx512_bf16",
    "AMX_INT8": "amx_int8",
    "NEON": "asimd",
    "ARM_FMA": "asimd",
    "FP16_VA": "asimdhp",
    "DOTPROD": "asimddp",
    "MATMUL_INT8": "i8mm",
    "SVE": "sve",
    "SME": "sme",
}
# The same on macOS, by the names that sysctl has for them.
MACOS_FLAGS = {
    "SSE3": "sse3",
    "SSSE3": "ssse3",
    "AVX": "avx1.0",
    "AVX2": "avx2",
    "F16C": "f16c",
    "FMA": "fma",
    "BMI2": "bmi2",
    "AVX512": "avx512f",
    "NEON": "neon",
    "ARM_FMA": "neon",
    "FP16_VA": "feat_fp16",
    "DOTPROD": "feat_dotprod",
    "MATMUL_INT8": "feat_i8mm",
    "SME": "feat_sme",
}
# Those that make an inference step quicker by much.
WORTH_HAVING = ("AVX", "AVX2", "F16C", "FMA", "AVX512", "NEON", "DOTPROD", "MATMUL_INT8")

_FEATURE = re.compile(r"(\w+) = 1\b")
_SYSCTL_OPTIONAL = re.compile(r"^hw\.optional\.(?:arm\.)?(\S+): 1$", re.MULTILINE)
_SYSCTL_FEATURES = re.compile(r"^machdep\.cpu\.\w*features: (.+)$", re.MULTILINE)


def built_with(system_info: str) -> set[str]:
    """The features that llama.cpp's own line switches on."""
    return set(_FEATURE.findall(system_info))


def lacking(built: Set[str], processor: Set[str]) -> list[str]:
    """What the build uses and the processor does not have."""
    return sorted(built & LINUX_FLAGS.keys() - processor)


def unused(built: Set[str], processor: Set[str]) -> list[str]:
    """What would be quicker, and was not built in."""
    return [name for name in WORTH_HAVING if name in processor and name not in built]


def of_cpuinfo(text: str) -> set[str]:
    """The features of the processors in /proc/cpuinfo, by llama.cpp's names."""
    lines = (line.partition(":") for line in text.splitlines())
    flags = {flag for key, _, value in lines if key.strip() in {"flags", "Features"} for flag in value.split()}
    return {name for name, flag in LINUX_FLAGS.items() if flag in flags}


def of_sysctl(text: str) -> set[str]:
    """The same of what macOS's sysctl prints."""
    flags = {name.lower() for name in _SYSCTL_OPTIONAL.findall(text)}
    flags |= {word.lower() for line in _SYSCTL_FEATURES.findall(text) for word in line.split()}
    return {name for name, flag in MACOS_FLAGS.items() if flag in flags}


def of_this_machine() -> set[str]:
    """Empty where the system does not tell."""
    try:
        if platform.system() != "Darwin":
            return of_cpuinfo(CPUINFO.read_text(encoding="utf-8"))
        told = subprocess.run(SYSCTL, capture_output=True, text=True, timeout=SYSCTL_TIMEOUT_S, check=False)
    except (OSError, subprocess.SubprocessError):
        return set()
    return of_sysctl(told.stdout)
