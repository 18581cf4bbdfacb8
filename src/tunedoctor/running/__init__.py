"""Run somebody's command as if the doctor were not there, and keep what tells why it failed."""
