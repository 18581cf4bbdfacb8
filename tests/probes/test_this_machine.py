"""What rows can't tell: answers of this machine, refusals of its system, and what a probe leaves open."""

import os
import resource

from planting import plant

from tunedoctor.facts import Absent
from tunedoctor.probes.amd import groups_missing, rocm_stack
from tunedoctor.probes.resources import cpu, file_limit, memory, shared_memory
from tunedoctor.probes.system import host
from tunedoctor.readers.kernel_messages import parse_kernel_log


def test_memory_processors_and_limits_of_this_machine(tmp_path):
    assert host().machine
    assert 1 <= cpu().usable <= cpu().count
    ram, shared, files = memory(), shared_memory(folder=str(tmp_path)), file_limit()
    assert not isinstance(files, Absent)
    assert 0 < (ram.available or 0) <= ram.total
    assert 0 < (shared.free or 0) <= shared.total
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert [files.soft, files.hard] == [-1 if n == resource.RLIM_INFINITY else n for n in limits]


def test_nodes_of_others_are_left_out_and_refusals_are_told(tmp_path, monkeypatch):
    vendors = {"renderD128": "0x10de", "renderD129": "0x1002", "renderD130": "0x1002"}
    files = {f"sys/class/drm/{n}/device/vendor": f"{vendor}\n" for n, vendor in vendors.items()}
    nodes = {f"dev/dri/{name}": "" for name in (*vendors, "card0")}
    root = plant(tmp_path, {**files, **nodes, "dev/kfd": ""})
    found = rocm_stack(root, "7.2.0", ("/x",), lambda path: path.name != "renderD130")
    nodes = [root / "dev/dri" / name for name in ("renderD129", "renderD130")]
    assert (found.kfd, found.render_nodes) == ("ok", tuple(map(str, nodes)))
    assert found.render_denied == (str(nodes[1]),)
    assert groups_missing([*nodes, root / "missing"]) == ()
    owner = nodes[0].stat().st_gid
    monkeypatch.setattr(os, "getgroups", list)
    monkeypatch.setattr(os, "getegid", lambda: owner + 1)
    assert len(groups_missing(nodes)) == 1


def test_a_flood_of_the_kernel_log_is_cut():
    assert len(parse_kernel_log("NVRM: Xid (PCI:0000:38:00): 13, x\n" * 50_000).xids) == 3
