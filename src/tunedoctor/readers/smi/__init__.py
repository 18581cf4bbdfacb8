"""The formats of nvidia-smi, one file each."""
