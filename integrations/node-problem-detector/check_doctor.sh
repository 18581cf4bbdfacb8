#!/bin/sh
# Plug-in for node-problem-detector. Exit code: 0 the node can train, 1 it cannot, 2 undecided.
# node-problem-detector shows 80 bytes of the output and kills the plug-in after 5 s.
doctor=/opt/doctor/bin/doctor
config=/etc/doctor.toml
seconds=3 # doctor may take two more

line=$("$doctor" check --profile node --config "$config" --timeout "$seconds" --format line)
code=$?
printf '%s\n' "$line"
case $code:${line#doctor: * } in
0:*) exit 0 ;;
1:'[node]'*) exit 1 ;;
1:'[user]'*) exit 0 ;; # what a workload requested or left behind is not the node's fault
*) exit 2 ;;
esac
