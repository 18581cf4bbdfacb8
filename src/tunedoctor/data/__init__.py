"""What training data hold before training reads them: faults by line, forms, repeats, leaks, secrets, lengths."""
