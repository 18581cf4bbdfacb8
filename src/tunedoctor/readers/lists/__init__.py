"""Lists of packages in pasted texts: what each tool prints, as entries of one ledger."""
