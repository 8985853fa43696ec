from modelsvc.worker.command import worker

worker(prog_name="python -m modelsvc.worker")
