"""Children that cannot outlive the doctor, and files of somebody else's: where programs are started and read."""
