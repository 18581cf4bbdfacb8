"""A Ray cluster on one machine: `python ray_cluster.py NODES`, {name: variables}; "" has no name of its own.

Prints the address; a name on stdin kills that node, and the end of it takes the cluster down.
"""

import json
import os
import sys

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
from ray.cluster_utils import Cluster  # noqa: E402

cluster, nodes = Cluster(), {}
for name, variables in json.loads(sys.argv[1]):
    named = {"node_name": name} if name else {}
    nodes[name] = cluster.add_node(
        num_cpus=1, object_store_memory=80 << 20, include_dashboard=False, env_vars=variables, **named
    )
cluster.wait_for_nodes()
print(cluster.address, flush=True)
for line in sys.stdin:
    cluster.remove_node(nodes[line.strip()], allow_graceful=False)
    print("gone", flush=True)
cluster.shutdown()
