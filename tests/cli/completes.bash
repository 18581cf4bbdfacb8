source <(doctor completion bash)
for line; do
    COMP_WORDS=($line); [ "${line% }" = "$line" ] || COMP_WORDS+=("")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    COMPREPLY=(); _doctor_completion doctor; echo "$line: ${COMPREPLY[*]}"
done
