"""What pip, uv, conda, poetry and the libraries' own guards print while packages are installed and imported."""
