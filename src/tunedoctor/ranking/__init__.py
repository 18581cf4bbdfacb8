"""Find which causes the words of a report resemble, learned from labelled reports. This gives suspects, never proof."""
