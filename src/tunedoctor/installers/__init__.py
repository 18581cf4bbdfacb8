"""Installers that the doctor asks or runs, as children with a time limit."""
