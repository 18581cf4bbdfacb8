"""Many machines: collect their snapshots (Slurm, Ray, Kubernetes, ssh, files), find outliers and explain them.

One module per cluster manager returns replies of nodes. Machines that are equal in all facts that a check needs are
judged once. The nodes of a distributed training are here too.
"""
