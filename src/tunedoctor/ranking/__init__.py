"""Which causes the words of a report resemble, learned from labelled reports. It suspects; it never proves."""
