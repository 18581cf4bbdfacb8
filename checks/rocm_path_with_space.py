from tunedoctor import api


@api.check("rocm-path-with-space")
def rocm_path_with_space(facts: api.Facts, torch: api.TorchBuild) -> api.Finding | None:
    """Look at the environment's path, then at the working folder, unless a computation was seen to work.

    In a report the paths of the traceback tell, where it ends in the error that this fault gives.
    """
    if torch.accelerator != "rocm" or api.parts(torch.hip)[:1] != (6,):
        return None
    stages = (s for s in facts.runtime.stages if s.name.startswith("matmul cuda:"))
    if any(stage.outcome == "ok" for stage in stages):
        return None
    work = next((disk.path for disk in facts.disks.disks if disk.use == "work"), "")
    prefix = facts.interpreter.prefix or torch.location
    place = next((path for path in (torch.location, prefix, work) if " " in path), "")
    said = "" if place else facts.heard("rocm-path-with-space")
    # the program is outermost in a traceback
    files = (e.frames[0].file for e in facts.errors.errors if e.frames and said)
    program = next((file for file in files if " " in file), "")
    if not place and not program:
        return None
    case = "rocm-path-with-space:work" if place and place == work else ""
    hip, key = ".".join(torch.hip.split(".")[:2]), "rocm-path-with-space"
    return facts.worded(case, key, said=said, hip=hip, place=place or program)
