"""What each command does, as a typed function that other programs can call: no printing, no exit."""
