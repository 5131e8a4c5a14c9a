"""Stands for ``hyrec fit``: takes the same options and leaves the same files, and does what ``--do`` says."""

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

words = [part for word in sys.argv[1:] for part in (word.split("=", 1) if word.startswith("--") else [word])]
options = dict(zip(words[::2], words[1::2], strict=True))
folder, behaviour = Path(options["--trainer.default_root_dir"]), options["--do"]
checkpoint, predictions = folder / "checkpoints" / "last.ckpt", folder / "predictions" / "part-00000.parquet"
calls = Path(os.environ["CALLS"])


def say(event, **more):
    with calls.open("a") as file:
        line = {"event": event, "name": options["--name"], "process": os.getpid(), "time": time.monotonic(), **more}
        file.write(json.dumps(line) + chr(10))


more = {"threads": os.environ["OMP_NUM_THREADS"], "extra": os.environ.get("EXTRA")}
say("start", checkpoint=options.get("--ckpt_path"), **more)
if predictions.exists():
    sys.exit("holds predictions already")
if behaviour == "fail":
    print("first line", flush=True)
    sys.exit("hyrec: there is no encoder 'Longr'")
if behaviour == "mute":
    sys.exit(0)
checkpoint.parent.mkdir(parents=True, exist_ok=True)
first = 0
if "--ckpt_path" in options:
    with zipfile.ZipFile(options["--ckpt_path"]) as archive:
        first = int(archive.read("step"))
(folder / "metrics.csv").unlink(missing_ok=True)
with (folder / "metrics.csv").open("w") as file:
    file.write("step,train/loss,test/auc" + chr(10))
    for step in range(first, 4):
        file.write(f"{step},{1 / (step + 1)}," + chr(10))
        file.flush()
        if step == 2 and behaviour == "killed" and not first:
            predictions.parent.mkdir()
            predictions.write_text("half")
            file.write("2,0.")
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        if step == 2 and behaviour in ("waits", "stubborn", "parent") and not first:
            if behaviour == "stubborn":
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
            if behaviour == "parent":
                grandchild = subprocess.Popen(["sleep", "100"])
                say("grandchild", grandchild=grandchild.pid)
            say("waits")
            time.sleep(100)
        with zipfile.ZipFile(checkpoint, "w") as archive:
            archive.writestr("step", str(step + 1))
    time.sleep(float(options.get("--seconds", "0")))
    file.write(f"4,,{0.5 + int(options['--seed_everything']) / 10}" + chr(10))
say("end")
