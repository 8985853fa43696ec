"""The table of checks, in the order in which their findings are told."""

from modelsvc.doctor import (
    clock,
    configuration,
    daemon,
    disk,
    journal,
    keys,
    listening,
    llama,
    memory,
    model,
    nginx,
    open_files,
    prometheus,
    python,
    service,
    state_folder,
    store,
)
from modelsvc.doctor.examination import Check

CHECKS = (
    Check("configuration", configuration.check),
    Check("keys", keys.check),
    Check("python", python.check),
    Check("llama.cpp", llama.check),
    Check("nginx", nginx.check),
    Check("ports", listening.check),
    Check("state folder", state_folder.check),
    Check("disk", disk.check),
    Check("model", model.check),
    Check("store", store.check),
    Check("memory", memory.check),
    Check("journal", journal.check),
    Check("daemon", daemon.check),
    Check("service", service.check),
    Check("clock", clock.check),
    Check("open files", open_files.check),
    Check("prometheus", prometheus.check),
)
