"""Send the log to TensorBoard, trackio or Weights & Biases, and the result to a hub, each by its own package."""

from __future__ import annotations

import contextlib
import importlib
import json
import netrc
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any, Iterator
from urllib.parse import urlsplit

from train_input import RANK, Config, or_stop, say, whole_file  # type: ignore[import-not-found]

PROJECT = "tunedoctor"
"""Project of trackio and Weights & Biases, unless TRACKIO_PROJECT or WANDB_PROJECT names another one."""
RUN_IDS = "trackers.json"
"""File in `out` with the ids of the run, so that a resumed run continues the same curves."""


def tracker_names(config: Config) -> list[str]:
    """Return the trackers that the configuration names."""
    names = [name.strip() for name in config.report_to.split(",") if name.strip()]
    return list(dict.fromkeys([*names, *["tensorboard"] * config.tensorboard]))


class Trackers:
    """The trackers of a run. A failure while it trains is printed once, and the tracker is left out from then on."""

    def __init__(self, config: Config) -> None:
        """Open the trackers; exit if one of them is not installed or can't start."""
        self.config = config
        self.open: dict[str, Any] = {}
        for name in tracker_names(config) if config.out and RANK == 0 else ():
            with or_stop(
                f"{name} does not load", f"pip install {name}, or remove it from report_to"
            ):
                module = "torch.utils.tensorboard" if name == "tensorboard" else name
                library = importlib.import_module(module)
            remedy = "remove it from report_to"
            if name == "wandb":
                remedy = f"set WANDB_MODE=offline, or {remedy}"
            with or_stop(f"{name} does not start", remedy):
                self.open[name] = getattr(self, f"start_{name}")(library)

    def start_tensorboard(self, library: Any) -> Any:
        """Return a writer of event files in `out`."""
        return library.SummaryWriter(self.config.out, flush_secs=1)

    def start_trackio(self, library: Any) -> Any:
        """Start a run of trackio: local, or where its environment variables say."""
        project, name = os.environ.get("TRACKIO_PROJECT") or PROJECT, self.run_name("trackio")
        library.init(project=project, name=name, config=asdict(self.config), resume="allow")
        say(f"trackio: trackio show --project {project}")
        return library

    def start_wandb(self, library: Any) -> Any:
        """Start a run of Weights & Biases: offline if no user is logged in, because it would ask for a key."""
        project, out = os.environ.get("WANDB_PROJECT") or PROJECT, self.config.out
        mode = os.environ.get("WANDB_MODE") or ("online" if has_wandb_key() else "offline")
        Path(out).mkdir(parents=True, exist_ok=True)
        run = library.init(
            project=project, id=self.run_name("wandb"), name=Path(out).name, dir=out, mode=mode,
            config=asdict(self.config), resume="allow",
            settings=library.Settings(console="off", silent=True),
        )  # fmt: skip
        where = f"wandb sync {Path(out, 'wandb')}/offline-run-* uploads it"
        say(f"wandb: {where if mode == 'offline' else getattr(run, 'url', '') or mode}")
        return run

    def run_name(self, tracker: str) -> str:
        """Return the name of this run: the one that it had before, if it is resumed, or a new one."""
        file = Path(self.config.out, RUN_IDS)
        try:
            names = dict(json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            names = {}
        if not self.config.resume or not isinstance(names.get(tracker), str):
            names[tracker] = f"{Path(self.config.out).name}-{os.urandom(4).hex()}"
            file.parent.mkdir(parents=True, exist_ok=True)
            whole_file(file, json.dumps(names))
        return str(names[tracker])

    def log(self, row: dict[str, Any]) -> None:
        """Send a row of the log."""
        values = {key: value for key, value in row.items() if key != "step"}
        for name, tracker in list(self.open.items()):
            with self.dropped_if_it_fails(name):
                if name == "tensorboard":
                    for key, value in values.items():
                        tracker.add_scalar(key, value, row["step"])
                else:
                    tracker.log(values, step=row["step"])

    def close(self) -> None:
        """Finish all trackers, which sends what is still buffered."""
        for name, tracker in list(self.open.items()):
            with self.dropped_if_it_fails(name):
                (tracker.close if name == "tensorboard" else tracker.finish)()
        self.open.clear()

    @contextlib.contextmanager
    def dropped_if_it_fails(self, name: str) -> Iterator[None]:
        """Drop a tracker if the block raises: it must not end the training."""
        try:
            yield
        except Exception as error:
            self.open.pop(name, None)
            say(f"{name} fails and is left out from now on: {error!r:.200}")


def has_wandb_key() -> bool:
    """Return whether Weights & Biases has a key in the environment or in ~/.netrc, where its login writes it."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlsplit(os.environ.get("WANDB_BASE_URL") or "https://api.wandb.ai").hostname or ""
    try:
        return netrc.netrc(os.environ.get("NETRC")).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False


def check_hub(config: Config) -> None:
    """Exit if the result can't be pushed to the hub: before the training, not after it."""
    if not config.push_to_hub or not config.out or RANK:
        return
    with or_stop("push_to_hub needs huggingface_hub", "pip install huggingface_hub"):
        hub = importlib.import_module("huggingface_hub")
    remedy = "run hf auth login, set HF_TOKEN, or remove push_to_hub"
    with or_stop(f"the hub refuses to push {config.push_to_hub}", remedy):
        hub.HfApi().whoami()


def push_result(config: Config) -> None:
    """Upload the folder `final` to the hub, to a new private repository if it does not exist."""
    if not config.push_to_hub:
        return
    folder, repository = Path(config.out, "final"), config.push_to_hub
    try:
        api = importlib.import_module("huggingface_hub").HfApi()
        api.create_repo(repository, private=True, exist_ok=True)
        api.upload_folder(
            repo_id=repository, folder_path=str(folder), commit_message="doctor train"
        )
    except Exception as error:  # the training itself succeeded
        say(f"{repository} could not be uploaded: {error!r:.300}")
        say(f"  hf upload {repository} {folder} tries again")
    else:
        say(f"uploaded {folder} to {api.endpoint}/{repository}; a new repository is private")
