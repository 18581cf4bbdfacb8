from tunedoctor import api

LOW = 1024
HUGE = 1 << 29


@api.check("file-limit")
def file_limit(facts: api.Facts, limit: api.FileLimit) -> api.Finding | None:
    """Below 1024, or about 2^30 in a container."""
    if 0 <= limit.soft < LOW:
        most = min(65536, limit.hard) if limit.hard > 0 else 65536
        hard = limit.hard if limit.hard >= 0 else "not set"
        return facts.worded("file-limit/low", hard=hard, most=most)
    huge = facts.container and limit.soft >= HUGE
    return facts.worded("file-limit/huge") if huge else None
