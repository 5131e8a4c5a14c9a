"""Starts a run of W&B, as the logger does, and logs one number."""

from hyrec.loggers.wandb_run import start_run

if __name__ == "__main__":
    start_run(project="p").log({"a": 1})
