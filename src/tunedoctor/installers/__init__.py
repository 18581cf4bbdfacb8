"""Run installers as children with a time limit, and ask them and package indexes for versions."""
