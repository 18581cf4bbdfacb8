"""Snapshot -> findings, causes over symptoms -> report, without what names a person or a machine."""
