"""Train on nodes of a Ray cluster with Ray Train, in the Python that has Ray: `python ray_train.py ORDER COMMAND...`.

ORDER is JSON: `address`, `names` of nodes, `gpus` per node, the `folder` in which the command runs, `out`, and seconds
to `wait` for busy nodes (Ray Train itself would wait forever). Ray Train runs a worker on each node. The worker starts
the command, a launcher of trainers, and passes its output and signals on.
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

WAYS = "wait longer with --wait, or skip nodes with --exclude; `ray status` shows what is in use"


class Board:
    """A Ray actor that collects the nodes' output and the first failure, and hands out the signal for all."""

    said, failed, begun, signal = b"", ("", 0), False, 0

    def tell(self, name: str, output: bytes, status: int) -> int:
        """Add output of a node and its exit status (0 while it runs); return the signal to send, or 0."""
        self.begun, self.said = True, self.said + output
        self.failed = self.failed if self.failed[1] or not status else (name, status)
        return self.signal

    def take(self, number: int) -> Tuple[bytes, Tuple[str, int], bool]:
        """Set the signal (0: none); return the new output, the first failure, and whether any node has started."""
        output, self.said, self.signal = self.said, b"", number
        return output, self.failed, self.begun


def node(order: Dict[str, Any]) -> None:
    """Run the launcher on the GPUs that Ray assigned; if it fails, raise, and Ray Train ends the other nodes."""
    import ray

    rank, sent, status = order["ids"].index(ray.get_runtime_context().get_node_id()), 0, None
    variables = ray_nodes.environment(order["names"][rank], rank)
    variables.update({k: v for k, v in os.environ.items() if k.endswith("_VISIBLE_DEVICES")})
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])  # children would inherit it
    how: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "bufsize": 0}
    how.update(stdin=subprocess.DEVNULL, cwd=order["folder"], env=variables)
    launcher = subprocess.Popen(order["argv"], **how)  # noqa: S603  in Ray's group, and ends with it
    os.set_blocking(launcher.stdout.fileno(), False)  # type: ignore[union-attr]
    while status is None:
        time.sleep(0.2)
        status = launcher.poll()
        output = launcher.stdout.read() or b""  # type: ignore[union-attr]
        number = ray.get(order["board"].tell.remote(order["names"][rank], output, status or 0))
        if number != sent:
            launcher.send_signal(number)
            sent = number
    if status:
        raise RuntimeError("the launcher failed")


def busy(order: Dict[str, Any]) -> str:
    """Return a sentence that says which nodes lack free CPUs or GPUs; "" if none does or Ray can't say."""
    try:
        from ray._private.state import available_resources_per_node

        free, lacking = available_resources_per_node(), []
    except Exception:
        return ""
    for name, id_ in zip(order["names"], order["ids"]):
        has = [free.get(id_, {}).get(kind, 0) for kind in ("CPU", "GPU")]
        if has[0] < 1 or has[1] < order["gpus"]:
            lacking.append("{} has {:g} CPUs and {:g} GPUs free".format(name, *has))
    need = "each node needs a free CPU and {} free GPUs: ".format(order["gpus"])
    return need + ", ".join(lacking[:8]) if lacking else ""


def main(order: Dict[str, Any]) -> int:
    """Train on all nodes; return the exit status of the one that failed first, and print its name."""
    parent, signals, has_started, is_over = os.getppid(), [0], False, False
    ray = ray_nodes.connected(order["address"])
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    ray.cloudpickle.register_pickle_by_value(ray_nodes)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: signals.append(number))
    nodes = ray_nodes.nodes_by_name(ray.nodes())
    order["gpus"] *= any("GPU" in entry["Resources"] for entry in nodes.values())
    order["ids"] = [nodes[name]["NodeID"] for name in order["names"]]
    order["board"] = board = ray.remote(num_cpus=0)(Board).remote()
    how: Dict[str, Any] = {"num_workers": len(order["ids"]), "use_gpu": order["gpus"] > 0}
    how["label_selector"] = [{"ray.io/node-id": entry} for entry in order["ids"]]
    how["resources_per_worker"] = {"CPU": 1, "GPU": order["gpus"]}
    trainer = TorchTrainer(
        node,
        train_loop_config=order,
        torch_config=TorchConfig(
            backend="gloo"
        ),  # for Ray's own process group, which sends nothing
        scaling_config=ScalingConfig(placement_strategy="STRICT_SPREAD", **how),
        run_config=RunConfig(name=".ray", storage_path=order["out"]),
    )
    fit, lacks, is_late, end = None, "", False, time.monotonic() + order["wait"]
    while not is_over and not is_late and (has_started or not signals[-1]):
        if fit is None:
            last_lacks, lacks = lacks, busy(order)
            fit = None if lacks else ThreadPoolExecutor(1).submit(trainer.fit)
            if lacks and not last_lacks:
                print("doctor: waiting: " + lacks, file=sys.stderr, flush=True)
        time.sleep(0.2)
        is_over = bool(fit and fit.done())
        if os.getppid() != parent:  # the doctor was killed
            signals.append(signal.SIGTERM)
        output, failed, has_started = ray.get(board.take.remote(signals[-1]))
        sys.stderr.buffer.write(output)
        sys.stderr.flush()
        is_late = not has_started and time.monotonic() > end
    if is_late:
        why = lacks or "Ray started no worker"
        why = "the training did not start within {} s: {}".format(order["wait"], why)
        print("doctor: {}\n  {}".format(why, WAYS), file=sys.stderr)
    problem = fit.exception() if fit and is_over else None
    if problem:
        alive = [entry["NodeID"] for entry in ray.nodes() if entry["Alive"]]
        lost = [name for name, id_ in zip(order["names"], order["ids"]) if id_ not in alive]
        name, why = ([*lost, failed[0]])[0], "Exited with exit code {}".format(failed[1])
        why = "Node failure" if lost else why
        output = "{}: {}".format(name, why) if name else " ".join(str(problem).split())[:300]
        print("Ray: " + output, file=sys.stderr)
    shutil.rmtree(os.path.join(order["out"], ".ray"), ignore_errors=True)
    ray.shutdown()
    return 2 if is_late else (failed[1] or 1) if problem else 0


if __name__ == "__main__":  # _exit: threads of Ray Train may still be waiting
    os._exit(main({**json.loads(sys.argv[1]), "argv": sys.argv[2:]}))
