"""Run the smoke training: start its scripts in the target, judge their results, and name the cause of a failure."""
