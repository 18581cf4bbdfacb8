"""From snapshot to findings, causes and symptoms, and the report; also redaction of names of people and machines."""
