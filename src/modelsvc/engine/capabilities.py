"""`python -m modelsvc.engine.capabilities`: what the installed llama.cpp was built for, as one JSON object.

Run it as a process of its own: a library that was built for another processor ends by an illegal instruction.
"""

import json
import sys
from importlib.metadata import version
from typing import Any

from modelsvc.engine.library import lib


def report() -> dict[str, Any]:
    """`system_info` is llama.cpp's own line, such as `CPU : AVX = 1 | AVX2 = 1 | OPENMP = 1 | `."""
    return {
        "version": version("llama_cpp_python"),
        "system_info": lib.llama_print_system_info().decode(errors="replace"),
        "mmap": bool(lib.llama_supports_mmap()),
        "gpu_offload": bool(lib.llama_supports_gpu_offload()),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(report()) + "\n")
