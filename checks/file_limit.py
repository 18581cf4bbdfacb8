from tunedoctor import api

LOW = 1024
HUGE = 1 << 29


@api.check("file-limit")
def file_limit(facts: api.Facts, limit: api.FileLimit) -> api.Finding | None:
    """Below 1024, or about 2^30 in a container."""
    if 0 <= limit.soft < LOW:
        return facts.worded(
            "file-limit/low",
            found=f"{limit.soft} open files, the hard limit is {limit.hard if limit.hard >= 0 else 'not set'}",
            cure=api.tell(f"ulimit -n {min(65536, limit.hard) if limit.hard > 0 else 65536}"),
        )
    if facts.container and limit.soft >= HUGE:
        return facts.worded("file-limit/huge")
    return None
