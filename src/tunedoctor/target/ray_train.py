"""Train on nodes of a Ray cluster by Ray Train, in the Python that has Ray: `python ray_train.py ORDER COMMAND...`.

ORDER is JSON: `address`, `names` of nodes, `gpus` that each gives, the `folder` in which the command runs, `out`, and
seconds to `wait` for nodes that are busy. Ray Train, which would wait without end, has a worker on each node. That
starts the command, a launcher of trainers, whose words and signals are passed on.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Dict, Tuple

import ray_nodes  # type: ignore[import-not-found]

WAYS = "--wait takes more seconds, --exclude leaves nodes out; ray status shows who has what"


class Board:
    """An actor: what the nodes say, who failed first, and the signal that all get."""

    said, failed, begun, signal = b"", ("", 0), False, 0

    def tell(self, name: str, said: bytes, status: int) -> int:
        """Take the words of a node, and its exit status, 0 while it runs; return the signal."""
        self.begun, self.said = True, self.said + said
        self.failed = self.failed if self.failed[1] or not status else (name, status)
        return self.signal

    def take(self, number: int) -> Tuple[bytes, Tuple[str, int], bool]:
        """Return what there is, for the signal that came, or 0."""
        said, self.said, self.signal = self.said, b"", number
        return said, self.failed, self.begun


def node(order: Dict[str, Any]) -> None:
    """Run the launcher, on the GPUs that Ray gives, to its end; where it fails, Ray Train ends the other nodes."""
    import ray

    rank, sent, status = order["ids"].index(ray.get_runtime_context().get_node_id()), 0, None
    given = ray_nodes.environment(order["names"][rank], rank)
    given.update({k: v for k, v in os.environ.items() if k.endswith("_VISIBLE_DEVICES")})
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])  # children would inherit it
    how: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "bufsize": 0}
    how.update(stdin=subprocess.DEVNULL, cwd=order["folder"], env=given)
    launcher = subprocess.Popen(order["argv"], **how)  # noqa: S603  in Ray's group, and ends with it
    os.set_blocking(launcher.stdout.fileno(), False)  # type: ignore[union-attr]
    while status is None:
        time.sleep(0.2)
        status = launcher.poll()
        said = launcher.stdout.read() or b""  # type: ignore[union-attr]
        number = ray.get(order["board"].tell.remote(order["names"][rank], said, status or 0))
        if number != sent:
            launcher.send_signal(number)
            sent = number
    if status:
        raise RuntimeError("it failed")


def busy(order: Dict[str, Any]) -> str:
    """Return what nodes lack of what is asked of them; "" where all is free, or Ray does not tell."""
    try:
        from ray._private.state import available_resources_per_node

        free, lacking = available_resources_per_node(), []
    except Exception:
        return ""
    for name, id_ in zip(order["names"], order["ids"]):
        has = [free.get(id_, {}).get(kind, 0) for kind in ("CPU", "GPU")]
        if has[0] < 1 or has[1] < order["gpus"]:
            lacking.append("{} has {:g} CPUs and {:g} GPUs free".format(name, *has))
    asked = "a CPU and {} GPUs of each node are asked: ".format(order["gpus"])
    return asked + ", ".join(lacking[:8]) if lacking else ""


def main(order: Dict[str, Any]) -> int:
    """Train on all nodes; returns the exit status of the one that failed first, which is named."""
    parent, came, begun, is_over = os.getppid(), [0], False, False
    ray = ray_nodes.connected(order["address"])
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    ray.cloudpickle.register_pickle_by_value(ray_nodes)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: came.append(number))
    known = ray_nodes.named(ray.nodes())
    order["gpus"] *= any("GPU" in one["Resources"] for one in known.values())
    order["ids"] = [known[name]["NodeID"] for name in order["names"]]
    order["board"] = board = ray.remote(num_cpus=0)(Board).remote()
    how: Dict[str, Any] = {"num_workers": len(order["ids"]), "use_gpu": order["gpus"] > 0}
    how["label_selector"] = [{"ray.io/node-id": one} for one in order["ids"]]
    how["resources_per_worker"] = {"CPU": 1, "GPU": order["gpus"]}
    trainer = TorchTrainer(
        node,
        train_loop_config=order,
        torch_config=TorchConfig(backend="gloo"),  # Ray's own group, in which nothing is sent
        scaling_config=ScalingConfig(placement_strategy="STRICT_SPREAD", **how),
        run_config=RunConfig(name=".ray", storage_path=order["out"]),
    )
    fit, lacks, is_late, end = None, "", False, time.monotonic() + order["wait"]
    while not is_over and not is_late and (begun or not came[-1]):
        if fit is None:
            before, lacks = lacks, busy(order)
            fit = None if lacks else ThreadPoolExecutor(1).submit(trainer.fit)
            if lacks and not before:
                print("doctor: waits: " + lacks, file=sys.stderr, flush=True)
        time.sleep(0.2)
        is_over = bool(fit and fit.done())
        if os.getppid() != parent:  # the doctor was killed
            came.append(signal.SIGTERM)
        said, failed, begun = ray.get(board.take.remote(came[-1]))
        sys.stderr.buffer.write(said)
        sys.stderr.flush()
        is_late = not begun and time.monotonic() > end
    if is_late:
        why = "nothing began in {} s: {}".format(order["wait"], lacks or "Ray gave no worker")
        print("doctor: {}\n  {}".format(why, WAYS), file=sys.stderr)
    problem = fit.exception() if fit and is_over else None
    if problem:
        alive = [one["NodeID"] for one in ray.nodes() if one["Alive"]]
        lost = [name for name, id_ in zip(order["names"], order["ids"]) if id_ not in alive]
        name, why = ([*lost, failed[0]])[0], "Exited with exit code {}".format(failed[1])
        why = "Node failure" if lost else why
        said = "{}: {}".format(name, why) if name else " ".join(str(problem).split())[:300]
        print("Ray: " + said, file=sys.stderr)
    shutil.rmtree(os.path.join(order["out"], ".ray"), ignore_errors=True)
    ray.shutdown()
    return 2 if is_late else (failed[1] or 1) if problem else 0


if __name__ == "__main__":  # threads of Ray Train may still wait
    os._exit(main({**json.loads(sys.argv[1]), "argv": sys.argv[2:]}))
