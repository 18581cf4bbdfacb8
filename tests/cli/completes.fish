doctor completion fish | source; for x in $argv; echo "$x:" (complete -C "$x"); end
