source <(doctor completion bash)
for line; do
    COMP_LINE="$line" COMP_POINT=${#line} COMP_WORDS=($line) COMP_TYPE=9 COMP_KEY=9
    COMPREPLY=(); _python_argcomplete doctor; echo "$line: ${COMPREPLY[*]}"
done
