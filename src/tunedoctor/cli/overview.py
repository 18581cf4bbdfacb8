"""What `doctor` alone says."""

OVERVIEW = """\
doctor finds what stops a machine from fine-tuning language models.

Look
  check     find problems; reads only, takes a quarter of a second
  triage    the same diagnosis from reports that somebody pasted
  run       run a command untouched, and say why it failed
  explain   all about a finding, or what an error text means
  wheel     name the PyTorch build that is right for a machine, and install lines
  smoke     train a tiny model in the target, offline, in seconds
  set       one set of libraries that fits, or the smallest change towards it
  fit       what a fine-tune needs, whether it fits, what to change
  data      training data: faults by line, repeats, leaks, secrets, lengths
  train     fine-tune by a configuration, in one file that you can take along
  list      name checks, fixes and plug-ins

Cure
  fix       one plan for what was found, shown first, and all of it or nothing
  undo      bring back the state before the last fix

Keep up
  update    learn the newest PyTorch wheels from the index

Write down
  snapshot  all facts, redacted: doctor snapshot -o FILE
  schema    the JSON Schema of what --format json gives

Exit codes  0 ready   1 findings   2 misuse, or could not tell   130 stopped
Options     --target PATH  --deep  --only ID  --skip ID  --format F  -q  -v
            all of them: doctor check --help
"""
