"""The thread in which prompts become tokens, with a stack for the longest of them.

Some models' tokenizers cut text by regular expressions that the C++ library follows by recursion, about 350 bytes deep
for each character of a run (of letters, of dots). On the usual stack of 8 MiB some 25,000 in a row end the process.
"""

import threading
from concurrent.futures import ThreadPoolExecutor

STACK_BYTES = 512 * 2**20  # for a run of a million, more than a request holds; only what is needed becomes memory


def prompt_thread() -> ThreadPoolExecutor:
    usual = threading.stack_size(STACK_BYTES)
    try:
        executor = ThreadPoolExecutor(1, thread_name_prefix="prompt")
        executor.submit(int).result()  # the thread begins now, and stays
    finally:
        threading.stack_size(usual)
    return executor
